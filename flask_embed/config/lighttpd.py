"""The configuration of lighttpd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_embed.config.deployment import bytes_of, name_of, prefix_of
from flask_embed.config.server import Snippet
from flask_embed.errors import PrefixError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask_embed.config.deployment import Deployment
    from flask_embed.config.server import Site, Written

TITLE: str = "lighttpd"
VIAS: tuple[str, ...] = ("fastcgi", "http", "spawn", "cgi")
STARTS: tuple[str, ...] = ("spawn", "cgi")
SOCKETS: tuple[str, ...] = ("fastcgi", "http", "spawn")
BALANCES: bool = True
LIMITS_BODIES: bool = True
UNSAFE: str = '"\\$'

TEMPLATE: str = """
<<commands>>
#
# /etc/lighttpd/conf-enabled/50-<<name>>.conf; then: lighttpd -tt -f /etc/lighttpd/lighttpd.conf
?script #
?script # <<script_path>> holds these lines and is executable (chmod 755):
?script <<script_lines>>

server.modules += ( <<modules>> )

?listen $SERVER["socket"] == "<<listen>>" {
?server_name $HTTP["host"] == "<<server_name>>" {
?static $HTTP["url"] =~ "^<<static_pattern>>" {
?static     alias.url = ( "<<static_url>>" => <<static>> )
?static }
?static else $HTTP["url"] =~ "^<<pattern>><<border>>" {
!static $HTTP["url"] =~ "^<<pattern>><<border>>" {
    server.max-request-size = <<max_body_kib>>  # KiB; 0 is no limit

    # Responses are streamed. Uploads are buffered here, so that slow clients keep no worker busy.
    server.stream-response-body = 1

    # Headers that a client must not set:
?http     setenv.set-request-header = (
?http         "X-Forwarded-For" => "", "X-Forwarded-Proto" => "", "X-Forwarded-Host" => "",
?http         "X-Forwarded-Port" => "", "X-Forwarded-Prefix" => "", "Forwarded" => "", "Proxy" => ""
?http     )
!http     setenv.set-environment = (  # however the header is spelled: X_Forwarded_For, X.Forwarded.For
!http         "HTTP_X_FORWARDED_FOR" => "", "HTTP_X_FORWARDED_PROTO" => "", "HTTP_X_FORWARDED_HOST" => "",
!http         "HTTP_X_FORWARDED_PORT" => "", "HTTP_X_FORWARDED_PREFIX" => "", "HTTP_FORWARDED" => ""
!http     )

?cgi     alias.url = ( "<<where>>" => <<script_mounted>> )
?cgi     cgi.assign = ( "" => "" )
?http?balanced     proxy.balance = "round-robin"
?http     proxy.server = ( "" => (
?http         <<backends>>
?http     ))
?fcgi?balanced     fastcgi.balance = "round-robin"
?fcgi     fastcgi.server = ( "<<where>>" => (
?fcgi         <<backends>>
?fcgi     ))
}
?server_name }
?listen }

# lighttpd makes / of // in a path, and resolves /../.
?http # (Not with "url-normalize" => "disable" in server.http-parseopts, which applies to the whole server.)
!http # A chunked body gets a length here when it is whole; with server.stream-request-body it is answered 411.
"""

_MODULES = {
    "fastcgi": ("fastcgi", "setenv"),
    "spawn": ("fastcgi", "setenv"),
    "http": ("proxy", "setenv"),
    "cgi": ("cgi", "alias", "setenv"),
}


def quoted(text: str) -> str:
    """The value in double quotes; characters that would have to be escaped are in :data:`UNSAFE`."""
    return f'"{text}"'


def check(deployment: Deployment) -> None:
    """Raise PrefixError for a ``$`` in the prefix, which begins a variable in any quotes."""
    prefix = prefix_of(deployment)
    if "$" in prefix:
        raise PrefixError(f"the prefix {prefix!r} holds '$', which begins a variable in lighttpd; leave it out")


def values(deployment: Deployment) -> dict[str, str]:
    """The modules, the address that it listens at, and the runners."""
    modules, listen = _MODULES[deployment.via], (deployment.listen or "").removeprefix("*:")
    if deployment.static is not None and "alias" not in modules:
        modules += ("alias",)
    return {
        "fcgi": "yes" if deployment.via in ("fastcgi", "spawn") else "",
        "listen": f":{listen}" if listen and ":" not in listen else listen,
        "modules": ", ".join(f'"mod_{name}"' for name in modules),
        "max_body_kib": str(-(-(bytes_of(deployment.max_body) or 0) // 1024)),
        "backends": _backends(deployment),
    }


def _backends(deployment: Deployment) -> str:
    more = ""
    if deployment.via != "http":
        more = ', "check-local" => "disable"'
        if not prefix_of(deployment):
            more += ', "fix-root-scriptname" => "enable"'
    if deployment.via == "spawn":
        file, number = quoted(deployment.script or ""), deployment.workers
        socket = quoted(deployment.socket or f"/run/lighttpd/{name_of(deployment)}.sock")
        more = f'"min-procs" => {number}, "max-procs" => {number}{more}'
        return f'( "bin-path" => {file}, "socket" => {socket},\n  {more} )'
    if deployment.socket:
        key = "host" if deployment.via == "http" else "socket"
        return f'( "{key}" => {quoted(deployment.socket)}{more} )'
    addresses = [address.rsplit(":", 1) for address in deployment.tcp]
    return ",\n".join(f'( "host" => "{host.strip("[]")}", "port" => {port}{more} )' for host, port in addresses)


def snippets(site: Site, written: Callable[[str], Written]) -> Mapping[str, tuple[Snippet, ...]]:
    """The lines for a lighttpd that is configured already."""
    config = written("fastcgi" if site.gateway else "http")
    if site.gateway:
        where, server, start = TITLE, "fastcgi.server", "setenv.set-environment"
        keys = [f"HTTP_{header.upper().replace('-', '_')}" for header in site.headers]
        https = "on" if site.scheme == "https" else "off"
        scheme = f'setenv.add-environment = ( "HTTPS" => "{https}" )    # mod_setenv'
    else:
        where, server, start = TITLE, "proxy.server", "setenv.set-request-header"
        where += f", and the runner with --prefix {site.prefix}" if site.prefix else ""
        keys = list(site.headers)
        scheme = 'proxy.forwarded = ( "for" => 1, "proto" => 1 )'
    lines = [line.replace('"127.0.0.1", "port" => 8000', '"HOST", "port" => PORT') for line in config.block(server)]
    pairs = (f'    "{key}" => "",' for key in keys)
    return {
        "paths": (Snippet(where, _below(site, config, tuple(lines))),),
        "scheme": _here(scheme),
        "headers": _here(f"{config.line(start)}    # mod_setenv", *pairs, ")"),
        "chunked-lost": _here("server.stream-request-body = 0"),
        "streaming": _here(config.line("server.stream-response-body")),
    }


def _below(site: Site, config: Written, lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines, for what is below the prefix and nothing else."""
    if not site.prefix:
        return lines
    return (config.line('$HTTP["url"]'), *(f"    {line}" for line in lines), "}")


def _here(*lines: str) -> tuple[Snippet, ...]:
    return (Snippet(TITLE, lines),)
