"""The response: werkzeug's, which builds headers when they are asked for and refuses malformed ones when it is sent."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Headers
from werkzeug.http import remove_entity_headers
from werkzeug.urls import iri_to_uri
from werkzeug.utils import get_content_type
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_embed._werkzeug import functions_on_close, headers_of_pairs
from flask_embed.grammar import FIELD_VALUE, STATUS_LINE, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, timedelta
    from http import HTTPStatus
    from typing import Self

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Response", "content_type_of", "replace_headers", "vary_on_cookie"]

#: a cookie's Domain without the dot in front (RFC 6265 section 4.1.2.3), and its Path before letters beyond ASCII are
#: percent-encoded: neither holds a blank
_COOKIE_DOMAIN = re.compile(r"[A-Za-z0-9._-]*")
_COOKIE_PATH = re.compile(r"[^\x00-\x20;\x7f\s]*")
#: RFC 6265 section 4.1.1, av-octet: the value of a cookie's attribute
_COOKIE_OPTION = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
#: the control characters in the value of a cookie that werkzeug (3.1.9) does not write as octal numbers
_UNESCAPED = re.compile(r"[\x1a-\x1f]")
#: paths and queries that iri_to_uri() returns unchanged; most redirects of views lead to one
_URI = re.compile(r"/(?!/)[\w.~!$&'()*+,;=:@%/-]*(?:\?[\w.~!$&'()*+,;=:@%/?-]+)?", re.ASCII)
#: the headers whose values are URLs
_URLS = frozenset({"location", "content-location"})


class Response(WerkzeugResponse):
    """An answer to a request: werkzeug's response, with HTML as the default type.

    The headers are built when they are asked for. A response whose headers nothing touches has two: Content-Type and
    Content-Length. A header name, a value or a status line that RFC 9110 section 5 does not allow is a
    :exc:`ValueError` when the response is sent, before any of it is::

        response = Response("<h1>Hello</h1>", status=201)
        response.set_cookie("seen", "yes")
    """

    default_mimetype = "text/html"

    def __init__(
        self,
        response: Iterable[bytes] | bytes | bytearray | Iterable[str] | str | None = None,
        status: int | str | HTTPStatus | None = None,
        headers: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]] | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        # Not super().__init__(): it builds the headers, which takes longer than all the rest of a short request.
        self.direct_passthrough = direct_passthrough
        self._closing: list[Callable[[], Any]] = []
        if status is None:
            status = self.default_status
        if status == 200:
            self._status_line, self._code = "200 OK", 200
        else:
            self._status_line, self._code = _status_of(status)
        if content_type is None and mimetype is not None:
            content_type = content_type_of(mimetype)
        #: None stands for that of :attr:`default_mimetype`
        self._content_type = content_type
        #: True if the body was passed whole, so that its length is known as soon as the headers are built
        self._sized = True
        if isinstance(response, str):
            self.response = [response.encode()]
        elif isinstance(response, (bytes, bytearray)):
            self.response = [bytes(response)]
        else:
            self.response = [] if response is None else response
            self._sized = False
        self._headers: Headers | None = None
        if headers is not None:
            given = self._headers = _headers_of(headers)
            for name, value in self._own_headers():
                if name != "Content-Type" or self._content_type is not None or name not in given:
                    given[name] = value

    @property
    def status(self) -> str:
        """The status line: ``"404 NOT FOUND"``. A status code or a line can be assigned."""
        return self._status_line

    @status.setter
    def status(self, value: str | int | HTTPStatus) -> None:
        self._status_line, self._code = _status_of(value)

    @property
    def status_code(self) -> int:
        """The status code, a number."""
        return self._code

    @status_code.setter
    def status_code(self, code: int) -> None:
        self.status = code

    @property
    def headers(self) -> Headers:
        """The :class:`~werkzeug.datastructures.Headers`; changes are sent."""
        headers = self._headers
        if headers is None:
            headers = self._headers = _headers_of(self._own_headers())
        return headers

    @headers.setter
    def headers(self, value: Headers) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._headers = value

    def set_data(self, value: bytes | bytearray | str) -> None:
        """Replace the body; text is encoded as UTF-8."""
        self.response = [value.encode() if isinstance(value, str) else bytes(value)]
        self._sized = True
        if self._headers is not None and self.automatically_set_content_length:
            self._headers["Content-Length"] = f"{self._length()}"

    data = property(WerkzeugResponse.get_data, set_data, doc="The whole body as bytes; a stream is read for it.")

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call *func* when the response is closed."""
        self._closing.append(func)
        return func

    def close(self) -> None:
        """Close the body, and call the functions of :meth:`call_on_close`."""
        close = getattr(self.response, "close", None)
        if close is not None:
            close()
        for function in self._closing:
            function()

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: timedelta | int | None = None,
        expires: str | datetime | int | float | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Set a cookie; arguments as in :meth:`werkzeug.wrappers.Response.set_cookie`.

        ValueError for a *key* that is not a token (RFC 6265 section 4.1.1: empty, or with a space, ``;`` or ``=``), and
        for an option that would add another one or that no header can hold: a malformed *domain*, a *path* with a blank
        or a ``;``. A *value* may be any text. A *max_age* is cut to whole seconds.
        """
        if TOKEN.fullmatch(key) is None:
            raise ValueError(f"the cookie name {key!r} is malformed; use letters, digits, '-' and '_'")
        if domain:  # as werkzeug does: full-width letters become ASCII, and so does a full-width ';'
            domain = domain.partition(":")[0].lstrip(".").encode("idna").decode("ascii")
        for name, option in (("max_age", max_age), ("expires", expires), ("domain", domain), ("samesite", samesite)):
            if isinstance(option, str) and _COOKIE_OPTION.fullmatch(option) is None:
                raise ValueError(f"the {name} {option!r} of the cookie {key!r} holds a ';' or is not printable ASCII")
        if domain and _COOKIE_DOMAIN.fullmatch(domain) is None:
            raise ValueError(f"the domain {domain!r} of the cookie {key!r} is malformed; write 'example.com'")
        if path and _COOKIE_PATH.fullmatch(path) is None:
            raise ValueError(f"the path {path!r} of the cookie {key!r} holds a blank, a control character or a ';'")
        if isinstance(max_age, float):
            max_age = int(max_age)
        super().set_cookie(
            key, value, max_age, expires, path, domain, secure, httponly, samesite, partitioned,
        )  # fmt: skip
        if _UNESCAPED.search(value) is not None:
            cookie = self.headers.pop()[1]
            self.headers.add("Set-Cookie", _UNESCAPED.sub(lambda control: f"\\{ord(control[0]):03o}", cookie))

    @classmethod
    def force_type(cls, response: WerkzeugResponse | WSGIApplication, environ: WSGIEnvironment | None = None) -> Self:
        """*response* as an instance of this class; a WSGI app is run with *environ* and buffered."""
        if isinstance(response, cls):
            return response
        if not isinstance(response, WerkzeugResponse):
            if environ is None:
                raise TypeError("a WSGI app becomes a response only with the environ to run it with")
            response = WerkzeugResponse.from_app(response, environ, buffered=True)
        forced = cls(response.response, response.status, direct_passthrough=response.direct_passthrough)
        forced.headers = response.headers
        forced._closing = response._closing if isinstance(response, Response) else functions_on_close(response)
        return forced

    def get_wsgi_response(self, environ: WSGIEnvironment) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """The body, the status line and the headers as they are sent; ValueError for malformed ones."""
        is_ours = type(self).get_wsgi_headers is _get_wsgi_headers
        if is_ours and self._headers is None:
            headers = self._own_headers(is_sent=True)
        elif is_ours and not self.autocorrect_location_header:
            headers = self._sent_headers(self.headers)
        else:
            headers = self.get_wsgi_headers(environ).to_wsgi_list()
            for name, value in headers:
                _check_header(name, value)
        status = self._status_line
        if status != "200 OK" and STATUS_LINE.fullmatch(status) is None:
            raise ValueError(f"the status line {status!r} is malformed; write it as '404 Not Found'")
        return self.get_app_iter(environ), status, headers

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """The headers as they are sent in answer to *environ*; override it to send others."""
        if self.autocorrect_location_header:
            return super().get_wsgi_headers(environ)
        return Headers(self._sent_headers(self.headers))

    def _own_headers(self, *, is_sent: bool = False) -> list[tuple[str, str]]:
        """The headers that :attr:`headers` begins with: Content-Type, and Content-Length of a body passed whole.

        With *is_sent* what :meth:`_sent_headers` makes of them, without the time of building them.
        """
        content_type = self._content_type
        if content_type is None:
            content_type = content_type_of(self.default_mimetype)
        elif is_sent:
            _check_header("Content-Type", content_type)
        code = self._code if is_sent else 200
        headers = [] if content_type is None or code == 304 else [("Content-Type", content_type)]
        if self.automatically_set_content_length and (code == 200 or not _has_no_body(code)):
            body = self.response
            if self._sized and type(body) is list and len(body) == 1 and type(body[0]) is bytes:
                headers.append(("Content-Length", f"{len(body[0])}"))
            elif self.is_sequence if is_sent else self._sized:
                headers.append(("Content-Length", f"{self._length()}"))
        return headers

    def _sent_headers(self, headers: Headers) -> list[tuple[str, str]]:
        """*headers* as they are sent: URLs percent-encoded, Content-Length added where it is known.

        Content-Length is dropped for 1xx and 204, and so are all entity headers for 304. ValueError for a malformed
        name or value.
        """
        code = self._code
        has_length = code < 200 or code in (204, 304)
        sent: list[tuple[str, str]] = []
        urls: dict[str, int] = {}
        for name, value in headers:
            kind = _checked_name(name)
            if kind == "content-length":
                if code < 200 or code == 204:
                    continue
                has_length = True
            elif kind in _URLS:
                uri = value if _URI.fullmatch(value) is not None else iri_to_uri(value)
                _check_value(name, uri)
                if kind in urls:  # only one is sent: the last
                    sent[urls[kind]] = (name, uri)
                    continue
                urls[kind] = len(sent)
                sent.append((name, uri))
                continue
            if not (value.isascii() and value.isprintable()):
                _check_value(name, value)
            sent.append((name, value))
        if code == 304:
            remove_entity_headers(sent)
        elif not has_length and self.automatically_set_content_length and self.is_sequence:
            sent.append(("Content-Length", str(self._length())))
        return sent

    def _length(self) -> int:
        """The bytes of a body that is whole."""
        body = self.response
        if type(body) is list and len(body) == 1 and type(body[0]) is bytes:
            return len(body[0])
        return sum(map(len, self.iter_encoded()))

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """The body for the server: a list if it is whole, empty where the method or the status allows none."""
        code = self._code
        if environ["REQUEST_METHOD"] == "HEAD" or (code != 200 and _has_no_body(code)):
            self.close()
            return []
        if not self._closing:
            body = self.response
            if type(body) is list and len(body) == 1 and type(body[0]) is bytes:
                return body
            if self.is_sequence:
                return list(self.iter_encoded())
        return super().get_app_iter(environ)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send the response: a response is a WSGI app."""
        body, status, headers = self.get_wsgi_response(environ)
        start_response(status, headers)
        return body


_get_wsgi_headers = Response.get_wsgi_headers


def _has_no_body(code: int) -> bool:
    """True if a response with this status code has no body (RFC 9110 sections 15.2, 15.3.5 and 15.4.5)."""
    return code < 200 or code in (204, 304)


def _headers_of(given: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]]) -> Headers:
    """*given* as Headers; an instance of Headers is not copied."""
    if isinstance(given, Headers):
        return given
    if type(given) is not list:
        return Headers(given)
    pairs: list[tuple[str, str]] = []
    for name, value in given:
        if not (type(value) is str and value.isascii() and value.isprintable()):
            return Headers(given)
        pairs.append((name, value))
    return headers_of_pairs(pairs)


def replace_headers(headers: Headers, given: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]]) -> None:
    """Replace the headers of the names in *given*; a name that it holds several times is added as often."""
    added = Headers(given)
    for name in {name.lower() for name, _ in added}:
        headers.remove(name)
    headers.extend(added)


def _check_header(name: str, value: str) -> None:
    """ValueError for a malformed name or value."""
    _checked_name(name)
    _check_value(name, value)


@lru_cache(maxsize=256)
def _checked_name(name: str) -> str:
    """The *name* of a header in lower case; ValueError for a malformed one."""
    if TOKEN.fullmatch(name) is None:
        raise ValueError(f"the header name {name!r} is malformed; use letters, digits and '-'")
    return name.lower()


def _check_value(name: str, value: str) -> None:
    if not (value.isascii() and value.isprintable()) and FIELD_VALUE.fullmatch(value) is None:
        raise ValueError(
            f"the value {value!r} of the header {name!r} cannot be sent: it holds a control character, "
            "or one outside of latin-1 (percent-encode it, RFC 8187)"
        )


def vary_on_cookie(response: WerkzeugResponse) -> None:
    """Have caches keep *response* apart for each value of the Cookie header (RFC 9110 section 12.5.5)."""
    headers = response.headers
    if ("Vary", "Cookie") in headers.to_wsgi_list():
        return
    if headers.getlist("Vary"):
        response.vary.add("Cookie")
    else:
        headers.add("Vary", "Cookie")


@lru_cache(maxsize=256, typed=True)
def _status_of(status: str | int | HTTPStatus) -> tuple[str, int]:
    """The status line and the status code, as werkzeug reads a code or a line."""
    response = WerkzeugResponse()
    response.status = status
    return response.status, response.status_code


@lru_cache(maxsize=256)
def content_type_of(mimetype: str | None) -> str | None:
    """*mimetype* with the charset that text needs."""
    return None if mimetype is None else get_content_type(mimetype, "utf-8")
