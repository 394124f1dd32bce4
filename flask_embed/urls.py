"""The URLs of endpoints: of an app, and of the apps that are mounted around it and beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from werkzeug.routing import BuildError

from flask_embed.environ import host_is_trusted, is_loopback, path_only, request_host, text, url_quote
from flask_embed.routing import subdomain_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.app import Flask

__all__ = ["url_of"]


def url_of(
    app: Flask,
    environ: WSGIEnvironment,
    endpoint: str,
    values: dict[str, Any],
    anchor: str | None,
    method: str | None,
    scheme: str | None,
    external: bool | None,
) -> str:
    """The URL of an endpoint for a request of *app* with this environ; arguments as those of :meth:`Flask.url_for`.

    An empty environ stands for code outside of requests.
    """
    mounted_under = ""
    if ":" in endpoint and next(app.url_map.rules_for(endpoint), None) is None:
        app, endpoint, environ, mounted_under = _mounted(endpoint, environ)
    try:
        subdomain, path = app.url_map.build(endpoint, values, method, environ.get("REQUEST_METHOD", "GET"))
    except BuildError as error:
        if any(rule.suitable_for(values, method) for rule in app.url_map.rules_for(endpoint)):
            error.add_note(f"One of the values cannot stand in the path of {endpoint!r}: {values!r}")
        raise
    url = path_only(url_quote(text(environ.get("SCRIPT_NAME", "")).rstrip("/")) + path)
    if anchor is not None:
        url += "#" + quote(anchor, safe="!$&'()*+,/:;=?@")
    if mounted_under:
        return f"{scheme or environ.get('wsgi.url_scheme', 'http')}://{mounted_under}{url}"
    server_name = app.server_name
    if external is None:
        here = subdomain_of(request_host(environ), server_name) if environ and server_name else ""
        external = scheme is not None or subdomain != here
    if not external:
        return url
    return f"{scheme or environ.get('wsgi.url_scheme', 'http')}://{_host(app, environ, endpoint, subdomain)}{url}"


def _host(app: Flask, environ: WSGIEnvironment, endpoint: str, subdomain: str) -> str:
    """The host of an external URL; RuntimeError where only a client's Host header could be taken."""
    if app.server_name is not None:
        return f"{subdomain}.{app.server_name}" if subdomain else app.server_name
    host = request_host(environ)
    trusted = app.trusted_hosts
    if not subdomain and environ and (is_loopback(host) if trusted is None else host_is_trusted(environ, trusted)):
        return host
    raise RuntimeError(
        f"the external URL of {endpoint!r} needs a host that no client can choose: set app.server_name = "
        "'www.example.com' (a subdomain needs it), or app.trusted_hosts = ['www.example.com']"
    )


def _mounted(endpoint: str, environ: WSGIEnvironment) -> tuple[Flask, str, WSGIEnvironment, str]:
    """The app and the endpoint of ``"name:endpoint"``, and the environ that this app would get of this request.

    The last value is the host that the app is mounted under, empty if the request was sent to that host. The
    dispatchers that the request came through are searched from the inside out.
    """
    name, _, own = endpoint.rpartition(":")
    error = BuildError(endpoint, {}, None)
    around = environ
    while "flask_embed.mounts" in around:
        table, around, _ = around["flask_embed.mounts"]
        if table is None:  # of a dispatcher that makes its apps on demand: they have no names
            continue
        try:
            part = table.locate(name, environ)
        except LookupError as reason:
            error.add_note(f"{name!r}: {reason}")
            continue
        return part.app, own, {**environ, "SCRIPT_NAME": around.get("SCRIPT_NAME", "") + part.prefix}, part.host
    if around is environ:
        error.add_note(f"{name!r} would be the name of a mount, but no dispatcher has passed this request on.")
    raise error
