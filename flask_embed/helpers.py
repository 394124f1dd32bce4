"""The functions that views call: URLs, redirects, messages, JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload
from uuid import UUID

from markupsafe import escape
from werkzeug import exceptions
from werkzeug.http import http_date

from flask_embed.ctx import current_context, session
from flask_embed.environ import request_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response as WerkzeugResponse

    from flask_embed.responses import Response

    R = TypeVar("R", bound=WerkzeugResponse)

__all__ = [
    "abort",
    "after_this_request",
    "flash",
    "get_flashed_messages",
    "json_dumps",
    "jsonify",
    "make_response",
    "redirect",
    "refuse_cross_origin",
    "stream_with_context",
    "url_for",
]

T = TypeVar("T")

#: Browsers remove control characters and spaces from a URL before they read its scheme.
_SCRIPT_SCHEME = re.compile(r"(?:javascript|data|vbscript):", re.IGNORECASE)
_IGNORED_IN_URLS = re.compile(r"[\x00-\x20\x7f-\xa0]+")


def url_for(endpoint: str, **values: Any) -> str:
    """The URL of a view of the app that handles this request, with its prefix.

    Values that are not variables of the rule become the query string. ``_anchor``, ``_method``, ``_scheme`` and
    ``_external`` are those of :meth:`Flask.url_for`, which also works outside a request::

        url_for("profile", username="ada", tab="posts")     # /shop/user/ada?tab=posts
    """
    try:
        app = current_context().app
    except RuntimeError:
        raise RuntimeError(
            f"url_for({endpoint!r}) needs a request to know the prefix; outside of one use app.url_for({endpoint!r})"
        ) from None
    return app.url_for(endpoint, **values)


def abort(code: int | WerkzeugResponse, *args: Any, **kwargs: Any) -> NoReturn:
    """End the request with an error: ``abort(404)``, ``abort(403, "members only")``, or with a response."""
    exceptions.abort(code, *args, **kwargs)


@overload
def redirect(location: str, code: int = 302, Response: None = None) -> Response: ...
@overload
def redirect(location: str, code: int, Response: type[R]) -> R: ...
@overload
def redirect(location: str, code: int = 302, *, Response: type[R]) -> R: ...
def redirect(  # the name of the parameter is the documented one
    location: str,
    code: int = 302,
    Response: type[WerkzeugResponse] | None = None,
) -> WerkzeugResponse:
    """A response that sends the client to *location*, a URL that may be relative (RFC 9110 section 10.2.2).

    *code* is 301, 302, 303, 305, 307 or 308. A *location* with a line break, or one that would run as a script
    (``javascript:``, ``data:``, ``vbscript:``), is a ValueError. It may lead to any site: never pass a *location* that
    a client chose.
    """
    if code not in (301, 302, 303, 305, 307, 308):
        raise ValueError(f"the status code {code!r} does not redirect; write 301, 302, 303, 305, 307 or 308")
    if "\r" in location or "\n" in location:
        raise ValueError(f"the redirect to {location!r} holds a line break")
    if _SCRIPT_SCHEME.match(_IGNORED_IN_URLS.sub("", location)):
        raise ValueError(f"the redirect to {location!r} would run as a script")
    if Response is None:
        from flask_embed import responses

        Response = responses.Response
    shown = escape(location)
    response = Response(
        f'<!doctype html>\n<title>Elsewhere</title>\n<p>Go on to <a href="{shown}">{shown}</a>.\n',
        code,
        mimetype="text/html",
    )
    response.headers["Location"] = location
    return response


def make_response(*args: Any) -> Response:
    """The response for a value that a view may return, to be changed before it is sent.

    Takes that value, or the items of such a tuple::

        response = make_response(render_template("index.html"), 200)
        response.headers["X-Frame-Options"] = "DENY"
        return response
    """
    return current_context().app.make_response(args[0] if len(args) == 1 else args or "")


def after_this_request(function: Callable[[Response], Response]) -> Callable[[Response], Response]:
    """Run *function* with the response of this request, before the app's own after_request functions."""
    context = current_context()
    if context.after_this_request is None:
        context.after_this_request = []
    context.after_this_request.append(function)
    return function


def stream_with_context(body: T) -> T:
    """*body* itself: a streamed body always has its request. It is here for code that was written for Flask."""
    current_context()
    return body


def flash(message: str, category: str = "message") -> None:
    """Keep *message* in the session until a page reads it with :func:`get_flashed_messages`."""
    session["_flashes"] = [*session.get("_flashes", ()), (category, message)]


def get_flashed_messages(with_categories: bool = False) -> list[str] | list[tuple[str, str]]:
    """The flashed messages, which are removed from the session; later calls in this request return them again.

    With *with_categories* it is a list of ``(category, message)``.
    """
    context = current_context()
    if context.flashes is None:
        context.flashes = list(session.pop("_flashes")) if "_flashes" in session else []
    if with_categories:
        return list(context.flashes)
    return [message for _, message in context.flashes]


def refuse_cross_origin() -> None:
    """Answer 403 to a form or script of another site; register it as a before_request function.

    Without it a page of another site can send forms in the name of a user who is logged in here (CSRF)::

        app.before_request(refuse_cross_origin)

    GET, HEAD and OPTIONS pass, because links from other sites are allowed; so a GET must not change anything. For the
    other methods a header of the browser decides, which no page can forge: ``Sec-Fetch-Site`` (Fetch Metadata), or, if
    the browser is old or the connection neither encrypted nor local, ``Origin`` (RFC 6454), which has to name the host
    that the request was sent to; so a front has to pass the Host on. A client that sends neither is not a browser. An
    app that is mounted beside this one has the same origin, and is trusted.
    """
    environ = current_context().environ
    if environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS"):
        return
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        origin = environ.get("HTTP_ORIGIN")
        is_ours = origin is None or origin.partition("://")[2].lower() == request_host(environ)
    if not is_ours:
        abort(403, "This request was sent from a page of another site.")


def jsonify(*args: Any, **kwargs: Any) -> Response:
    """A JSON response: of one value, of a list of several, or of an object made of keyword arguments."""
    if args and kwargs:
        raise TypeError("jsonify() takes values or keyword arguments, not both")
    content = args[0] if len(args) == 1 else args or kwargs
    return current_context().app.response_class(json_dumps(content), mimetype="application/json")


def json_dumps(content: Any, **options: Any) -> str:
    """JSON text, with dates as HTTP dates, Decimal and UUID as strings, and dataclasses as objects.

    *options* are those of :func:`json.dumps`.
    """
    return json.dumps(content, **{"default": _json_default, "separators": (",", ":"), **options})


def _json_default(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return http_date(value)
    if isinstance(value, Decimal | UUID):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    as_html = getattr(value, "__html__", None)
    if as_html is not None:
        return str(as_html())
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written as JSON")
