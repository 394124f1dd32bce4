"""The functions that views call."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast, overload
from uuid import UUID

from werkzeug import exceptions
from werkzeug import utils as werkzeug_utils
from werkzeug.http import http_date
from werkzeug.security import safe_join

from flask_embed.ctx import current_context, session
from flask_embed.environ import request_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from werkzeug.wrappers import Response as WerkzeugResponse

    from flask_embed.wrappers import Response

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
    "send_file",
    "send_from_directory",
    "stream_with_context",
    "url_for",
]

T = TypeVar("T")

#: Browsers drop control characters and spaces from a URL before they look at its scheme.
_SCRIPT_SCHEME = re.compile(r"(?:javascript|data|vbscript):", re.IGNORECASE)
_IGNORED_IN_URLS = re.compile(r"[\x00-\x20\x7f-\xa0]+")


def url_for(endpoint: str, **values: Any) -> str:
    """The URL of a view of the app that handles this request, with its prefix.

    Values that the rule has no variable for become the query string. ``_anchor``, ``_method``, ``_scheme`` and
    ``_external`` say more, see :meth:`Flask.url_for`, which also works outside a request::

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
    (``javascript:``, ``data:``, ``vbscript:``), is a ValueError. It is not checked for whose site it leads to:
    pass it nothing that a client chose.
    """
    if code not in (301, 302, 303, 305, 307, 308):
        raise ValueError(f"{code!r} is no redirect; write 301, 302, 303, 305, 307 or 308")
    if "\r" in location or "\n" in location:
        raise ValueError(f"the redirect to {location!r} holds a line break")
    if _SCRIPT_SCHEME.match(_IGNORED_IN_URLS.sub("", location)):
        raise ValueError(f"the redirect to {location!r} would run as a script")
    if Response is None:
        from flask_embed import wrappers

        Response = wrappers.Response
    return werkzeug_utils.redirect(location, code, Response)


def make_response(*args: Any) -> Response:
    """The response for what a view may return, to change it before it is sent.

    Takes what a view may return, or the parts of such a tuple::

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
    """*body* itself: a streamed body always has its request. Here so that code written for others runs."""
    current_context()
    return body


def flash(message: str, category: str = "message") -> None:
    """Keep *message* for the next page that asks for it with :func:`get_flashed_messages`."""
    session["_flashes"] = [*session.get("_flashes", ()), (category, message)]


def get_flashed_messages(with_categories: bool = False) -> list[str] | list[tuple[str, str]]:
    """Take the flashed messages out of the session; the same ones again for the rest of this request.

    With *with_categories* a list of ``(category, message)``.
    """
    context = current_context()
    if context.flashes is None:
        context.flashes = list(session.pop("_flashes")) if "_flashes" in session else []
    if with_categories:
        return list(context.flashes)
    return [message for _, message in context.flashes]


def refuse_cross_origin() -> None:
    """Answer 403 to a form or script of another site; register it to be asked before each request.

    Without it a page elsewhere can post in the name of whoever is logged in here (CSRF)::

        app.before_request(refuse_cross_origin)

    GET, HEAD and OPTIONS pass: links from elsewhere are welcome, so let nothing change by a GET. For the other methods
    the browser's own word counts, which no page can forge: ``Sec-Fetch-Site`` (Fetch Metadata), or, where the browser
    is old or the connection neither encrypted nor local, ``Origin`` (RFC 6454), which has to name the host that the
    request was sent to; so a web server in front has to pass the Host on. What sends neither is no browser. An app
    that is mounted beside ours has our origin, and is trusted with it.
    """
    environ = current_context().environ
    if environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS"):
        return
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        origin = environ.get("HTTP_ORIGIN")
        ours = origin is None or origin.partition("://")[2].lower() == request_host(environ)
    if not ours:
        abort(403, "This request was sent from a page of another site.")


def jsonify(*args: Any, **kwargs: Any) -> Response:
    """A JSON response: of one value, of a list of several, or of an object made of keyword arguments."""
    if args and kwargs:
        raise TypeError("jsonify() takes values or keyword arguments, not both")
    content = args[0] if len(args) == 1 else args or kwargs
    return current_context().app.response_class(json_dumps(content), mimetype="application/json")


def json_dumps(content: Any) -> str:
    """JSON text, with dates as HTTP dates, Decimal and UUID as strings, and dataclasses as objects."""
    return json.dumps(content, default=_json_default, separators=(",", ":"))


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
    raise TypeError(f"{value!r} of type {type(value).__name__} has no form in JSON")


def send_file(
    path_or_file: str | os.PathLike[str] | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | int | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
) -> Response:
    """Send a file, given by path (relative to the app's root_path) or open for reading in binary mode.

    Answers conditional and range requests; the file is closed with the response. Never pass a path that a
    client chose: :func:`send_from_directory` is for that. *max_age* is in seconds.
    """
    context = current_context()
    environ = context.environ
    # RFC 9110 section 14.2: a range in a unit that we do not understand counts as none.
    if "HTTP_RANGE" in environ and environ["HTTP_RANGE"].partition("=")[0].strip().lower() != "bytes":
        environ = {name: value for name, value in environ.items() if name != "HTTP_RANGE"}
    response = werkzeug_utils.send_file(
        path_or_file,
        environ,
        mimetype=mimetype,
        as_attachment=as_attachment,
        download_name=download_name,
        conditional=conditional,
        etag=etag,
        last_modified=last_modified,
        max_age=max_age,
        response_class=context.app.response_class,
        _root_path=context.app.root_path,
    )
    return cast("Response", response)


def send_from_directory(
    directory: str | os.PathLike[str], path: str, follow_symlinks: bool = False, **options: Any
) -> Response:
    """Send the file *path*, which a client may have chosen, from below *directory*; options as in :func:`send_file`.

    404 for what is not a plain file there: a folder, a pipe, a way out of *directory* by dots, by an absolute
    path, by a drive or stream name of Windows, or by a symbolic link (unless *follow_symlinks*)::

        @app.route("/downloads/<path:name>")
        def download(name):
            return send_from_directory("downloads", name, as_attachment=True)
    """
    root = os.path.join(current_context().app.root_path, directory)
    return send_file(_file_below(root, path, follow_symlinks), **options)


def _file_below(root: str, path: str, follow_symlinks: bool) -> str:
    """The name of the plain file *path* below the folder *root*; NotFound for anything else."""
    if not path or path.endswith("/") or "\0" in path or "\\" in path or ":" in path:
        raise exceptions.NotFound
    name = safe_join(root, path)
    if name is None or not os.path.isfile(name):
        raise exceptions.NotFound
    if not follow_symlinks:
        real_root = os.path.realpath(root)
        if os.path.commonpath((real_root, os.path.realpath(name))) != real_root:
            raise exceptions.NotFound
    return name
