"""What is refused for every server: values that are malformed, or that contradict each other."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING

from flask_embed.config.deployment import EXTERNAL, VIAS, bytes_of, folder_of, prefix_of, python_of
from flask_embed.errors import PrefixError, UsageError
from flask_embed.grammar import TARGET
from flask_embed.middleware.prefix import normalize_prefix

if TYPE_CHECKING:
    from flask_embed.config.deployment import Deployment
    from flask_embed.config.server import Server

__all__ = ["check"]

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")
_LISTEN = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9.]+|\*):)?(?P<port>[0-9]{1,5})")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
#: RFC 3986 section 3.3, pchar without its encodings; letters beyond ASCII are encoded by clients
_PREFIX = re.compile(r"(?:[/A-Za-z0-9._~!$&'()*+,;=:@-]|[^\x00-\x7f])*")


def check(name: str, server: Server, deployment: Deployment) -> None:
    """Raise UsageError or PrefixError if *server* cannot serve the deployment; *name* is its name as it is typed."""
    via = deployment.via
    if via not in VIAS:
        raise UsageError(f"--via {via!r} is none of {', '.join(VIAS)}")
    if via not in server.VIAS:
        raise UsageError(f"{name} does not reach an app via {via}; it does via {', '.join(server.VIAS)}")
    if deployment.runner not in ("gevent", "tornado"):
        raise UsageError(f"--runner {deployment.runner!r} speaks no HTTP: there are gevent and tornado")
    _check_values(name, server, deployment)
    if via in EXTERNAL:
        _check_runner(name, server, deployment)
    else:
        _check_script(server, deployment)
    prefix = prefix_of(deployment)
    if not _PREFIX.fullmatch(prefix):
        bad = next(char for char in prefix if not _PREFIX.fullmatch(char))
        raise PrefixError(f"the prefix {prefix!r} holds {bad!r}, which no URL has as it is; leave it out")
    server.check(deployment)


def _check_values(name: str, server: Server, deployment: Deployment) -> None:
    """Each value is one of its kind, and can be written down."""
    if not TARGET.fullmatch(deployment.app):
        raise UsageError(f"--app {deployment.app!r} names no app: write module:attribute or module:factory()")
    starts = deployment.via in server.STARTS  # then both are written, also where the user has not named them
    for option, path in (
        ("--socket", deployment.socket),
        ("--static", deployment.static),
        ("--script", deployment.script),
        ("--chdir", folder_of(deployment) if starts else deployment.chdir),
        ("--python", python_of(deployment) if starts else deployment.python),
    ):
        if path is not None:
            _check_path(option, path, name, server, deployment)
    for option, account in (("--user", deployment.user), ("--group", deployment.group)):
        if not _ACCOUNT.fullmatch(account):
            raise UsageError(f"{option} {account!r} is no name of an account: write one like www-data")
    if deployment.server_name is not None and not _NAME.fullmatch(deployment.server_name):
        raise UsageError(f"--server-name {deployment.server_name!r} is no domain: write one like shop.example.com")
    if deployment.listen is not None:
        match = _LISTEN.fullmatch(deployment.listen)
        if match is None or not 0 < int(match["port"]) < 65536:
            raise UsageError(f"--listen {deployment.listen!r} is no port: write 80, or 127.0.0.1:8080")
        host = (match["host"] or "*").strip("[]")
        if host != "*" and not _is_address(host):
            raise UsageError(f"--listen {host!r} is no address")
    if bytes_of(deployment.max_body) is None:
        raise UsageError(f"--max-body {deployment.max_body!r} is no size: write 64k, 16m, 1g or none")
    if not 1 <= deployment.workers <= 1000:
        raise UsageError(f"--workers {deployment.workers} is no number of processes from 1 to 1000")
    if deployment.workers > 1 and deployment.via == "cgi":
        raise UsageError(f"--workers {deployment.workers}: --via cgi has a process for each request; leave it out")
    if deployment.web_server is not None:
        for network in deployment.web_server.split(","):
            if not _is_network(network):
                raise UsageError(
                    f"--web-server {network!r} is no address: write 10.0.0.1, or several: 10.0.0.1,10.0.1.0/24"
                )
    try:
        static_url = normalize_prefix(deployment.static_url)
    except PrefixError as error:
        raise UsageError(f"--static-url: {str(error).replace('the prefix', 'the path')}") from None
    if not static_url or not _PREFIX.fullmatch(static_url) or "$" in static_url:
        raise UsageError(f"--static-url {deployment.static_url!r} is no path for files: write one like /static")


def _check_path(option: str, path: str, name: str, server: Server, deployment: Deployment) -> None:
    if not path.startswith("/"):
        raise UsageError(f"{option} {path!r} is no whole path: begin with a slash")
    for char in path:
        if not char.isprintable():
            raise UsageError(f"{option} {path!r} holds {char!r}, which no line of a configuration can have")
        if char in server.UNSAFE:
            raise UsageError(f"{option} {path!r} holds {char!r}, which {name} would read as more than a letter")
    if option == "--socket" and len(os.fsencode(path)) > 107:
        raise UsageError(f"--socket {path!r} is longer than the 107 bytes that a path of a unix socket may have")
    if deployment.via == "spawn" and option == "--script" and " " in path:
        raise UsageError(f"{option} {path!r} holds a space, at which {name} would cut the command")


def _check_script(server: Server, deployment: Deployment) -> None:
    """The server starts the app itself: there is a file for it, and nothing that listens."""
    via = deployment.via
    if deployment.socket is not None and via not in server.SOCKETS:
        raise UsageError(f"--via {via} starts the app itself: leave --socket out")
    if deployment.tcp:
        raise UsageError(f"--via {via} starts the app itself: leave --tcp out")
    if deployment.script is None:
        kind = {"spawn": "fcgi"}.get(via, via)
        raise UsageError(
            f"--via {via} needs --script /srv/app/app.{kind}, the file that is started; its lines are shown"
        )


def _check_runner(name: str, server: Server, deployment: Deployment) -> None:
    """A runner serves the app: it listens in one place, and knows the web server."""
    if deployment.script is not None:
        raise UsageError(
            f"--script is a file that {name} starts: that is --via spawn, cgi or wsgi, not {deployment.via}"
        )
    if (deployment.socket is None) == (not deployment.tcp):
        raise UsageError("say where the runner listens: either --socket /run/app.sock, or --tcp 127.0.0.1:9000")
    if deployment.socket is not None and deployment.web_server is not None:
        raise UsageError(f"--web-server {deployment.web_server} is for --tcp: who may use a socket says its group")
    if len(deployment.tcp) > 1 and not server.BALANCES:
        raise UsageError(f"several --tcp are for nginx and lighttpd; {name} gets one")
    for address in deployment.tcp:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match["port"]) < 65536:
            raise UsageError(f"--tcp {address!r} is no address: write 127.0.0.1:9000")
        if not _is_loopback(match["host"]) and deployment.web_server is None:
            raise UsageError(
                f"--tcp {address} is another machine, which has to know whom to believe: "
                "name the web server's address with --web-server 10.0.0.1"
            )


def _is_network(name: str) -> bool:
    try:
        ipaddress.ip_network(name)
    except ValueError:
        return False
    return "%" not in name  # behind which a scope may be any text


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
