"""Many apps under one: the dispatcher that mounts each below its prefix."""

from __future__ import annotations

from collections.abc import MutableMapping
from threading import Lock
from typing import TYPE_CHECKING

from flask_embed.errors import PrefixError
from flask_embed.middleware.prefix import longest_prefix, moved_below, normalize_prefix, not_found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["DispatcherMiddleware"]


class DispatcherMiddleware:
    """Serve each app below its own prefix, and *app* for the rest.

    The longest prefix that a path lies below wins, whatever the order; ``/app`` is below ``/app``, ``/appx`` is not.
    The mounted app sees SCRIPT_NAME grown by its prefix and the rest of the path as PATH_INFO, so the URLs that it
    builds are right; slashes are kept as they came. Without *app* the rest is a plain 404. Dispatchers can be
    mounted in dispatchers::

        application = DispatcherMiddleware(site, {"/blog": blog, "/blog/admin": admin})

    A prefix that cannot be one, or that is taken, is a :exc:`~flask_embed.errors.PrefixError`.
    """

    def __init__(self, app: WSGIApplication | None = None, mounts: Mapping[str, WSGIApplication] | None = None) -> None:
        self._lock = Lock()
        self._table = _Table({} if app is None else {"": app})
        #: the mounted apps by prefix; setting an item mounts or replaces at once, deleting one unmounts
        self.mounts: MutableMapping[str, WSGIApplication] = _Mounts(self)
        for prefix, mounted in (mounts or {}).items():
            self.mount(prefix, mounted)

    @property
    def app(self) -> WSGIApplication:
        """The app for every path that no mount is for."""
        return self._table.apps.get("", not_found)

    def mount(self, prefix: str, app: WSGIApplication) -> None:
        """Serve *app* below *prefix*, from the next request on.

        *prefix* is ``"/shop"`` or ``"/shop/"``; ``"/"`` is the app for the rest.
        """
        self._put(prefix, app, replace=False)

    def _put(self, prefix: str, app: WSGIApplication, replace: bool) -> None:
        key = _key(prefix)
        if not callable(app):
            raise TypeError(f"what is to be mounted at {prefix!r} is no WSGI app: {app!r}")
        with self._lock:
            if key in self._table.apps and not replace:
                raise PrefixError(f"the prefix {prefix!r} is taken; unmount the app there first")
            self._table = _Table({**self._table.apps, key: app})

    def unmount(self, prefix: str) -> None:
        """Serve the app at *prefix* no more; requests that it is answering end as they would. KeyError if none is."""
        key = _key(prefix)
        with self._lock:
            if key not in self._table.apps:
                raise KeyError(prefix)
            self._table = _Table({known: app for known, app in self._table.apps.items() if known != key})

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        table = self._table
        path = environ.get("PATH_INFO", "")
        prefix = longest_prefix(path, table.apps, table.depth)
        app = table.apps.get(prefix, not_found)
        return app(moved_below(environ, prefix, path[len(prefix) :]), start_response)


def _key(prefix: str) -> str:
    """The prefix as the table knows it."""
    if prefix and "/" not in prefix:
        raise PrefixError(f"the prefix {prefix!r} has no slash; write '/{prefix}'")
    return normalize_prefix(prefix)


class _Table:
    """The apps by prefix at one moment. It is replaced, never changed: requests read it without a lock."""

    def __init__(self, apps: dict[str, WSGIApplication]) -> None:
        self.apps = apps
        #: segments of the deepest prefix
        self.depth = max((prefix.count("/") for prefix in apps), default=0)


class _Mounts(MutableMapping[str, "WSGIApplication"]):
    """The mounts of a dispatcher as a mapping; the app for the rest is not among them."""

    def __init__(self, dispatcher: DispatcherMiddleware) -> None:
        self._dispatcher = dispatcher

    def _apps(self) -> dict[str, WSGIApplication]:
        return self._dispatcher._table.apps

    def __getitem__(self, prefix: str) -> WSGIApplication:
        return self._apps()[_key(prefix)]

    def __setitem__(self, prefix: str, app: WSGIApplication) -> None:
        self._dispatcher._put(prefix, app, replace=True)

    def __delitem__(self, prefix: str) -> None:
        self._dispatcher.unmount(prefix)

    def __iter__(self) -> Iterator[str]:
        return (prefix.encode("latin-1").decode() for prefix in self._apps() if prefix)

    def __len__(self) -> int:
        return sum(1 for prefix in self._apps() if prefix)

    def __repr__(self) -> str:
        return f"<mounts {dict(self)!r}>"
