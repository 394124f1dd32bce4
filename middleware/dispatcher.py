"""Many apps under one: the dispatcher that mounts each below its prefix, or under its host."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from threading import Lock
from types import FunctionType
from typing import TYPE_CHECKING, Any

from flask_embed.answers import not_found
from flask_embed.composition import Part, is_flask_embed, parts_of
from flask_embed.environ import text
from flask_embed.errors import LoadError, PrefixError
from flask_embed.lifespan import Gains
from flask_embed.middleware.hosts import host_keys, normalize_host
from flask_embed.middleware.lazy_app import LazyApp
from flask_embed.middleware.prefix import longest_match, normalize_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_embed.middleware.explain import Explanation, PublicRule

__all__ = ["DispatcherMiddleware", "Mount"]


@dataclass(frozen=True, slots=True)
class Mount:
    """An app at its place."""

    #: how people write the place: ``/shop``, ``example.com/shop``; ``/`` for what gets the rest, empty if it is the
    #: dispatcher's own app
    key: str
    #: as :func:`~flask_embed.middleware.hosts.normalize_host` gives it; empty for any host
    host: str
    #: as a WSGI string, ``""`` or ``/a/b``
    prefix: str
    #: characters of the prefix
    length: int
    #: what ``url_for("name:endpoint")`` calls it besides the key; empty if nobody has given it a name
    name: str
    #: what is called
    app: WSGIApplication
    #: what was mounted: that app, or the text that names it
    given: WSGIApplication | str
    #: whether it is an object of a Python class: called by the name ``__call__`` it takes a shorter way
    is_object: bool


class DispatcherMiddleware(Gains):
    """Serve each app below its own prefix or under its own host, and *app* for the rest.

    Keys of *mounts* are ``/path``, ``host/path``, ``host:port/path`` and ``*.example.com/path`` (one label or more).
    Of the hosts an exact one beats a wildcard, and that a key without a host, which is tried where the others have
    no mount for the path. Of the prefixes the longest one that the path lies below wins, whatever the order: ``/app``
    is below ``/app``, ``/appx`` is not. ``"/"`` is the app for the rest, as *app* is; without one the rest is a plain
    404 that names no mount.

    Values are WSGI apps, or texts that name one (``"module:app"``, ``"module:create_app()"``), which is imported when
    the first request for it comes: see :class:`~flask_embed.middleware.lazy_app.LazyApp`.

    A mounted app sees SCRIPT_NAME grown by its prefix and the rest of the path as PATH_INFO, so the URLs that it
    builds are right; slashes are kept as they came, and the caller's environ is not changed. Dispatchers can be
    mounted in dispatchers. Within a request ``url_for("blog:index")`` builds the URL of an endpoint of the
    flask_embed app that is mounted as *blog*::

        application = DispatcherMiddleware(site, {"/blog": blog, "/wiki": "wiki:app", "api.example.com/": api})

    A key that cannot be one, or that is taken, is a :exc:`~flask_embed.errors.PrefixError`.
    """

    def __init__(
        self, app: WSGIApplication | None = None, mounts: Mapping[str, WSGIApplication | str] | None = None
    ) -> None:
        self._lock = Lock()
        self._table = _Table(_all_made([*([] if app is None else [("", app)]), *(mounts or {}).items()]))
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
        if mount.is_object:
            return mount.app.__call__(inner, start_response)  # type: ignore[operator,no-any-return]
        return mount.app(inner, start_response)

    @property
    def app(self) -> WSGIApplication:
        """The app for every path that no mount is for."""
        mount = self._table.by_place.get(("", ""))
        return not_found if mount is None else mount.app

    @property
    def mounts(self) -> MutableMapping[str, Any]:
        """What is mounted by key, without :attr:`app`; setting an item mounts or replaces, deleting one unmounts.

        Another mapping that is assigned takes the place of all of them at once.
        """
        return self._mounts

    @mounts.setter
    def mounts(self, mounts: Mapping[str, WSGIApplication | str]) -> None:
        self._replace(_all_made(mounts.items()), keep=False)

    def mount(self, prefix: str, app: WSGIApplication | str, name: str | None = None) -> None:
        """Serve *app* at *prefix*, a key as in the class's description, from the next request on.

        *name* is what ``url_for("name:endpoint")`` calls it, besides ``"/blog"`` and ``"blog"`` for one at ``/blog``.
        PrefixError if the place or the name is taken.
        """
        mount = _made(prefix, app, name)
        with self._lock:
            if (mount.host, mount.prefix) in self._table.by_place:
                raise _taken(prefix)
            self._table = self._table.with_mount(mount)
        self.gained(mount.app)

    def _replace(self, made: dict[tuple[str, str], Mount], keep: bool = True) -> None:
        """Mount these at once, in the place of what is there; or, if that is not kept, of all but the own app."""
        with self._lock:
            before = self._table.by_place
            kept = before if keep else {place: mount for place, mount in before.items() if not mount.key}
            named = {place: replace(mount, name=before[place].name) for place, mount in made.items() if place in before}
            self._table = _Table({**kept, **made, **named})
        for mount in made.values():
            self.gained(mount.app)

    def unmount(self, prefix: str) -> None:
        """Serve the app at *prefix* no more; requests that it is answering end as they would. KeyError if none is."""
        place = _place(prefix)
        with self._lock:
            if place not in self._table.by_place:
                raise KeyError(prefix)
            self._table = self._table.without(place)

    def preload(self, script_name: str = "") -> None:
        """Import now what is imported with its first request otherwise; raises what the first failing one raises.

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
        """The mount that gets this request, None if none does."""
        return self._table.find(environ.get("PATH_INFO", ""), environ)

    def iter_mounts(self) -> Iterator[Mount]:
        """All mounts, in the order of mounting; the one for the rest is among them."""
        return iter(self._table.by_place.values())

    def inner_parts(self) -> Iterable[Part]:
        """The mounted apps, the one for the rest first."""
        mounts = sorted(self._table.by_place.values(), key=lambda mount: bool(mount.host or mount.prefix))
        return [Part(mount.app, mount.prefix, mount.host, (mount.key,)) for mount in mounts]

    def explain(self, url: str, method: str = "GET") -> Explanation:
        """Which app answers a request for *url* (a path, or with scheme and host), what it sees, and why no other.

        Print it, or read its attributes::

            print(application.explain("/shop/cart?full=1"))
        """
        from flask_embed.middleware.explain import explain

        return explain(self, url, method)

    def iter_rules(self) -> Iterator[PublicRule]:
        """Every rule of every flask_embed app that is mounted here, with the path that clients ask for."""
        from flask_embed.middleware.explain import iter_rules

        return iter_rules(self)


def _all_made(mounts: Iterable[tuple[str, WSGIApplication | str]]) -> dict[tuple[str, str], Mount]:
    """The mounts of these apps by place; PrefixError for two at one."""
    made: dict[tuple[str, str], Mount] = {}
    for key, mounted in mounts:
        mount = _made(key, mounted)
        if (mount.host, mount.prefix) in made:
            raise _taken(key)
        made[mount.host, mount.prefix] = mount
    return made


def _made(key: str, app: WSGIApplication | str, name: str | None = None) -> Mount:
    """The mount of *app* at *key*; PrefixError, TypeError or LoadError, with the key, for what cannot be one."""
    host, prefix = _place(key)
    written = f"{host}{text(prefix)}" if prefix else f"{host}{'/' if key else ''}"
    if name is not None and (not name or ":" in name):
        raise PrefixError(f"the name {name!r} of the mount {key!r} is empty or holds a ':'; write one like 'blog'")
    if isinstance(app, str):
        try:
            called: WSGIApplication = LazyApp(app)
        except LoadError as error:
            raise LoadError(f"the mount {key!r}: {error}") from None
    elif callable(app):
        called = app
    else:
        raise TypeError(f"what is to be mounted at {key!r} is no WSGI app: {app!r}")
    is_object = isinstance(type(called).__call__, FunctionType)
    return Mount(written, host, prefix, len(prefix), name or "", called, app, is_object)


def _place(key: str) -> tuple[str, str]:
    """Host and prefix of a key, as the table knows them."""
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} is no text; write '/shop' or 'example.com/shop'")
    if not key or key.startswith("/"):
        return "", normalize_prefix(key)
    _, mark, rest = key.partition("://")
    if mark:
        raise PrefixError(f"the key {key!r} has a scheme; a mount is for http and https alike, so write {rest!r}")
    host, slash, path = key.partition("/")
    if not slash:
        raise PrefixError(f"the key {key!r} has no slash; write {f'/{key}'!r} for a path, {f'{key}/'!r} for a host")
    try:
        return normalize_host(host), normalize_prefix(slash + path)
    except PrefixError as error:
        raise PrefixError(f"the key {key!r}: {error}") from None


def _taken(key: str) -> PrefixError:
    return PrefixError(f"the place {key!r} is taken: one app can be there, so unmount the other one first")


class _Paths:
    """The mounts of one host, by prefix."""

    __slots__ = ("depth", "mounts", "rest")

    def __init__(self, mounts: dict[str, Mount]) -> None:
        #: without the one for the rest
        self.mounts = {prefix: mount for prefix, mount in mounts.items() if prefix}
        #: segments of the deepest prefix
        self.depth = max((prefix.count("/") for prefix in mounts), default=0)
        #: what gets every other path, None if nothing does
        self.rest = mounts.get("")


class _Table(_Paths):
    """All mounts at one moment: those of any host, and by host the others.

    It is replaced, never changed: requests read it without a lock.
    """

    __slots__ = ("by_name", "by_place", "hosts")

    def __init__(self, by_place: dict[tuple[str, str], Mount]) -> None:
        #: by host and prefix, in the order of mounting
        self.by_place = by_place
        self.by_name: dict[str, Mount] = {}
        by_host: dict[str, dict[str, Mount]] = {"": {}}
        for (host, prefix), mount in by_place.items():
            by_host.setdefault(host, {})[prefix] = mount
            if mount.name in self.by_name:
                other = self.by_name[mount.name].key
                raise PrefixError(f"the mounts {other!r} and {mount.key!r} are both called {mount.name!r}; rename one")
            if mount.name:
                self.by_name[mount.name] = mount
        for mount in sorted(by_place.values(), key=lambda mount: mount.host):  # "/blog" is "blog" before "blog/" is
            self.by_name.setdefault(mount.key or "/", mount)
            self.by_name.setdefault(mount.key.strip("/"), mount)
        super().__init__(by_host.pop(""))
        self.hosts = {host: _Paths(mounts) for host, mounts in by_host.items()}

    def with_mount(self, mount: Mount) -> _Table:
        """This table and *mount*, in the place of what is there."""
        return _Table({**self.by_place, (mount.host, mount.prefix): mount})

    def without(self, place: tuple[str, str]) -> _Table:
        """This table without the mount at *place*."""
        return _Table({known: mount for known, mount in self.by_place.items() if known != place})

    def find(self, path: str, environ: WSGIEnvironment) -> Mount | None:
        """The mount for a path, under the host that the environ tells; None if there is none."""
        if self.hosts:
            for host in host_keys(environ):
                paths = self.hosts.get(host)
                if paths is not None:
                    mount = longest_match(path, paths.mounts, paths.depth, paths.rest)
                    if mount is not None:
                        return mount
        return longest_match(path, self.mounts, self.depth, self.rest)

    def locate(self, name: str, environ: WSGIEnvironment) -> Part:
        """Where the app is that ``url_for`` calls *name*; ``outer:inner`` for one in a dispatcher that is mounted.

        Its prefix is counted from this dispatcher; a host stands there only if the request was sent to another one.
        LookupError, which says why, if there is no flask_embed app of that name, or if no URL leads to it.
        """
        mount, inner = self._mount_called(name)
        part = _flask_embed_app(mount, inner)
        there = environ
        if part.host and part.host not in host_keys(environ):
            if part.host.startswith("*"):
                raise LookupError(f"It is mounted for many hosts, {part.host!r}, and this request is for another one.")
            there = {**environ, "HTTP_HOST": part.host}
        if self.find(part.prefix + "/", there) is not mount:
            raise LookupError(f"No URL on this host leads to the mount {mount.key!r}: another one is in front of it.")
        return part if there is not environ else part._replace(host="")

    def _mount_called(self, name: str) -> tuple[Mount, str | None]:
        """The mount that *name* begins with, and the rest of the name, for a dispatcher inside; None if it has none."""
        if name in self.by_name:
            return self.by_name[name], None
        for end, character in enumerate(name):
            if character == ":" and name[:end] in self.by_name:
                return self.by_name[name[:end]], name[end + 1 :]
        raise LookupError(
            "No flask_embed app is mounted under that name in a dispatcher that this request came through."
        )


def _flask_embed_app(mount: Mount, inner: str | None) -> Part:
    """The flask_embed app of a mount, or the one that its dispatcher calls *inner*; LookupError if there is none."""
    for part in _at_the_root_of(mount):
        if isinstance(part.app, LazyApp) and part.app.app is None:
            raise LookupError(
                f"The app of {mount.key!r} is imported with its first request, or by preload() before it."
            )
        if inner is not None and isinstance(part.app, DispatcherMiddleware):
            found = _flask_embed_app(*part.app._table._mount_called(inner))
            return Part(found.app, part.prefix + found.prefix, found.host or part.host)
        if inner is None and is_flask_embed(part.app):
            return part
    what = "flask_embed app" if inner is None else "dispatcher"
    raise LookupError(f"What is mounted at {mount.key or '/'!r} is no {what}.")


def _at_the_root_of(mount: Mount) -> Iterator[Part]:
    """The app of a mount and those inside it that get what no other mount gets, placed in the dispatcher."""
    for part in parts_of(mount.app):
        if all(key in ("", "/") for key in part.keys):
            yield Part(part.app, mount.prefix + part.prefix, part.host or mount.host)


class _Mounts(MutableMapping[str, Any]):
    """The mounts of a dispatcher as a mapping; the dispatcher's own app is not among them."""

    def __init__(self, dispatcher: DispatcherMiddleware) -> None:
        self._dispatcher = dispatcher

    def __getitem__(self, prefix: str) -> WSGIApplication | str:
        return self._at(prefix).given

    def __setitem__(self, prefix: str, app: WSGIApplication | str) -> None:
        self._dispatcher._replace(_all_made([(prefix, app)]))

    def __delitem__(self, prefix: str) -> None:
        self._at(prefix)
        self._dispatcher.unmount(prefix)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Mount or replace all of these at once."""
        self._dispatcher._replace(_all_made(dict(*args, **kwargs).items()))

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
        """The mount with this key; KeyError if there is none, also if there never can be one."""
        try:
            mount = self._dispatcher._table.by_place[_place(prefix)]
        except (KeyError, PrefixError, TypeError):
            raise KeyError(prefix) from None
        if not mount.key:
            raise KeyError(prefix)
        return mount
