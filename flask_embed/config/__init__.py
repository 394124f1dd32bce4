"""Configuration of web servers and of systemd that fits the runners: ``flask-embed config`` prints it.

A :class:`Deployment` says what is served and how it is reached, :func:`render` writes the configuration, and
:func:`commands` are the commands that have to run for it, which are also the first comments of the text::

    shop = Deployment(app="shop:app", prefix="/shop", socket="/run/shop.sock")
    print(render("nginx", shop))
    print(shlex.join(commands("nginx", shop)[0]))

Every value is checked, and written as the language at hand wants it. A value that the language has no form for is a
:exc:`~flask_embed.errors.UsageError` or :exc:`~flask_embed.errors.PrefixError` of one line.

Each server is one file here, with the names of :class:`flask_embed.config.server.Server`. A new one is a file, its line
in :data:`FRONTS`, and its name among the choices of the command (``flask_embed/cli.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_embed.config import apache, lighttpd, nginx, systemd
from flask_embed.config.apache import modules
from flask_embed.config.checks import check
from flask_embed.config.commands import commands_of, script_of
from flask_embed.config.deployment import EXTERNAL, VIAS, Deployment
from flask_embed.config.server import Site, Snippet, Written
from flask_embed.config.template import filled, shared_values
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask_embed.config.server import Front, Server

__all__ = [
    "FRONTS",
    "SERVERS",
    "VIAS",
    "Deployment",
    "Site",
    "Snippet",
    "commands",
    "modules",
    "render",
    "script",
    "snippets",
]

#: the web servers, by the names under which users ask for them
FRONTS: Mapping[str, Front] = {"nginx": nginx, "lighttpd": lighttpd, "apache": apache}
_SERVERS: Mapping[str, Server] = {**FRONTS, "systemd": systemd}
#: the names for which there is configuration
SERVERS = tuple(_SERVERS)


def render(server: str, deployment: Deployment) -> str:
    """The configuration for *server*, one of :data:`SERVERS`; its first comments are :func:`commands`."""
    chosen = _checked(server, deployment)
    return filled(chosen.TEMPLATE, {**shared_values(chosen, deployment), **chosen.values(deployment)})


def commands(server: str, deployment: Deployment) -> list[list[str]]:
    """The runners that belong to the configuration: one for each backend, none for mod_wsgi.

    ``spawn`` and ``cgi`` have the one that the web server starts.
    """
    return commands_of(_checked(server, deployment), deployment)


def script(deployment: Deployment) -> str:
    """The content of the file that the web server starts, as the comments of the configuration show it."""
    return script_of(deployment)


def snippets(server: str, site: Site) -> Mapping[str, tuple[Snippet, ...]]:
    """The lines of *server*, one of :data:`FRONTS`, for a site that is configured already, by what they put right.

    They are lines of :func:`render` wherever it has them. In their place stand ADDRESS, HOST, PORT and /PATH for what
    is not known of the site. The topics, of which a server leaves out those that it needs no line for:

    ``paths``
        SCRIPT_NAME and PATH_INFO, or the whole path.
    ``slashes``, ``encoded-slash``, ``query``
        two slashes in a row, ``%2F`` in a path, the query string.
    ``redirect``, ``host``, ``scheme``
        the address that clients know.
    ``headers``, ``underscores``
        the headers of *site* that the app must not get from clients, and headers whose names hold underscores.
    ``proxy``
        the header Proxy, which would be the variable HTTP_PROXY (CVE-2016-5385).
    ``authorization``, ``chunked-lost``, ``chunked-refused``, ``streaming``
        what else is lost or held back.

    :exc:`~flask_embed.errors.PrefixError` for a prefix that the server has no form for.
    """

    def written(via: str) -> Written:
        deployment = Deployment(
            app="app:app",
            prefix=site.prefix,
            via=via,
            socket="/PATH" if via == "fastcgi" else None,
            tcp=("127.0.0.1:8000",) if via == "http" else (),
            script=None if via in EXTERNAL else "/PATH",
        )
        return Written(render(server, deployment))

    return FRONTS[server].snippets(site, written)


def _checked(server: str, deployment: Deployment) -> Server:
    chosen = _SERVERS.get(server)
    if chosen is None:
        raise UsageError(f"unknown server {server!r}: write one of {', '.join(SERVERS)}")
    check(server, chosen, deployment)
    return chosen
