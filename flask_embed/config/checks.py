"""The checks of all servers: values that are malformed or out of range, or that contradict each other."""

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
        raise UsageError(f"--via {via!r} is unknown: write one of {', '.join(VIAS)}")
    if via not in server.VIAS:
        raise UsageError(f"{name} does not offer --via {via}: write one of {', '.join(server.VIAS)}")
    if deployment.runner not in ("gevent", "tornado"):
        raise UsageError(f"--runner {deployment.runner!r} is unknown: write gevent or tornado")
    _check_values(name, server, deployment)
    if via in EXTERNAL:
        _check_runner(name, server, deployment)
    else:
        _check_script(server, deployment)
    prefix = prefix_of(deployment)
    if not _PREFIX.fullmatch(prefix):
        bad = next(char for char in prefix if not _PREFIX.fullmatch(char))
        raise PrefixError(f"the prefix {prefix!r} holds {bad!r}, which a URL holds percent-encoded only; leave it out")
    server.check(deployment)


def _check_values(name: str, server: Server, deployment: Deployment) -> None:
    """Each value is well-formed, and the language of the server has a form for it."""
    if not TARGET.fullmatch(deployment.app):
        raise UsageError(f"--app {deployment.app!r} is malformed: write module:attribute or module:factory()")
    starts = deployment.via in server.STARTS  # then folder and Python are written, also if the user has not named them
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
            raise UsageError(f"{option} {account!r} is malformed: write an account like www-data")
    if deployment.server_name is not None and not _NAME.fullmatch(deployment.server_name):
        raise UsageError(f"--server-name {deployment.server_name!r} is malformed: write a domain like shop.example.com")
    if deployment.listen is not None:
        match = _LISTEN.fullmatch(deployment.listen)
        if match is None:
            raise UsageError(f"--listen {deployment.listen!r} is malformed: write 80, or 127.0.0.1:8080")
        _check_port("--listen", deployment.listen, match["port"])
        host = (match["host"] or "*").strip("[]")
        if host != "*" and not _is_address(host):
            raise UsageError(f"--listen {deployment.listen!r} has a malformed address: write one like 127.0.0.1:8080")
    if bytes_of(deployment.max_body) is None:
        raise UsageError(f"--max-body {deployment.max_body!r} is malformed: write 64k, 16m, 1g or none")
    if not 1 <= deployment.workers <= 1000:
        raise UsageError(f"--workers {deployment.workers} is out of range: write 1 to 1000")
    if deployment.workers > 1 and deployment.via == "cgi":
        raise UsageError(f"--workers {deployment.workers}: --via cgi has a process for each request; leave it out")
    if deployment.web_server is not None:
        for network in deployment.web_server.split(","):
            if not _is_network(network):
                raise UsageError(
                    f"--web-server {network!r} is malformed: write 10.0.0.1, or several: 10.0.0.1,10.0.1.0/24"
                )
    try:
        static_url = normalize_prefix(deployment.static_url)
    except PrefixError as error:
        raise UsageError(f"--static-url: {str(error).replace('the prefix', 'the path')}") from None
    if not static_url or not _PREFIX.fullmatch(static_url) or "$" in static_url:
        raise UsageError(f"--static-url {deployment.static_url!r} cannot be the path of files: write one like /static")


def _check_path(option: str, path: str, name: str, server: Server, deployment: Deployment) -> None:
    if not path.startswith("/"):
        raise UsageError(f"{option} {path!r} is a relative path: begin with a slash")
    for char in path:
        if not char.isprintable():
            raise UsageError(
                f"{option} {path!r} holds {char!r}, which a line of a configuration cannot hold; use another name"
            )
        if char in server.UNSAFE:
            raise UsageError(
                f"{option} {path!r} holds {char!r}, which has a meaning in configurations of {name}; use another name"
            )
    if option == "--socket" and len(os.fsencode(path)) > 107:
        raise UsageError(f"--socket {path!r} is longer than the 107 bytes of a unix socket's path; use a shorter one")
    if deployment.via == "spawn" and option == "--script" and " " in path:
        raise UsageError(f"{option} {path!r} holds a space, at which {name} would cut the command; use another name")


def _check_script(server: Server, deployment: Deployment) -> None:
    """The server starts the app itself: it needs a file, and no address."""
    via = deployment.via
    if deployment.socket is not None and via not in server.SOCKETS:
        raise UsageError(f"with --via {via} the web server starts the app: leave --socket out")
    if deployment.tcp:
        raise UsageError(f"with --via {via} the web server starts the app: leave --tcp out")
    if deployment.script is None:
        kind = {"spawn": "fcgi"}.get(via, via)
        raise UsageError(
            f"--via {via} needs --script /srv/app/app.{kind}, the file that is started; its lines are shown"
        )


def _check_runner(name: str, server: Server, deployment: Deployment) -> None:
    """A runner serves the app: it has one kind of address, and knows the web server."""
    if deployment.script is not None:
        raise UsageError(f"--script is for --via spawn, cgi and wsgi; leave it out for --via {deployment.via}")
    if (deployment.socket is None) == (not deployment.tcp):
        raise UsageError("name the address of the runner: either --socket /run/app.sock, or --tcp 127.0.0.1:9000")
    if deployment.socket is not None and deployment.web_server is not None:
        raise UsageError(
            f"--web-server {deployment.web_server} is for --tcp; leave it out, --group decides who may use a socket"
        )
    if len(deployment.tcp) > 1 and not server.BALANCES:
        raise UsageError(f"--tcp is given {len(deployment.tcp)} times, but {name} takes one runner: name one")
    for address in deployment.tcp:
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise UsageError(f"--tcp {address!r} is malformed: write 127.0.0.1:9000")
        _check_port("--tcp", address, match["port"])
        if not _is_loopback(match["host"]) and deployment.web_server is None:
            raise UsageError(
                f"--tcp {address} is on another machine, where the runner has to know which peer to trust: "
                "name the web server's address with --web-server 10.0.0.1"
            )


def _check_port(option: str, value: str, port: str) -> None:
    if not 0 < int(port) < 65536:
        raise UsageError(f"{option} {value!r} has a port out of range: write 1 to 65535")


def _is_network(name: str) -> bool:
    try:
        ipaddress.ip_network(name)
    except ValueError:
        return False
    return "%" not in name  # a scope (RFC 4007 section 11) may be any text


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
