"""The configuration of Apache."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from flask_embed.config.deployment import bytes_of, folder_of, pattern, prefix_of, python_of, static_url_of
from flask_embed.config.server import Snippet
from flask_embed.errors import PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask_embed.config.deployment import Deployment
    from flask_embed.config.server import Site, Written

TITLE: str = "Apache"
VIAS: tuple[str, ...] = ("fastcgi", "http", "spawn", "cgi", "wsgi")
STARTS: tuple[str, ...] = ("spawn", "cgi", "wsgi")
SOCKETS: tuple[str, ...] = ("fastcgi", "http")
BALANCES: bool = False
LIMITS_BODIES: bool = False
UNSAFE: str = '"\\$%|*?['

TEMPLATE: str = r"""
<<commands>>
?wsgi # mod_wsgi runs the app in processes of Apache; there is no other command to start.
#
# /etc/apache2/sites-available/<<name>>.conf; then:
# a2enmod <<modules>> && a2ensite <<name>> && apachectl configtest && apachectl graceful
# For an existing site take the lines within <VirtualHost>.
?script #
?wsgi # <<script_path>> holds these lines:
?starts # <<script_path>> holds these lines and is executable (chmod 755):
?script <<script_lines>>

?listen Listen <<listen>>
<VirtualHost <<place>>>
?server_name     ServerName <<server_name>>
!spawn     LimitRequestBody <<max_body>>
?spawn     # With this limit the app would get an empty body; FcgidMaxRequestLen below refuses larger ones.
?spawn     LimitRequestBody 0
    MergeSlashes Off
    # Otherwise %2F in a path is answered 404. (With NoDecode the rules here would match another path than the app's.)
    AllowEncodedSlashes On

    # Headers that a client must not set:
    RequestHeader unset Proxy early
    RequestHeader unset Forwarded early
    RequestHeader unset X-Forwarded-For early
    RequestHeader unset X-Forwarded-Proto early
    RequestHeader unset X-Forwarded-Host early
    RequestHeader unset X-Forwarded-Port early
    RequestHeader unset X-Forwarded-Prefix early
?static
?static     Alias "<<static_url>>" <<static>>
?static     <Directory <<static>>>
?static         Require all granted
?static     </Directory>
?static?external     ProxyPass "<<static_url>>" "!"

?fastcgi?prefix     ProxyPassMatch "^<<pattern>>(/.*)?$" <<target>> flushpackets=on
?fastcgi!prefix     ProxyPass "/" <<target>> flushpackets=on
?fastcgi     ProxyFCGIBackendType GENERIC
?fastcgi     ProxyFCGISetEnvIf "true" SCRIPT_NAME "<<prefix>>"
?fastcgi     ProxyFCGISetEnvIf "%{REQUEST_URI} =~ m#^<<pattern>>(.*)$#" PATH_INFO "$1"
?fastcgi     <LocationMatch "^<<pattern>><<border>>">
?fastcgi         CGIPassAuth On
?fastcgi     </LocationMatch>
?http     ProxyPreserveHost On
?http     RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}
?http?prefix     ProxyPassMatch "^<<raw_pattern>>(/|$)" <<target>> nocanon
?http!prefix     ProxyPass "/" <<target>> nocanon
?spawn     FcgidMaxRequestLen <<fcgid_max_body>>
?spawn     # Each process has one request at a time.
?spawn     FcgidMaxProcessesPerClass <<fcgid_processes>>
?spawn     FcgidIOTimeout 60
?spawn     FcgidOutputBufferSize 0
?spawn     Alias "<<where>>" <<script_mounted>>
?spawn     <LocationMatch "^<<pattern>><<not_static>><<border>>">
?spawn         SetHandler fcgid-script
?spawn         Options +ExecCGI
?spawn         CGIPassAuth On
?spawn     </LocationMatch>
?cgi     ScriptAlias "<<where>>" <<script_mounted>>
?cgi     <LocationMatch "^<<pattern>><<border>>">
?cgi         CGIPassAuth On
?cgi         # Otherwise a client cannot detect that a response was cut off.
?cgi         SetEnv ap_trust_cgilike_cl yes
?cgi     </LocationMatch>
?wsgi     WSGIDaemonProcess <<name>> processes=<<workers>> threads=15 python-home=<<home>> python-path=<<folder>> \
?wsgi         <<account>>lang=C.UTF-8 locale=C.UTF-8 display-name=%{GROUP}
?wsgi     WSGIScriptAlias "<<where>>" <<script>> process-group=<<name>> application-group=%{GLOBAL}
?wsgi     WSGIPassAuthorization On
?wsgi     # Otherwise a body without a length is answered 411.
?wsgi     WSGIChunkedRequest On
?script     <Directory <<script_folder>>>
?script         Require all granted
?script     </Directory>
</VirtualHost>

?http # LimitRequestBody does not apply to proxied requests; --limit-body of the runner does.
?fastcgi # Apache resolves /../ in a path.
?fastcgi # LimitRequestBody does not apply to proxied requests; --limit-body of the runner does.
?spawn # A body that is too large is answered 500.
!external # Apache makes / of // in a path, with MergeSlashes Off as well, and resolves /../.
"""

_MODULES = {
    "fastcgi": ("proxy", "proxy_fcgi", "headers"),
    "http": ("proxy", "proxy_http", "headers"),
    "spawn": ("fcgid", "headers"),
    "cgi": ("cgid", "headers"),
    "wsgi": ("wsgi", "headers"),
}


def modules(deployment: Deployment) -> tuple[str, ...]:
    """The modules that the configuration needs, as ``a2enmod`` takes them."""
    return _MODULES[deployment.via]


def quoted(text: str) -> str:
    """The value in double quotes; characters that would have to be escaped are in :data:`UNSAFE`."""
    return f'"{text}"'


def check(deployment: Deployment) -> None:
    """Raise PrefixError or UsageError for characters with a meaning of their own: ``$``, and ``#`` in a socket."""
    prefix = prefix_of(deployment)
    if "$" in prefix:
        raise PrefixError(f"the prefix {prefix!r} holds '$', which begins a variable in apache; leave it out")
    if deployment.socket is not None and "#" in deployment.socket:
        raise UsageError(f"--socket {deployment.socket!r} holds '#', at which Apache would cut it; use another name")


def values(deployment: Deployment) -> dict[str, str]:
    """The address that it listens at, the runner, and the processes that it starts."""
    listen = deployment.listen or "*:80"
    port = listen.rpartition(":")[2]
    place = listen if ":" in listen else f"*:{listen}"
    scheme = "http" if deployment.via == "http" else "fcgi"
    target = f"{scheme}://{deployment.tcp[0] if deployment.tcp else 'localhost'}"
    prefix = prefix_of(deployment)
    if not prefix:
        target += "/"
    if deployment.socket:
        target = f"unix:{deployment.socket}|{target}"
    values = {
        "modules": " ".join(modules(deployment)),
        "starts": "yes" if deployment.via in ("spawn", "cgi") else "",
        "listen": "" if deployment.listen is None or port in ("80", "443") else place.removeprefix("*:"),
        "place": place,
        "target": quoted(target),
        "raw_pattern": re.sub(r"[^\x00-\x7f]", _also_encoded, pattern(prefix)),
        "home": quoted(str(PurePosixPath(python_of(deployment)).parent.parent)),
        "folder": quoted(folder_of(deployment)),
        "account": "" if deployment.user == type(deployment).user else f"user={deployment.user} ",
        "fcgid_max_body": str(bytes_of(deployment.max_body) or 2**40),
        "fcgid_processes": str(deployment.workers if deployment.workers > 1 else 10),
        "not_static": "",
    }
    if deployment.static is not None:
        values["not_static"] = f"(?!{pattern(static_url_of(deployment).removeprefix(prefix))})"
    if deployment.script is not None:
        values["script_folder"] = quoted(str(PurePosixPath(deployment.script).parent))
    return values


def _also_encoded(match: re.Match[str]) -> str:
    """A pattern for a letter as it is and percent-encoded: with nocanon Apache compares it with both paths."""
    encoded = "".join(f"%(?i:{byte:02X})" for byte in match[0].encode())
    return f"(?:{match[0]}|{encoded})"


def snippets(site: Site, written: Callable[[str], Written]) -> Mapping[str, tuple[Snippet, ...]]:
    """The lines for an Apache that is configured already."""
    config, mod_wsgi, mod_fcgid = written("fastcgi" if site.gateway else "http"), written("wsgi"), written("spawn")
    at_proxy = f"{TITLE}, at the end of the line ProxyPass or ProxyPassMatch"
    squeezing = f"{TITLE} with mod_proxy (mod_fcgid, mod_cgi and mod_wsgi always do that)"
    # Apache must not ask its own connection for the scheme here: TLS may end in front of it.
    https = f"SetEnv HTTPS {'on' if site.scheme == 'https' else 'off'}"
    proto = f"RequestHeader set X-Forwarded-Proto {site.scheme}"
    return {
        "paths": _paths(site, config),
        "redirect": _here("UseCanonicalName Off"),
        "encoded-slash": _here(config.line("AllowEncodedSlashes")),
        "slashes": (Snippet(squeezing, (config.line("MergeSlashes"),)),),
        "host": () if site.gateway else _here(config.line("ProxyPreserveHost")),
        "scheme": _here(https if site.gateway else proto),
        "headers": _here(*(f"RequestHeader unset {header} early" for header in site.headers)),
        "proxy": _here(config.line("RequestHeader unset Proxy")),
        "authorization": (
            *_here(*written("fastcgi").block("<LocationMatch")),
            Snippet(f"or {TITLE} with mod_wsgi", (mod_wsgi.line("WSGIPassAuthorization"),)),
        ),
        "chunked-refused": (Snippet(f"{TITLE}, for mod_wsgi", (mod_wsgi.line("WSGIChunkedRequest"),)),),
        "chunked-lost": _here("SetEnv proxy-sendcl 1"),
        "streaming": (
            Snippet(at_proxy, ("flushpackets=on",)),
            Snippet(f"or {TITLE} with mod_fcgid", (mod_fcgid.line("FcgidOutputBufferSize"),)),
        ),
    }


def _paths(site: Site, config: Written) -> tuple[Snippet, ...]:
    if site.gateway:
        starts = ("ProxyFCGIBackendType", 'ProxyFCGISetEnvIf "true"', 'ProxyFCGISetEnvIf "%')
        lines = (config.line("ProxyPass"), *(config.line(start) for start in starts))
        return (Snippet(f"{TITLE}, in place of ProxyPass", lines),)
    runner = f", and the runner with --prefix {site.prefix}" if site.prefix else ""
    lines = (config.line("ProxyPreserveHost"), re.sub('"http://[^"/]*', '"http://HOST:PORT', config.line("ProxyPass")))
    return (Snippet(f"{TITLE}, in place of ProxyPass{runner}", lines),)


def _here(*lines: str) -> tuple[Snippet, ...]:
    return (Snippet(TITLE, lines),)
