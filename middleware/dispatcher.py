"""The dispatcher: many apps under one, each mounted below its prefix, or under its host."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask_embed.answers import not_found
from flask_embed.composition import Part, Passage, parts_of
from flask_embed.environ import text
from flask_embed.errors import LoadError, PrefixError
from flask_embed.lifespan import AppContainer
from flask_embed.middleware.lazy_app import LazyApp
from flask_embed.middleware.mounts import Mount, Table, made_mount, made_mounts, parsed_key, place_taken
from flask_embed.middleware.prefix import longest_match, moved_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_embed.middleware.explain import Explanation, PublicRule

__all__ = ["DispatcherMiddleware", "Mount"]


class DispatcherMiddleware(AppContainer):
    """Serve each app below its own prefix or under its own host, and *app* for the rest.

    Keys of *mounts* are ``/path``, ``host/path``, ``host:port/path`` and ``*.example.com/path`` (one label or more).
    Of the hosts an exact one beats a wildcard. A key without a host comes last: it gets the request where no mount of
    the host is for the path. Of the prefixes the longest one that the path lies below wins, whatever the order:
    ``/app`` is below ``/app``, ``/appx`` is not. ``"/"`` is the app for the rest, as *app* is; without one the rest is
    a plain 404 that names no mount.

    Values are WSGI apps, or texts that name one (``"module:app"``, ``"module:create_app()"``), which is imported when
    the first request for it comes: see :class:`~flask_embed.middleware.lazy_app.LazyApp`.

    A mounted app gets its prefix at the end of SCRIPT_NAME and the rest of the path as PATH_INFO, so the URLs that it
    builds are right; slashes are kept as they came, and the caller's environ is not changed. Dispatchers can be
    mounted in dispatchers. Within a request ``url_for("blog:index")`` builds the URL of an endpoint of the
    flask_embed app that is mounted as *blog*::

        application = DispatcherMiddleware(site, {"/blog": blog, "/wiki": "wiki:app", "api.example.com/": api})

    A malformed key, or one that is taken, raises :exc:`~flask_embed.errors.PrefixError`.
    """

    def __init__(
        self, app: WSGIApplication | None = None, mounts: Mapping[str, WSGIApplication | str] | None = None
    ) -> None:
        self._lock = Lock()
        self._table = Table(made_mounts([*([] if app is None else [("", app)]), *(mounts or {}).items()]))
        self._mounts = _Mounts(self)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        table = self._table
        try:
            path, script_name = environ["PATH_INFO"], environ["SCRIPT_NAME"]
        except KeyError:  # PEP 3333: where one is empty, it may be absent
            path, script_name = environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")
        mount = table.find(path, environ) if table.hosts else longest_match(path, table.mounts, table.depth, table.rest)
        if mount is None:
            return not_found(environ, start_response)
        inner = environ.copy()
        inner["SCRIPT_NAME"] = script_name + mount.prefix
        inner["PATH_INFO"] = path[mount.length :]
        # For url_for: the mounts, and where they lie; for sessions: the key. A dispatcher around this one has left its
        # own in that environ.
        inner["flask_embed.mounts"] = (table, environ, mount.key)
        return mount.app(inner, start_response)

    @property
    def app(self) -> WSGIApplication:
        """The app for every path without a mount."""
        mount = self._table.by_place.get(("", ""))
        return not_found if mount is None else mount.app

    @property
    def mounts(self) -> MutableMapping[str, Any]:
        """The mounted apps by key, without :attr:`app`; setting an item mounts or replaces, deleting one unmounts.

        Assigning another mapping replaces all of them at once.
        """
        return self._mounts

    @mounts.setter
    def mounts(self, mounts: Mapping[str, WSGIApplication | str]) -> None:
        self._replace(made_mounts(mounts.items()), keep=False)

    def mount(self, prefix: str, app: WSGIApplication | str, name: str | None = None) -> None:
        """Serve *app* at *prefix*, a key as in the class's description, from the next request on.

        *name* is its name in ``url_for("name:endpoint")``, besides ``"/blog"`` and ``"blog"`` for one at ``/blog``.
        PrefixError if the place or the name is taken.
        """
        mount = made_mount(prefix, app, name)
        with self._lock:
            if (mount.host, mount.prefix) in self._table.by_place:
                raise place_taken(prefix)
            self._table = self._table.with_mount(mount)
        self.app_added(mount.app)

    def _replace(self, made: dict[tuple[str, str], Mount], keep: bool = True) -> None:
        """Mount these at once in the places that they have; without *keep* all others but the own app are unmounted."""
        with self._lock:
            before = self._table.by_place
            kept = before if keep else {place: mount for place, mount in before.items() if not mount.key}
            named = {place: replace(mount, name=before[place].name) for place, mount in made.items() if place in before}
            self._table = Table({**kept, **made, **named})
        for mount in made.values():
            self.app_added(mount.app)

    def unmount(self, prefix: str) -> None:
        """Remove the app at *prefix*; requests that it is answering are completed. KeyError without one."""
        place = parsed_key(prefix)
        with self._lock:
            if place not in self._table.by_place:
                raise KeyError(prefix)
            self._table = self._table.without(place)

    def preload(self, script_name: str = "") -> None:
        """Import now each app that is imported with its first request otherwise; the first error is raised.

        *script_name* is where this dispatcher itself will be mounted, as text, for factories that take their prefix.
        """
        for part in parts_of(self):
            if isinstance(part.app, LazyApp):
                key = " > ".join(key or "/" for key in part.keys)
                try:
                    part.app.load(script_name + text(part.prefix))
                except LoadError as error:
                    raise LoadError(f"the mount {key!r}: {error}") from None
                except SystemExit as error:
                    raise LoadError(
                        f"the mount {key!r}: importing {part.app.target} ends the process ({error})"
                    ) from error
                except Exception as error:
                    error.add_note(f"This happened while the app of the mount {key!r} was loaded.")
                    raise

    def find_mount(self, environ: WSGIEnvironment) -> Mount | None:
        """The mount that gets this request, None without one."""
        return self._table.find(environ.get("PATH_INFO", ""), environ)

    def iter_mounts(self) -> Iterator[Mount]:
        """All mounts, in the order of mounting; the one for the rest is among them."""
        return iter(self._table.by_place.values())

    def inner_parts(self) -> Iterable[Part]:
        """The mounted apps, the one for the rest first."""
        mounts = sorted(self._table.by_place.values(), key=lambda mount: bool(mount.host or mount.prefix))
        return [Part(mount.app, mount.prefix, mount.host, (mount.key,)) for mount in mounts]

    def passes_on(self, environ: WSGIEnvironment) -> Passage:
        """The app of the mount for a request with the environ that it gets, or the 404."""
        mount = self.find_mount(environ)
        if mount is None:
            return Passage(None, environ, "404: no mount is for this path, and there is no app for the rest")
        inner = moved_below(environ, mount.prefix, environ.get("PATH_INFO", "")[mount.length :])
        return Passage(mount.app, inner, mount=mount.key or "/")

    def passed_over(self, environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
        """Key and reason of each mount that does not get a request."""
        return self._table.passed_over(environ)

    def app_called(self, name: str) -> Part:
        """The flask_embed app that ``url_for`` calls *name*, placed from this dispatcher; LookupError without one."""
        return self._table.app_called(name)

    def explain(self, url: str, method: str = "GET") -> Explanation:
        """The app that answers a request for *url* (a path, or with scheme and host), its environ, and why no other.

        Print it, or read its attributes::

            print(application.explain("/shop/cart?full=1"))
        """
        from flask_embed.middleware.explain import explain

        return explain(self, url, method)

    def iter_rules(self) -> Iterator[PublicRule]:
        """Every rule of every flask_embed app that is mounted here, with the path that clients ask for."""
        from flask_embed.middleware.explain import iter_rules

        return iter_rules(self)


class _Mounts(MutableMapping[str, Any]):
    """The mounts of a dispatcher as a mapping, without the dispatcher's own app."""

    def __init__(self, dispatcher: DispatcherMiddleware) -> None:
        self._dispatcher = dispatcher

    def __getitem__(self, prefix: str) -> WSGIApplication | str:
        return self._at(prefix).given

    def __setitem__(self, prefix: str, app: WSGIApplication | str) -> None:
        self._dispatcher._replace(made_mounts([(prefix, app)]))

    def __delitem__(self, prefix: str) -> None:
        self._at(prefix)
        self._dispatcher.unmount(prefix)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Mount or replace all of these at once."""
        self._dispatcher._replace(made_mounts(dict(*args, **kwargs).items()))

    def clear(self) -> None:
        """Unmount all at once."""
        self._dispatcher.mounts = {}

    def __iter__(self) -> Iterator[str]:
        return (mount.key for mount in self._dispatcher.iter_mounts() if mount.key)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<mounts {dict(self)!r}>"

    def _at(self, prefix: str) -> Mount:
        """The mount with this key; KeyError without one, also for a malformed key."""
        try:
            mount = self._dispatcher._table.by_place[parsed_key(prefix)]
        except (KeyError, PrefixError, TypeError):
            raise KeyError(prefix) from None
        if not mount.key:
            raise KeyError(prefix)
        return mount
