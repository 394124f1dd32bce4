"""A deployment, and the values that follow from it: what the files of all servers start from."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass

from flask_embed.grammar import size_in_bytes
from flask_embed.middleware.prefix import normalize_prefix

__all__ = [
    "EXTERNAL",
    "VIAS",
    "Deployment",
    "bytes_of",
    "folder_of",
    "name_of",
    "pattern",
    "prefix_of",
    "python_of",
    "static_url_of",
]

#: how a web server reaches the app: a FastCGI runner or an HTTP runner that runs already, FastCGI processes that the
#: server starts, a process for each request, or inside of Apache
VIAS = ("fastcgi", "http", "spawn", "cgi", "wsgi")
#: those of :data:`VIAS` where the app is a process of its own, which the web server connects to
EXTERNAL = ("fastcgi", "http")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """An app behind a web server."""

    #: ``module:attribute`` or ``module:factory()``
    app: str
    #: the path that the app is mounted at, ``""`` for the root
    prefix: str = ""
    #: one of :data:`VIAS`
    via: str = "fastcgi"
    #: the runner that serves HTTP: ``gevent`` or ``tornado``
    runner: str = "gevent"
    #: the unix socket of the runner
    socket: str | None = None
    #: the ``HOST:PORT`` of each runner, instead of *socket*
    tcp: tuple[str, ...] = ()
    #: addresses of the web server as runners on other machines see them, ``"10.0.0.1,10.0.0.2"``
    web_server: str | None = None
    #: the domain; None for any
    server_name: str | None = None
    #: ``80``, ``127.0.0.1:8080``; None is port 80, and for lighttpd the port of its main file
    listen: str | None = None
    #: a folder of files that the web server serves itself
    static: str | None = None
    #: their path below *prefix*
    static_url: str = "/static"
    #: the largest body of a request: ``16m``, or ``none``
    max_body: str = "16m"
    #: the file that the web server starts: ``.fcgi``, ``.cgi``, ``.wsgi``
    script: str | None = None
    #: the folder of the app
    chdir: str | None = None
    #: the Python that imports it; None is ``python`` in commands that are typed, this one in files
    python: str | None = None
    #: the number of processes
    workers: int = 1
    #: the account of the app, where this configuration sets it: systemd, mod_wsgi
    user: str = "www-data"
    #: the group of the web server, which may connect to *socket*
    group: str = "www-data"


def prefix_of(deployment: Deployment) -> str:
    """The prefix as people and configurations write it: UTF-8, no slash at its end."""
    return normalize_prefix(deployment.prefix).encode("latin-1").decode()


def static_url_of(deployment: Deployment) -> str:
    """The path of the static files, with the prefix in front and a slash at its end."""
    return f"{prefix_of(deployment)}{normalize_prefix(deployment.static_url).encode('latin-1').decode()}/"


def python_of(deployment: Deployment) -> str:
    """The Python that a web server or systemd starts."""
    return deployment.python or sys.executable


def folder_of(deployment: Deployment) -> str:
    """The folder in which it is started."""
    return deployment.chdir or os.getcwd()


def name_of(deployment: Deployment) -> str:
    """The name of the app in a configuration; apps at other prefixes have another one."""
    module, prefix = (
        re.sub("[^A-Za-z0-9]+", "_", text).strip("_")
        for text in (deployment.app.partition(":")[0], prefix_of(deployment))
    )
    return "_".join(dict.fromkeys(filter(None, (module, prefix)))) or "app"


def bytes_of(size: str) -> int | None:
    """The bytes of ``64k``, ``16m``, ``1g``, 0 for ``none``; None for a malformed size."""
    return 0 if size == "none" else size_in_bytes(size)


def pattern(text: str) -> str:
    """A regular expression of PCRE for exactly this text."""
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", text)
