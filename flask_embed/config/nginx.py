"""The configuration of nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_embed.config.server import Snippet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask_embed.config.deployment import Deployment
    from flask_embed.config.server import Site, Written

TITLE: str = "nginx"
VIAS: tuple[str, ...] = ("fastcgi", "http")
STARTS: tuple[str, ...] = ()
SOCKETS: tuple[str, ...] = VIAS
BALANCES: bool = True
LIMITS_BODIES: bool = True
UNSAFE: str = "$"

# The patterns have (?s) and \z, since %0A is a character of a path: otherwise a dot would not match it, $ would match
# in front of it, and a client could move the border between SCRIPT_NAME and PATH_INFO.
TEMPLATE: str = r"""
<<commands>>
#
# /etc/nginx/conf.d/<<name>>.conf; then: nginx -t && nginx -s reload
# For an existing server take the lines within server { }, and the upstream.

upstream <<name>> {
?balanced     # A runner that fails twice within ten seconds gets no requests for the next ten.
    <<backends>>
    keepalive 16;
}

server {
    listen <<listen>>;
?server_name     server_name <<server_name>>;
    client_max_body_size <<max_body>>;
    merge_slashes off;
    underscores_in_headers off;  # X_Forwarded_For would pass for X-Forwarded-For
?static
?static     location ^~ "<<static_url>>" {
?static         alias <<static>>;
?static     }

?prefix     location ~ "(?s)^<<pattern>>(?:/|\z)" {
!prefix     location / {
?fastcgi?prefix         fastcgi_split_path_info "(?s)^(<<pattern>>)(|/.*)\z";
?fastcgi?prefix         fastcgi_param SCRIPT_NAME $fastcgi_script_name;
?fastcgi?prefix         fastcgi_param PATH_INFO $fastcgi_path_info;
?fastcgi!prefix         fastcgi_param SCRIPT_NAME "";
?fastcgi!prefix         fastcgi_param PATH_INFO $uri;
?fastcgi         fastcgi_param QUERY_STRING $query_string;
?fastcgi         fastcgi_param REQUEST_METHOD $request_method;
?fastcgi         fastcgi_param REQUEST_URI $request_uri;
?fastcgi         fastcgi_param REQUEST_SCHEME $scheme;
?fastcgi         fastcgi_param HTTPS $https if_not_empty;
?fastcgi         fastcgi_param CONTENT_TYPE $content_type;
?fastcgi         fastcgi_param CONTENT_LENGTH $content_length;
?fastcgi         fastcgi_param GATEWAY_INTERFACE CGI/1.1;
?fastcgi         fastcgi_param SERVER_PROTOCOL $server_protocol;
?fastcgi         fastcgi_param SERVER_SOFTWARE nginx;
?fastcgi         fastcgi_param SERVER_NAME <<server_name_variable>>;
?fastcgi         fastcgi_param SERVER_ADDR $server_addr;
?fastcgi         fastcgi_param SERVER_PORT $server_port;
?fastcgi         fastcgi_param REMOTE_ADDR $remote_addr;
?fastcgi         fastcgi_param REMOTE_PORT $remote_port;
?fastcgi         fastcgi_param REMOTE_USER $remote_user if_not_empty;
?fastcgi         # Headers that a client must not set:
?fastcgi         fastcgi_param HTTP_PROXY "" if_not_empty;
?fastcgi         fastcgi_param HTTP_FORWARDED "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_FOR "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_PROTO "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_HOST "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_PORT "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_PREFIX "" if_not_empty;
?fastcgi
?fastcgi         fastcgi_pass <<name>>;
?fastcgi         fastcgi_keep_conn on;
?http         proxy_pass http://<<name>>;  # no path here, so that the whole one is sent
?http         proxy_http_version 1.1;
?http         proxy_set_header Connection "";
?http         proxy_set_header Host $http_host;  # with its port
?http         proxy_set_header X-Forwarded-For $remote_addr;
?http         proxy_set_header X-Forwarded-Proto $scheme;
?http         # Headers that a client must not set:
?http         proxy_set_header X-Forwarded-Host "";
?http         proxy_set_header X-Forwarded-Port "";
?http         proxy_set_header X-Forwarded-Prefix "";
?http         proxy_set_header Forwarded "";
?http         proxy_set_header Proxy "";

        # Uploads are buffered here, so that slow clients keep no worker busy; <<directive>>_request_buffering off
        # streams them. Responses are buffered too; those with the header X-Accel-Buffering: no are streamed.
        <<directive>>_buffer_size 16k;
        <<directive>>_buffers 8 16k;
?balanced
?balanced         # The next runner gets the request, unless it may have had an effect: a POST that was sent.
?balanced         <<directive>>_next_upstream error timeout;
?balanced         <<directive>>_next_upstream_tries 3;
?balanced         <<directive>>_connect_timeout 3s;
?balanced         <<directive>>_read_timeout 60s;  # between two reads of an answer
    }
}

# nginx answers 400 to a header line of more than 8 KB (large_client_header_buffers).
?fastcgi # It resolves /../ in a path.
"""


def quoted(text: str) -> str:
    """In double quotes, with a backslash in front of those and of itself."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def check(deployment: Deployment) -> None:
    """Accept what all servers accept: a ``$`` of a prefix is escaped, since it stands in regular expressions."""


def values(deployment: Deployment) -> dict[str, str]:
    """Where nginx listens, and the upstream."""
    health = " max_fails=2 fail_timeout=10s" if len(deployment.tcp) > 1 else ""
    places = [quoted(f"unix:{deployment.socket}")] if deployment.socket else list(deployment.tcp)
    return {
        "listen": (deployment.listen or "80").removeprefix("*:"),
        "directive": "proxy" if deployment.via == "http" else "fastcgi",
        "server_name_variable": "$server_name" if deployment.server_name else "$host",
        "max_body": deployment.max_body if deployment.max_body != "none" else "0",
        "backends": "\n".join(f"server {place}{health};" for place in places),
    }


def snippets(site: Site, written: Callable[[str], Written]) -> Mapping[str, tuple[Snippet, ...]]:
    """The lines for an nginx that is configured already."""
    return _fastcgi(site, written("fastcgi")) if site.gateway else _http(site, written("http"))


def _fastcgi(site: Site, config: Written) -> dict[str, tuple[Snippet, ...]]:
    # The parameters that nginx comes with stay; some of them have HTTP_HOST without the port.
    host = "fastcgi_param HTTP_HOST $http_host;"
    split = [config.line("fastcgi_split_path_info")] if site.prefix else []
    location = (
        config.line("merge_slashes"),
        config.line("location"),
        "    include fastcgi_params;",
        *(f"    {line}" for line in (*split, config.line("fastcgi_param SCRIPT_NAME"))),
        f"    {config.line('fastcgi_param PATH_INFO')}",
        f"    {host}",
        f"    {config.line('fastcgi_param HTTP_PROXY')}",
        "    fastcgi_pass ADDRESS;    # as it is",
        "}",
    )
    return {
        "paths": (Snippet(f"{TITLE}, in place of the location", location),),
        "host": (Snippet(f"{TITLE}, behind 'include fastcgi_params;'", (host,)),),
        "query": _here(config.line("fastcgi_param QUERY_STRING")),
        "scheme": _here(config.line("fastcgi_param HTTPS"), config.line("fastcgi_param REQUEST_SCHEME")),
        "headers": _here(*(f'fastcgi_param {_key(header)} "" if_not_empty;' for header in site.headers)),
        "proxy": _here(config.line("fastcgi_param HTTP_PROXY")),
        "authorization": _here("fastcgi_param HTTP_AUTHORIZATION $http_authorization;"),
        "chunked-lost": _here("fastcgi_request_buffering on;"),
        "streaming": _here("fastcgi_buffering off;"),
        **_for_both(config),
    }


def _http(site: Site, config: Written) -> dict[str, tuple[Snippet, ...]]:
    runner = f", and the runner with --prefix {site.prefix}" if site.prefix else ""
    host = config.line("proxy_set_header Host")
    place = "proxy_pass http://HOST:PORT;    # as it is, without a slash or a path behind the port"
    location = (config.line("merge_slashes"), config.line("location"), f"    {place}", f"    {host}", "}")
    return {
        "paths": (Snippet(f"{TITLE}, in place of the location{runner}", location),),
        "host": _here(host),
        "scheme": _here(config.line("proxy_set_header X-Forwarded-Proto")),
        "headers": _here(*(f'proxy_set_header {header} "";' for header in site.headers)),
        "proxy": _here(config.line("proxy_set_header Proxy")),
        "authorization": _here("proxy_set_header Authorization $http_authorization;"),
        "chunked-lost": _here("proxy_request_buffering on;"),
        "streaming": _here("proxy_buffering off;"),
        **_for_both(config),
        "slashes": _here(
            f"{config.line('merge_slashes')}    # in server",
            "proxy_pass http://HOST:PORT;    # nothing behind the host, and --prefix for the runner",
        ),
    }


def _for_both(config: Written) -> dict[str, tuple[Snippet, ...]]:
    return {
        "redirect": _here("absolute_redirect off;"),
        "slashes": _here(f"{config.line('merge_slashes')}    # in server"),
        "underscores": _here(config.line("underscores_in_headers")),
    }


def _here(*lines: str) -> tuple[Snippet, ...]:
    return (Snippet(TITLE, lines),)


def _key(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"
