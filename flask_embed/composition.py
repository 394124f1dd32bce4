"""The apps inside an app: behind its middleware and its mounts, where each lies, and which one a request goes to."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import getattr_static
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["Part", "Passage", "is_flask_embed", "parts_of"]


class Part(NamedTuple):
    """An app inside another one, or that one itself."""

    app: Any
    #: where it is mounted within the outermost app, as a WSGI string: ``""`` or ``/a/b``
    prefix: str = ""
    #: the host that it is mounted under, ``*.example.com`` for all below one; empty for any
    host: str = ""
    #: the keys of the mounts that lead to it, from the outside in
    keys: tuple[str, ...] = ()


class Passage(NamedTuple):
    """The next step of a request: the app that it is passed on to, or the answer if it ends here.

    Middleware has a method ``passes_on(environ)`` that returns one and decides as its calls do.
    """

    #: None if the request ends here
    app: Any
    #: what that app gets, never the caller's environ changed
    environ: WSGIEnvironment
    #: the status and the reason, or a few words, if the request ends here
    outcome: str = ""
    #: the key of the mount that gets it, ``/`` for the app for the rest; None if no mount has a part in it
    mount: str | None = None
    #: False if the request ends at an app that does not exist yet
    is_answered: bool = True


def parts_of(app: Any) -> Iterator[Part]:
    """*app* and all apps inside it, from the outside in; one that is mounted twice comes twice.

    Inside are ``.app`` (the habit of middleware) or ``.wsgi_app`` (of Flask), the object of a bound method, and the
    values of ``.mounts`` (Werkzeug's dispatcher). Middleware with apps elsewhere has a method ``inner_parts()``: the
    apps directly inside, placed as it sees them, the most general one first.
    """
    waiting: list[tuple[Part, frozenset[int]]] = [(Part(app), frozenset())]
    while waiting:
        part, around = waiting.pop()
        if id(part.app) in around:
            continue  # an app that wraps its own wsgi_app lies inside the middleware that it holds
        yield part
        around |= {id(part.app)}
        waiting += reversed([(_placed(inner, part), around) for inner in _inner_parts(part.app)])


def is_flask_embed(app: Any) -> bool:
    """True if *app* is a Flask object of this project, and not one of Flask's own."""
    return isinstance(_attribute(app, "startup_funcs"), list)


def _inner_parts(app: Any) -> Iterable[Part]:
    if isinstance(app, MethodType):
        return [Part(app.__self__)]
    if isinstance(app, type):
        return []
    own = _attribute(app, "inner_parts")
    if callable(own):
        return cast("Iterable[Part]", own())
    found = [Part(inner) for name in ("app", "wsgi_app") if callable(inner := _attribute(app, name))]
    mounts = _attribute(app, "mounts")
    if isinstance(mounts, Mapping):
        found += [Part(mounted, prefix, keys=(prefix,)) for prefix, mounted in mounts.items() if callable(mounted)]
    return found


def _attribute(app: Any, name: str) -> Any:
    """An attribute of a foreign app, None if it is missing or if reading it fails.

    Attributes that ``__getattr__`` makes up do not count: an app that has every attribute would have no end.
    """
    if getattr_static(app, name, None) is None:
        return None
    try:
        return getattr(app, name, None)
    except Exception:
        return None


def _placed(child: Part, parent: Part) -> Part:
    """*child*, a part of *parent*, placed in the outermost app."""
    return Part(child.app, parent.prefix + child.prefix, child.host or parent.host, parent.keys + child.keys)
