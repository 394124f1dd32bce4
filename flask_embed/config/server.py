"""The interface of a server's file in this folder: what a new server has to bring along."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask_embed.config.deployment import Deployment

__all__ = ["Front", "Server", "Site", "Snippet", "Written"]


class Server(Protocol):
    """A module that writes configuration for one server."""

    #: its name in texts
    TITLE: str
    #: the ways to reach an app that it offers, of :data:`flask_embed.config.VIAS`
    VIAS: tuple[str, ...]
    #: those for which the server starts the processes of the app itself
    STARTS: tuple[str, ...]
    #: those for which the deployment may name a unix socket
    SOCKETS: tuple[str, ...]
    #: True if several runners can answer in turn
    BALANCES: bool
    #: False if its limit for bodies does not count for what it passes on, so that the runner needs ``--limit-body``
    LIMITS_BODIES: bool
    #: the characters that a file name of its configuration must not hold, besides control characters
    UNSAFE: str
    #: the text that :mod:`flask_embed.config.template` fills in
    TEMPLATE: str

    def quoted(self, text: str) -> str:
        """A checked value as one word of its language."""
        ...

    def check(self, deployment: Deployment) -> None:
        """Raise UsageError or PrefixError for what this server cannot do, besides what all refuse."""

    def values(self, deployment: Deployment) -> dict[str, str]:
        """The values of its template, besides those that all templates share."""
        ...


class Front(Server, Protocol):
    """A server that is a web server."""

    def snippets(self, site: Site, written: Callable[[str], Written]) -> Mapping[str, tuple[Snippet, ...]]:
        """The lines for a server that is configured already, by topic (see :func:`flask_embed.config.snippets`).

        ``written(via)`` is the configuration of *site*, from which they are taken.
        """
        ...


class Site(NamedTuple):
    """An app behind a web server that is configured already, as far as it is known from outside."""

    #: as people write it
    prefix: str
    #: True if the app is reached by FastCGI, CGI or mod_wsgi, False for HTTP
    gateway: bool
    #: ``http`` or ``https``, as clients see it
    scheme: str = "http"
    #: headers of a request that must not reach the app
    headers: tuple[str, ...] = ()


class Snippet(NamedTuple):
    """Lines of a configuration, and where they go."""

    #: the name of the server, with a word on the place where one is needed
    where: str
    lines: tuple[str, ...]


class Written:
    """A configuration, of which lines are picked by how they begin: each comes without indentation and comment."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def line(self, start: str) -> str:
        """The first line that begins so; :exc:`LookupError` if there is none."""
        return self._lines[self._find(start)].strip().partition("  # ")[0]

    def block(self, start: str) -> tuple[str, ...]:
        """The lines from the first one that begins so to the next with no more indentation."""
        first = self._find(start)
        indent = len(self._lines[first]) - len(self._lines[first].lstrip())
        block = [self._lines[first][indent:]]
        for line in self._lines[first + 1 :]:
            block.append(line[indent:])
            if not line[: indent + 1].isspace():
                break
        return tuple(block)

    def _find(self, start: str) -> int:
        for number, line in enumerate(self._lines):
            if line.lstrip().startswith(start):
                return number
        raise LookupError(f"no line of the configuration begins with {start!r}")
