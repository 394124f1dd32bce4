"""All that relies on private names and on the storage of werkzeug: a new release of it may change these.

Each has its reason here, and in tests/core/test_werkzeug.py a test that fails when werkzeug changes it. Times are
for one request, measured with werkzeug 3.1.9 and Python 3.11 beside the way through public names.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast

from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.local import LocalProxy
from werkzeug.routing import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.test import Client
    from werkzeug.wrappers import Response

__all__ = [
    "LazyRule",
    "add_cookies",
    "functions_on_close",
    "headers_of_pairs",
    "multidict_of",
    "proxy",
    "update_cookies",
]


T = TypeVar("T")


def headers_of_pairs(pairs: list[tuple[str, str]]) -> Headers:
    """The Headers with these names and values, which hold no line break; *pairs* becomes their storage.

    ``Headers(pairs)`` checks each value for a line break with a regular expression. The caller has checked all in less
    time: a redirect takes 10 µs in place of 13.
    """
    headers = Headers()
    headers._list = pairs
    return headers


def multidict_of(values: dict[str, list[str]]) -> ImmutableMultiDict[str, str]:
    """The ImmutableMultiDict with these lists of values.

    A MultiDict is a dict of lists. Its constructor takes many types, tells them apart and copies each list: a request
    with a query takes 6 µs in place of 8.
    """
    multidict: ImmutableMultiDict[str, str] = ImmutableMultiDict.__new__(ImmutableMultiDict)
    dict.update(multidict, values)
    return multidict


def functions_on_close(response: Response) -> list[Callable[[], Any]]:
    """The functions that a response of werkzeug calls when it is closed: another response takes them over.

    werkzeug has no public way to read them.
    """
    return response._on_close


def add_cookies(client: Client, environ: WSGIEnvironment) -> None:
    """Add the cookies of a test client to *environ*. It does so itself only for a request that it sends."""
    client._add_cookies_to_wsgi(environ)


def update_cookies(client: Client, host: str, path: str, cookies: list[str]) -> None:
    """Keep in a test client the *cookies*, values of Set-Cookie, of an answer from *host* to a request for *path*."""
    client._update_cookies_from_response(host, path, cookies)


def proxy(name: str, find: Callable[[], T], known: type = object) -> T:
    """The LocalProxy *name* of the object that *find* returns.

    The public attributes of the class *known* are properties of the proxy. A proxy without them finds an attribute
    only after it has not found it in itself: a view that reads one attribute of the request takes 8 % longer, with
    three 15 %.
    """

    def forwarded(attribute: str) -> Any:
        return property(lambda proxy: getattr(find(), attribute))

    attributes = {attribute: forwarded(attribute) for attribute in dir(known) if not attribute.startswith("_")}
    return cast("T", type(name, (_Proxy,), {"__slots__": (), **attributes})(find))


class _Proxy(LocalProxy[T]):
    """A LocalProxy that calls *find* directly; werkzeug's goes through two more functions each time.

    ``_get_current_object`` is the slot that all other operations of a LocalProxy use.
    """

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[], T]) -> None:
        super().__init__(find)
        object.__setattr__(self, "_find", find)
        object.__setattr__(self, "_get_current_object", find)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    def __getitem__(self, key: Any) -> Any:
        return self._find()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._find()[key] = value

    def __contains__(self, key: Any) -> bool:
        return key in self._find()


#: Held while the code that builds the URLs of a rule is compiled: werkzeug makes it from an AST, and CPython 3.11.7
#: loses count of its depth (a SystemError) when several threads do so. A finalizer may build a URL at any time, so it
#: is reentrant.
_building = RLock()


class LazyRule(Rule):
    """A rule that compiles the code which builds its URLs when the first one is built.

    That code is most of the work of adding a rule, and most rules build no URL: a rule is added in 0.03 ms in place of
    0.4 ms, which a CGI script pays for all its rules with each request.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = super()._compile_builder
        if self.defaults:
            return compiled(append_unknown)  # an error in a default is raised where the rule is added
        build: Callable[..., tuple[str, str]] | None = None

        def build_first(rule: Rule, /, **values: Any) -> tuple[str, str]:
            nonlocal build
            if build is None:
                with _building:
                    if build is None:
                        build = compiled(append_unknown)
            return build(rule, **values)

        return build_first
