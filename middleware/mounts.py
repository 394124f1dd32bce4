"""Mounts: an app with its place, and the table in which the mount for a request is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask_embed.composition import Part, is_flask_embed, parts_of
from flask_embed.environ import text
from flask_embed.errors import LoadError, PrefixError
from flask_embed.middleware.hosts import host_keys, normalize_host
from flask_embed.middleware.lazy_app import LazyApp
from flask_embed.middleware.prefix import below, longest_match, normalize_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["Mount", "Table", "made_mount", "made_mounts", "parsed_key", "place_taken"]


@dataclass(frozen=True, slots=True)
class Mount:
    """An app at its place."""

    #: the place as text: ``/shop``, ``example.com/shop``; ``/`` for the app for the rest, empty if that is the
    #: dispatcher's own
    key: str
    #: as :func:`~flask_embed.middleware.hosts.normalize_host` returns it; empty for any host
    host: str
    #: as a WSGI string, ``""`` or ``/a/b``
    prefix: str
    #: characters of the prefix
    length: int
    #: its name in ``url_for`` besides the key; empty without one
    name: str
    #: the app that is called
    app: WSGIApplication
    #: the app as it was mounted: that app, or the text that names it
    given: WSGIApplication | str


def made_mounts(mounts: Iterable[tuple[str, WSGIApplication | str]]) -> dict[tuple[str, str], Mount]:
    """The mounts of these apps by place; PrefixError for two at one."""
    made: dict[tuple[str, str], Mount] = {}
    for key, mounted in mounts:
        mount = made_mount(key, mounted)
        if (mount.host, mount.prefix) in made:
            raise place_taken(key)
        made[mount.host, mount.prefix] = mount
    return made


def made_mount(key: str, app: WSGIApplication | str, name: str | None = None) -> Mount:
    """The mount of *app* at *key*; PrefixError, TypeError or LoadError, which show the key, for a wrong argument."""
    host, prefix = parsed_key(key)
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
        raise TypeError(f"the app to mount at {key!r} is {app!r}; pass a WSGI app, or text like 'module:app'")
    return Mount(written, host, prefix, len(prefix), name or "", called, app)


def parsed_key(key: str) -> tuple[str, str]:
    """Host and prefix of a key, in the form in which the table holds them."""
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} is not text; write '/shop' or 'example.com/shop'")
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


def place_taken(key: str) -> PrefixError:
    """The error for a second app at one place."""
    return PrefixError(f"the place {key!r} is taken: unmount the app that is there first")


class _Paths:
    """The mounts of one host, by prefix."""

    __slots__ = ("depth", "mounts", "rest")

    def __init__(self, mounts: dict[str, Mount]) -> None:
        #: without the one for the rest
        self.mounts = {prefix: mount for prefix, mount in mounts.items() if prefix}
        #: segments of the deepest prefix
        self.depth = max((prefix.count("/") for prefix in mounts), default=0)
        #: the mount for every other path, None without one
        self.rest = mounts.get("")


class Table(_Paths):
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

    def with_mount(self, mount: Mount) -> Table:
        """This table and *mount*, which replaces one at the same place."""
        return Table({**self.by_place, (mount.host, mount.prefix): mount})

    def without(self, place: tuple[str, str]) -> Table:
        """This table without the mount at *place*."""
        return Table({known: mount for known, mount in self.by_place.items() if known != place})

    def find(self, path: str, environ: WSGIEnvironment) -> Mount | None:
        """The mount for a path under the host of the environ, None without one."""
        if self.hosts:
            for host in host_keys(environ):
                paths = self.hosts.get(host)
                if paths is not None:
                    mount = longest_match(path, paths.mounts, paths.depth, paths.rest)
                    if mount is not None:
                        return mount
        return longest_match(path, self.mounts, self.depth, self.rest)

    def passed_over(self, environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
        """Key and reason of each mount that does not get a request; those for the rest of all paths are left out."""
        path, hosts = environ.get("PATH_INFO", ""), host_keys(environ)
        winner = self.find(path, environ)
        for mount in self.by_place.values():
            if mount is not winner and (mount.host or mount.prefix):
                yield mount.key, _why_not(mount, winner, path, hosts)

    def locate(self, name: str, environ: WSGIEnvironment) -> Part:
        """The app that ``url_for`` calls *name*, and its place; ``outer:inner`` for one in a mounted dispatcher.

        Its prefix is counted from this dispatcher; it has a host only if the request was sent to another one.
        LookupError with the reason if no flask_embed app has that name, or if no URL leads to it.
        """
        mount, inner = self._mount_called(name)
        part = _flask_embed_app(mount, inner)
        there = environ
        if part.host and part.host not in host_keys(environ):
            if part.host.startswith("*"):
                raise LookupError(f"It is mounted for many hosts, {part.host!r}, and this request is for another one.")
            there = {**environ, "HTTP_HOST": part.host}
        if self.find(part.prefix + "/", there) is not mount:
            raise LookupError(f"No URL on this host leads to the mount {mount.key!r}: another mount gets its paths.")
        return part if there is not environ else part._replace(host="")

    def app_called(self, name: str) -> Part:
        """The flask_embed app that ``url_for`` calls *name*, placed from this dispatcher; LookupError without one."""
        return _flask_embed_app(*self._mount_called(name))

    def _mount_called(self, name: str) -> tuple[Mount, str | None]:
        """The mount that *name* begins with, and the rest of the name, for a dispatcher inside; None without a rest."""
        if name in self.by_name:
            return self.by_name[name], None
        for end, character in enumerate(name):
            if character == ":" and name[:end] in self.by_name:
                return self.by_name[name[:end]], name[end + 1 :]
        raise LookupError(
            "No flask_embed app is mounted under that name in a dispatcher that this request came through."
        )


def _why_not(mount: Mount, winner: Mount | None, path: str, hosts: tuple[str, ...]) -> str:
    """The reason why *mount* does not get a request."""
    if mount.host and mount.host not in hosts:
        return "the request is for another host"
    if below(path, mount.prefix) is None:
        if path.startswith(mount.prefix):
            return "the path only begins like it, in the middle of a segment"
        return "the path is not below it"
    if winner is not None and winner.host != mount.host:
        return f"the host of {winner.key} is more exact"
    return f"{winner.key if winner else 'another prefix'} is longer"


def _flask_embed_app(mount: Mount, inner: str | None) -> Part:
    """The flask_embed app of a mount, or the one that its dispatcher calls *inner*; LookupError without one."""
    for part in _at_the_root_of(mount):
        if isinstance(part.app, LazyApp) and part.app.app is None:
            raise LookupError(
                f"The app of {mount.key!r} is imported with its first request, or by preload() before it."
            )
        if inner is not None:
            app_called = getattr(type(part.app), "app_called", None)  # of a dispatcher
            if app_called is not None:
                found: Part = app_called(part.app, inner)
                return Part(found.app, part.prefix + found.prefix, found.host or part.host)
        elif is_flask_embed(part.app):
            return part
    kind = "flask_embed app" if inner is None else "dispatcher"
    raise LookupError(f"The app mounted at {mount.key or '/'!r} is not a {kind}.")


def _at_the_root_of(mount: Mount) -> Iterator[Part]:
    """The app of a mount and those inside it that get the paths of no other mount, placed in the dispatcher."""
    for part in parts_of(mount.app):
        if all(key in ("", "/") for key in part.keys):
            yield Part(part.app, mount.prefix + part.prefix, part.host or mount.host)
