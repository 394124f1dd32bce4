"""Configuration of web servers and of systemd that fits the runners: ``flask-embed config`` prints it.

A :class:`Deployment` says what is served and how it is reached, :func:`render` writes the configuration, and
:func:`commands` is what has to run for it, which is also in the first comments of the text::

    shop = Deployment(app="shop:app", prefix="/shop", socket="/run/shop.sock")
    print(render("nginx", shop))
    print(shlex.join(commands("nginx", shop)[0]))

Every value is checked, and written as the language at hand wants it. What cannot be written there is a
:exc:`~flask_embed.errors.UsageError` or :exc:`~flask_embed.errors.PrefixError` of one line.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from flask_embed.config.nginx import TEMPLATES
from flask_embed.errors import PrefixError, UsageError
from flask_embed.grammar import TARGET, size_in_bytes
from flask_embed.middleware.prefix import normalize_prefix
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["SERVERS", "VIAS", "Deployment", "commands", "modules", "render", "script"]

#: what configuration is written for
SERVERS = ("nginx", "lighttpd", "apache", "systemd")
#: how a web server reaches the app: a FastCGI runner or an HTTP runner that runs already, FastCGI processes that the
#: server starts, a process for each request, or inside of Apache
VIAS = ("fastcgi", "http", "spawn", "cgi", "wsgi")

_OFFERED = {
    "nginx": ("fastcgi", "http"),
    "lighttpd": ("fastcgi", "http", "spawn", "cgi"),
    "apache": ("fastcgi", "http", "spawn", "cgi", "wsgi"),
    "systemd": ("fastcgi", "http"),
}
#: where the web server meets a process that runs by itself
_EXTERNAL = ("fastcgi", "http")
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")
_LISTEN = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9.]+|\*):)?(?P<port>[0-9]{1,5})")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_CONDITIONS = re.compile(r"(?:((?:[?!]\w+)+) ?)?(.*)")
#: RFC 3986 section 3.3, pchar without its encodings; letters beyond ASCII are encoded by clients
_PREFIX = re.compile(r"(?:[/A-Za-z0-9._~!$&'()*+,;=:@-]|[^\x00-\x7f])*")
#: the characters that a file name of a configuration may not have, besides control characters
_UNSAFE = {"nginx": "$", "lighttpd": '"\\$', "apache": '"\\$%|*?[', "systemd": ""}


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """An app behind a web server."""

    #: ``module:attribute`` or ``module:factory()``
    app: str
    #: where it is, ``""`` for the root
    prefix: str = ""
    #: how it is reached, one of :data:`VIAS`
    via: str = "fastcgi"
    #: what speaks HTTP: ``gevent`` or ``tornado``
    runner: str = "gevent"
    #: the unix socket of the runner
    socket: str | None = None
    #: the ``HOST:PORT`` of each runner, instead of *socket*
    tcp: tuple[str, ...] = ()
    #: addresses of the web server as runners on other machines see them, ``"10.0.0.1,10.0.0.2"``
    web_server: str | None = None
    #: the domain; None for any
    server_name: str | None = None
    #: ``80``, ``127.0.0.1:8080``; None is port 80, and for lighttpd what its main file says
    listen: str | None = None
    #: a folder that the web server serves itself
    static: str | None = None
    #: where it does, below *prefix*
    static_url: str = "/static"
    #: the largest body of a request: ``16m``, or ``none``
    max_body: str = "16m"
    #: the file that the web server starts: ``.fcgi``, ``.cgi``, ``.wsgi``
    script: str | None = None
    #: the folder of the app
    chdir: str | None = None
    #: the Python that has it; None is ``python`` in commands that are typed, this one in files
    python: str | None = None
    #: how many processes answer
    workers: int = 1
    #: as whom the app runs, where this configuration says so: systemd, mod_wsgi
    user: str = "www-data"
    #: the group of the web server, which may connect to *socket*
    group: str = "www-data"


def render(server: str, deployment: Deployment) -> str:
    """The configuration for *server*, one of :data:`SERVERS`; its first comments are :func:`commands`."""
    _check(server, deployment)
    return _filled(TEMPLATES[server], _values(server, deployment))


def commands(server: str, deployment: Deployment) -> list[list[str]]:
    """The runners that belong to the configuration: one for each backend, none for mod_wsgi.

    ``spawn`` and ``cgi`` have the one that the web server starts.
    """
    _check(server, deployment)
    return _commands(server, deployment)


def _commands(server: str, deployment: Deployment) -> list[list[str]]:
    via, typed = deployment.via, deployment.python or "python"
    if via == "wsgi":
        return []
    runner = {"http": deployment.runner, "spawn": "fastcgi"}.get(via, via)
    python = _python(deployment) if via in ("spawn", "cgi") or server == "systemd" else typed
    command = [python, "-m", f"flask_embed.{runner}", deployment.app]
    folder = _folder(deployment) if via in ("spawn", "cgi") or server == "systemd" else deployment.chdir
    if folder is not None:
        command += ["--chdir", folder]
    if via not in _EXTERNAL:
        return [command]
    if deployment.workers > 1:
        command += ["--workers", str(deployment.workers)]
    if via == "http":
        if deployment.prefix.strip("/"):
            command += ["--prefix", _prefix(deployment)]
        command += ["--trust-proxy", "1"]
    if server == "apache" and deployment.max_body != "none":  # its own limit does not count for what it passes on
        command += ["--limit-body", deployment.max_body]
    if deployment.socket is not None:
        if via == "http":
            command += ["--forwarded-allow-ips", "unix"]
        if server != "systemd":
            command += ["--bind", f"unix:{deployment.socket}", "--socket-group", deployment.group]
        return [command]
    peers = deployment.web_server
    if peers is None and via == "http" and deployment.tcp[0].startswith("["):
        peers = "::1"
    if peers is not None:
        command += ["--forwarded-allow-ips" if via == "http" else "--web-server-addrs", peers]
    if server == "systemd":
        return [command]
    return [[*command, "--bind", address] for address in deployment.tcp]


def modules(deployment: Deployment) -> tuple[str, ...]:
    """The modules of Apache that the configuration needs, as ``a2enmod`` takes them."""
    return {
        "fastcgi": ("proxy", "proxy_fcgi", "headers"),
        "http": ("proxy", "proxy_http", "headers"),
        "spawn": ("fcgid", "headers"),
        "cgi": ("cgid", "headers"),
        "wsgi": ("wsgi", "headers"),
    }[deployment.via]


def script(deployment: Deployment) -> str:
    """What the file has in it that the web server starts, as the comments of the configuration have it."""
    if deployment.via == "wsgi":
        module, _, name = deployment.app.partition(":")
        first, dot, rest = name.removesuffix("()").partition(".")
        made = first + dot + rest + ("()" if name.endswith("()") else "")
        return (
            "from flask_embed.middleware import StrictEnviron\n"
            f"from {module} import {first}\n\n"
            f"application = StrictEnviron({made})\n"
        )
    return f"#!/bin/sh\nexec {shlex.join(_commands('', deployment)[0])}\n"


# What is refused


def _check(server: str, deployment: Deployment) -> None:
    if server not in SERVERS:
        raise UsageError(f"there is no configuration for {server!r}; there is for {', '.join(SERVERS)}")
    via = deployment.via
    if via not in VIAS:
        raise UsageError(f"--via {via!r} is none of {', '.join(VIAS)}")
    if via not in _OFFERED[server]:
        raise UsageError(f"{server} does not reach an app via {via}; it does via {', '.join(_OFFERED[server])}")
    if deployment.runner not in ("gevent", "tornado"):
        raise UsageError(f"--runner {deployment.runner!r} speaks no HTTP: there are gevent and tornado")
    _check_values(server, deployment)
    _check_place(server, deployment)
    prefix = _prefix(deployment)
    if not _PREFIX.fullmatch(prefix):
        bad = next(char for char in prefix if not _PREFIX.fullmatch(char))
        raise PrefixError(f"the prefix {prefix!r} holds {bad!r}, which no URL has as it is; leave it out")
    if "$" in prefix and server in ("apache", "lighttpd"):
        raise PrefixError(f"the prefix {prefix!r} holds '$', a variable for {server}; leave it out")


def _check_values(server: str, deployment: Deployment) -> None:
    """Whether each value is one of its kind, and can be written down."""
    if not TARGET.fullmatch(deployment.app):
        raise UsageError(f"--app {deployment.app!r} names no app: write module:attribute or module:factory()")
    is_written = deployment.via not in _EXTERNAL or server == "systemd"  # also where nobody has named them
    for option, path in (
        ("--socket", deployment.socket),
        ("--static", deployment.static),
        ("--script", deployment.script),
        ("--chdir", _folder(deployment) if is_written else deployment.chdir),
        ("--python", _python(deployment) if is_written else deployment.python),
    ):
        if path is not None:
            _check_path(option, path, server, deployment)
    for option, name in (("--user", deployment.user), ("--group", deployment.group)):
        if not _ACCOUNT.fullmatch(name):
            raise UsageError(f"{option} {name!r} is no name of an account: write one like www-data")
    if deployment.server_name is not None and not _NAME.fullmatch(deployment.server_name):
        raise UsageError(f"--server-name {deployment.server_name!r} is no domain: write one like shop.example.com")
    if deployment.listen is not None:
        match = _LISTEN.fullmatch(deployment.listen)
        if match is None or not 0 < int(match["port"]) < 65536:
            raise UsageError(f"--listen {deployment.listen!r} is no port: write 80, or 127.0.0.1:8080")
        host = (match["host"] or "*").strip("[]")
        if host != "*":
            _address_of("--listen", host)
    if deployment.max_body != "none" and size_in_bytes(deployment.max_body) is None:
        raise UsageError(f"--max-body {deployment.max_body!r} is no size: write 64k, 16m, 1g or none")
    if not 1 <= deployment.workers <= 1000:
        raise UsageError(f"--workers {deployment.workers} is no number of processes from 1 to 1000")
    if deployment.workers > 1 and deployment.via == "cgi":
        raise UsageError(f"--workers {deployment.workers}: --via cgi has a process for each request; leave it out")
    if server == "systemd":
        for option, value in (
            ("--server-name", deployment.server_name),
            ("--listen", deployment.listen),
            ("--static", deployment.static),
        ):
            if value is not None:
                raise UsageError(f"{option} {value} is for a web server; leave it out for systemd")
    if deployment.web_server is not None:
        for name in deployment.web_server.split(","):
            if not _is_network(name):
                raise UsageError(
                    f"--web-server {name!r} is no address: write 10.0.0.1, or several: 10.0.0.1,10.0.1.0/24"
                )
    try:
        static_url = normalize_prefix(deployment.static_url)
    except PrefixError as error:
        raise UsageError(f"--static-url: {str(error).replace('the prefix', 'the path')}") from None
    if not static_url or not _PREFIX.fullmatch(static_url) or "$" in static_url:
        raise UsageError(f"--static-url {deployment.static_url!r} is no path for files: write one like /static")


def _check_path(option: str, path: str, server: str, deployment: Deployment) -> None:
    if not path.startswith("/"):
        raise UsageError(f"{option} {path!r} is no whole path: begin with a slash")
    for char in path:
        if not char.isprintable():
            raise UsageError(f"{option} {path!r} holds {char!r}, which no line of a configuration can have")
        if char in _UNSAFE[server]:
            raise UsageError(f"{option} {path!r} holds {char!r}, which {server} would read as more than a letter")
    if server == "systemd" and option in ("--socket", "--chdir") and path.endswith(("\\", " ")):
        raise UsageError(f"{option} {path!r} ends with {path[-1]!r}, which systemd would take for none of it")
    if option == "--socket" and len(os.fsencode(path)) > 107:
        raise UsageError(f"--socket {path!r} is longer than the 107 bytes that a path of a unix socket may have")
    if server == "apache" and option == "--socket" and "#" in path:
        raise UsageError(f"{option} {path!r} holds '#', at which Apache would cut it")
    if deployment.via == "spawn" and option == "--script" and " " in path:
        raise UsageError(f"{option} {path!r} holds a space, at which {server} would cut the command")


def _check_place(server: str, deployment: Deployment) -> None:
    """Whether it is clear where the app is met."""
    via = deployment.via
    if via not in _EXTERNAL:
        if deployment.socket is not None and not (server == "lighttpd" and via == "spawn"):
            raise UsageError(f"--via {via} starts the app itself: leave --socket out")
        if deployment.tcp:
            raise UsageError(f"--via {via} starts the app itself: leave --tcp out")
        if deployment.script is None:
            kind = {"spawn": "fcgi"}.get(via, via)
            raise UsageError(
                f"--via {via} needs --script /srv/app/app.{kind}, the file that is started; its lines are shown"
            )
        return
    if deployment.script is not None:
        raise UsageError(f"--script is a file that {server} starts: that is --via spawn, cgi or wsgi, not {via}")
    if (deployment.socket is None) == (not deployment.tcp):
        raise UsageError("say where the runner listens: either --socket /run/app.sock, or --tcp 127.0.0.1:9000")
    if deployment.socket is not None and deployment.web_server is not None:
        raise UsageError(f"--web-server {deployment.web_server} is for --tcp: who may use a socket says its group")
    if len(deployment.tcp) > 1 and server in ("apache", "systemd"):
        raise UsageError(f"several --tcp are for nginx and lighttpd; {server} gets one")
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _address_of(option: str, host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise UsageError(f"{option} {host!r} is no address") from None


# What is filled in


def _prefix(deployment: Deployment) -> str:
    """The prefix as people and configurations write it: UTF-8, no slash at its end."""
    return normalize_prefix(deployment.prefix).encode("latin-1").decode()


def _python(deployment: Deployment) -> str:
    return deployment.python or sys.executable


def _folder(deployment: Deployment) -> str:
    return deployment.chdir or os.getcwd()


def _name(deployment: Deployment) -> str:
    """What a configuration calls the app, so that several stand side by side."""
    module, prefix = (
        re.sub("[^A-Za-z0-9]+", "_", text).strip("_")
        for text in (deployment.app.partition(":")[0], _prefix(deployment))
    )
    return "_".join(dict.fromkeys(filter(None, (module, prefix)))) or "app"


def _bytes(size: str) -> int:
    """A checked size in bytes, 0 for none."""
    return size_in_bytes(size) or 0


def _pattern(text: str) -> str:
    """A regular expression for exactly this text, in PCRE."""
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", text)


def _quoted(server: str, text: str) -> str:
    """A checked value as one word of the language."""
    if server == "systemd":
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
        return escaped if re.fullmatch(r"[\w@%+=:,./$-]+", text) else f'"{escaped}"'
    if server == "nginx":
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _values(server: str, deployment: Deployment) -> dict[str, str]:
    """What stands for the names in a template."""
    via, prefix = deployment.via, _prefix(deployment)
    static_url = f"{prefix}{normalize_prefix(deployment.static_url).encode('latin-1').decode()}/"
    size = _bytes(deployment.max_body)
    started = [shlex.join(command) for command in _commands(server, deployment)]
    values = {
        "app": deployment.app,
        "commands": "\n".join(f"# {command}" for command in started),
        "command": started[0] if started else "",
        via: "yes",
        "fcgi": "yes" if via in ("fastcgi", "spawn") else "",
        "external": "yes" if via in _EXTERNAL else "",
        "starts": "yes" if via in ("spawn", "cgi") else "",
        "name": _name(deployment),
        "prefix": prefix,
        "where": prefix or "/",
        "pattern": _pattern(prefix),
        "border": "(/|$)" if prefix else "",
        "server_name": deployment.server_name or "",
        "modules": " ".join(modules(deployment)),
        "max_body": str(size),
        "backends": _backends(server, deployment),
        "balanced": "yes" if len(deployment.tcp) > 1 else "",
        "workers": str(deployment.workers),
        "user": deployment.user,
        "group": deployment.group,
        "not_static": "",
    }
    if deployment.static is not None:
        values["static"] = _quoted(server, f"{deployment.static.rstrip('/')}/")
        values["static_url"] = static_url
        values["static_pattern"] = _pattern(static_url)
        values["not_static"] = f"(?!{_pattern(static_url.removeprefix(prefix))})"
    if deployment.script is not None:
        values["script"] = _quoted(server, deployment.script)
        values["script_path"] = deployment.script
        values["script_mounted"] = _quoted(server, deployment.script + ("" if prefix else "/"))
        values["script_folder"] = _quoted(server, str(PurePosixPath(deployment.script).parent))
        values["script_lines"] = "\n".join(f"#     {line}".rstrip() for line in script(deployment).splitlines())
    values.update(_SPECIAL[server](deployment))
    return values


def _backends(server: str, deployment: Deployment) -> str:
    if server == "nginx":
        health = " max_fails=2 fail_timeout=10s" if len(deployment.tcp) > 1 else ""
        places = [_quoted(server, f"unix:{deployment.socket}")] if deployment.socket else list(deployment.tcp)
        return "\n".join(f"    server {place}{health};" for place in places)
    if server != "lighttpd":
        return ""
    more = ""
    if deployment.via != "http":
        more = ', "check-local" => "disable"'
        if not _prefix(deployment):
            more += ', "fix-root-scriptname" => "enable"'
    if deployment.via == "spawn":
        file, number = _quoted(server, deployment.script or ""), deployment.workers
        socket = _quoted(server, deployment.socket or f"/run/lighttpd/{_name(deployment)}.sock")
        more = f'"min-procs" => {number}, "max-procs" => {number}{more}'
        return f'        ( "bin-path" => {file}, "socket" => {socket},\n          {more} )'
    if deployment.socket:
        key = "host" if deployment.via == "http" else "socket"
        return f'        ( "{key}" => {_quoted(server, deployment.socket)}{more} )'
    addresses = [address.rsplit(":", 1) for address in deployment.tcp]
    return ",\n".join(f'        ( "host" => "{host.strip("[]")}", "port" => {port}{more} )' for host, port in addresses)


def _for_nginx(deployment: Deployment) -> dict[str, str]:
    return {
        "listen": (deployment.listen or "80").removeprefix("*:"),
        "directive": "proxy" if deployment.via == "http" else "fastcgi",
        "server_name_variable": "$server_name" if deployment.server_name else "$host",
        "max_body": deployment.max_body if deployment.max_body != "none" else "0",
    }


def _for_lighttpd(deployment: Deployment) -> dict[str, str]:
    listen = (deployment.listen or "").removeprefix("*:")
    needed = {
        "fastcgi": ["fastcgi", "setenv"],
        "spawn": ["fastcgi", "setenv"],
        "http": ["proxy", "setenv"],
        "cgi": ["cgi", "alias", "setenv"],
    }[deployment.via]
    if deployment.static is not None and "alias" not in needed:
        needed.append("alias")
    return {
        "listen": f":{listen}" if listen and ":" not in listen else listen,
        "modules_quoted": ", ".join(f'"mod_{name}"' for name in needed),
        "max_body_kib": str(-(-_bytes(deployment.max_body) // 1024)),
    }


def _for_apache(deployment: Deployment) -> dict[str, str]:
    listen = deployment.listen or "*:80"
    port = listen.rpartition(":")[2]
    place = listen if ":" in listen else f"*:{listen}"
    scheme = "http" if deployment.via == "http" else "fcgi"
    target = f"{scheme}://{deployment.tcp[0] if deployment.tcp else 'localhost'}"
    prefix = _prefix(deployment)
    if not prefix:
        target += "/"
    if deployment.socket:
        target = f"unix:{deployment.socket}|{target}"
    home = str(PurePosixPath(_python(deployment)).parent.parent)
    return {
        "listen": "" if deployment.listen is None or port in ("80", "443") else place.removeprefix("*:"),
        "place": place,
        "target": _quoted("apache", target),
        "raw_pattern": re.sub(r"[^\x00-\x7f]", _also_encoded, _pattern(prefix)),
        "home": _quoted("apache", home),
        "folder": _quoted("apache", _folder(deployment)),
        "account": "" if deployment.user == Deployment.user else f"user={deployment.user} ",
        "fcgid_max_body": str(_bytes(deployment.max_body) or 2**40),
        "fcgid_processes": str(deployment.workers if deployment.workers > 1 else 10),
    }


def _also_encoded(match: re.Match[str]) -> str:
    """A pattern for a letter as it is and as clients encode it: nocanon has Apache look at both paths."""
    encoded = "".join(f"%(?i:{byte:02X})" for byte in match[0].encode())
    return f"(?:{match[0]}|{encoded})"


def _for_systemd(deployment: Deployment) -> dict[str, str]:
    (command,) = _commands("systemd", deployment)
    return {
        "exec": " ".join(_quoted("systemd", word) for word in command),
        "folder": _folder(deployment).replace("%", "%%"),
        "stream": (deployment.socket or deployment.tcp[0]).replace("%", "%%"),
        "is_unix": deployment.socket or "",
        "graceful": f"{Options.graceful_timeout:g}",
        "stop": f"{Options.graceful_timeout + 5:g}",
    }


_SPECIAL: dict[str, Callable[[Deployment], dict[str, str]]] = {
    "nginx": _for_nginx,
    "lighttpd": _for_lighttpd,
    "apache": _for_apache,
    "systemd": _for_systemd,
}


def _filled(template: str, values: dict[str, str]) -> str:
    """The template with ``<name>`` replaced by values.

    A line that begins with ``?name `` is there, without that, if the value is not empty; with ``!name ``, if it is.
    """
    return "\n".join(_lines(template, values)).rstrip("\n") + "\n"


def _lines(template: str, values: dict[str, str]) -> Iterable[str]:
    for line in template.strip("\n").split("\n"):
        conditions, text = _CONDITIONS.findall(line)[0]
        if all(bool(values.get(name)) == (mark == "?") for mark, name in re.findall(r"([?!])(\w+)", conditions)):
            filled = re.sub(r"<<(\w+)>>", lambda found: values[found[1]], text)
            if filled or not text:
                yield filled.rstrip()
