"""The request and the response: werkzeug's, building only what is asked for, refusing what no header may hold."""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from werkzeug.datastructures import EnvironHeaders, Headers, IfRange, ImmutableMultiDict, MIMEAccept
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_accept_header, parse_date, parse_if_range_header, remove_entity_headers
from werkzeug.sansio.utils import get_current_url
from werkzeug.urls import iri_to_uri
from werkzeug.utils import cached_property, get_content_type
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse
from werkzeug.wsgi import LimitedStream

from flask_embed.environ import request_host
from flask_embed.grammar import FIELD_VALUE, STATUS_LINE, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, timedelta
    from http import HTTPStatus
    from typing import IO, Self

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from werkzeug.datastructures import MultiDict
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import Rule

    from flask_embed.app import Flask

__all__ = ["Request", "Response"]

#: what a cookie's Domain can be, without the dot in front (RFC 6265 section 4.1.2.3), and its Path (before
#: letters beyond ASCII are percent-encoded): neither has a blank
_COOKIE_DOMAIN = re.compile(r"[A-Za-z0-9._-]*")
_COOKIE_PATH = re.compile(r"[^\x00-\x20;\x7f\s]*")
#: RFC 6265 section 4.1.1, av-octet: what the value of a cookie's option can be
_COOKIE_OPTION = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
#: the control characters of a cookie's value for which werkzeug (3.1.9) writes no octal number
_LEFT_BARE = re.compile(r"[\x1a-\x1f]")
#: a cookie (RFC 6265 section 4.2.1), with blanks wherever browsers take them. Nothing is given back (``+``): a run of
#: blanks would be split between two places in every way, which takes the square of its length.
_COOKIE = re.compile(
    r"""[ \t]*+ ([^ \t=";]++) (?:[ \t]*+ = [ \t]*+ ("(?:[^\\"]|\\.)*+" | [^ \t";]*+))?+ [ \t]*+ (?:;|\Z)""",
    re.ASCII | re.VERBOSE,
)
_ESCAPED = re.compile(rb"\\([0-3][0-7]{2}|.)")
_BLANKS = re.compile(r"[ \t]++")
#: RFC 2046 section 5.1.1: a boundary has no more characters
_LONGEST_BOUNDARY = 70
#: what stays as it is in a query string
_ASCII = "".join(map(chr, range(128)))
#: paths and queries that iri_to_uri() returns as they are, as most are that a view redirects to
_URI = re.compile(r"/(?!/)[\w.~!$&'()*+,;=:@%/-]*(?:\?[\w.~!$&'()*+,;=:@%/?-]+)?", re.ASCII)
#: the headers whose values are URLs
_URLS = frozenset({"location", "content-location"})


class _Bounded(LimitedStream):
    """A stream that ends by itself, of which at most *most* bytes are read; more is a 413."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        super().__init__(stream, most + 1, is_max=True)
        self._left = most

    def readinto(self, b: Any) -> int | None:
        size = super().readinto(b)
        self._left -= size or 0
        if self._left < 0:
            raise RequestEntityTooLarge
        return size


class _BoundedJson(_Bounded):
    """JSON of which at most *most* bytes are read, with one list or object for each five of them; more is a 413.

    An empty list takes two bytes and becomes about ninety. Brackets within strings count as well.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        super().__init__(stream, most)
        self._containers_left = most // 5

    def readinto(self, b: Any) -> int | None:
        size = super().readinto(b)
        self._containers_left -= _containers(bytes(b[:size]))
        if self._containers_left < 0:
            raise RequestEntityTooLarge
        return size


def _containers(data: bytes) -> int:
    """How many lists and objects JSON can hold at most."""
    return data.count(b"[") + data.count(b"{")


class _Pieces:
    """A multipart body in pieces that werkzeug's parser reads right, and always the same ones.

    Of a piece that ends within a border, behind ``--boundary``, the parser (3.1.9) takes the line break before it for
    content. So whatever may be a border goes into one piece, and how a body was cut on its way counts no more.
    """

    def __init__(self, stream: IO[bytes], boundary: str, most: int | None) -> None:
        self._stream = stream
        self._headers = _PartHeaders(boundary, most)
        self._border = b"--" + boundary.encode("ascii", "replace")
        #: the parser refuses a piece beyond what a field may have, also of a file
        self._most = None if most is None else max(most // 2, 1)
        #: what belongs to the next piece
        self._held = b""

    def read(self, size: int) -> bytes:
        """About *size* bytes; none at the end."""
        left = size if self._most is None else min(size, self._most)
        parts = [self._held]
        left -= len(self._held)
        while left > 0 and (part := self._stream.read(left)):
            parts.append(part)
            left -= len(part)
        data = b"".join(parts)
        end = len(data) if left > 0 else self._end(data)
        self._held = data[end:]
        data = data[:end]
        self._headers.count(data)
        return data

    def _end(self, data: bytes) -> int:
        """How much of *data* can be a piece: what is before the line at its end, if that may be a border."""
        begin = max(data.rfind(b"\n"), data.rfind(b"\r"))
        line = data[begin + 1 :]
        if not (line.startswith(self._border) or self._border.startswith(line)):
            return len(data)
        begin -= data[begin - 1 : begin + 1] == b"\r\n"
        return begin if begin > 0 else len(data)  # what is longer than a piece is no border


class _PartHeaders:
    """Counts the headers of a multipart body: 16 KB for a part, and for all of them what a field may have.

    They are parsed and kept as text whole. Borders and blank lines are what they are to werkzeug's parser (3.1.9).
    """

    _MOST = 16 * 1024
    _END = re.compile(rb"\r\n\r\n|\r\r|\n\n")

    def __init__(self, boundary: str, most: int | None) -> None:
        border = b"--%s[^\\S\n\r]*(?:\r\n|\n|\r)" % re.escape(boundary.encode("ascii", "replace"))
        #: what the headers of the next part begin behind; the first border may follow anything
        self._begin = re.compile(border)
        self._next_begin = re.compile(rb"(?<=[\r\n])" + border)
        #: a border that has begun is at most as long, or comes with the next piece
        self._longest = len(boundary) + 8
        #: bytes that the headers of all parts may still have
        self._left = most
        #: bytes that the headers of this part have so far, None within its content
        self._size: int | None = None
        #: the end of the pieces before, where in it the search goes on, and up to where headers were counted
        self._data = b""
        self._position = self._counted = 0

    def count(self, piece: bytes) -> None:
        """Take the next piece; 413 for headers that are too long."""
        data = self._data + piece
        while True:
            if self._size is None:
                match = self._begin.search(data, self._position)
                if match is None:
                    break
                self._begin = self._next_begin
                self._size, self._counted = 0, match.end()
            else:
                match = self._END.search(data, self._position)
                self._add(len(data) if match is None else match.end())
                if match is None:
                    break
                self._size = None
            self._position = match.end()
        kept = max(self._position, len(data) - self._longest, 1) - 1  # a border has a line break before it
        self._data = data[kept:]
        self._position = max(self._position - kept, 1)
        self._counted -= kept

    def _add(self, end: int) -> None:
        """Count the headers up to here."""
        size = end - self._counted
        self._counted = end
        self._size = (self._size or 0) + size
        if self._left is not None:
            self._left -= size
        if self._size > self._MOST or (self._left is not None and self._left < 0):
            raise RequestEntityTooLarge


class _FormParser(FormDataParser):
    """werkzeug's parser, counting the fields of every form, and given multipart forms in :class:`_Pieces`.

    It reads an urlencoded form whole (3.1.9), and each ``%41`` of that costs some hundred bytes: so what it may have is
    counted while it is read.
    """

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        if mimetype == "multipart/form-data" and options is not None:
            if len(options.get("boundary", "")) > _LONGEST_BOUNDARY:
                # A boundary is compiled into regular expressions, which stay in the cache of re.
                raise BadRequest("The boundary of the form is too long.")
            pieces = cast("IO[bytes]", _Pieces(stream, options.get("boundary", ""), self.max_form_memory_size))
            return (stream, *super().parse(pieces, mimetype, content_length, options)[1:])
        if mimetype == "application/x-www-form-urlencoded":
            most = self.max_form_memory_size
            if most is not None and (content_length or 0) > most:
                raise RequestEntityTooLarge
            content = stream.read() if most is None else _Bounded(stream, most).read()
            if self.max_form_parts is not None and content.count(b"&") >= self.max_form_parts:
                raise RequestEntityTooLarge
            return (stream, *super().parse(BytesIO(content), mimetype, content_length, options)[1:])
        return super().parse(stream, mimetype, content_length, options)


class _Json:
    """What a request reads JSON with: nesting too deep for Python is broken JSON (400), as any other."""

    dumps = staticmethod(json.dumps)

    @staticmethod
    def loads(content: str | bytes, **options: Any) -> Any:
        try:
            return json.loads(content, **options)
        except RecursionError:
            raise ValueError("the JSON is nested too deep") from None


if TYPE_CHECKING:
    _Late = cached_property
else:

    class _Late:
        """An attribute that a method makes when it is first asked for. It can be set, and then is that.

        Unlike werkzeug's it is in nobody's way the second time: the value stands in the request itself.
        """

        def __init__(self, make: Callable[[Any], Any]) -> None:
            self._make = make
            self._name = make.__name__
            self.__doc__ = make.__doc__

        def __get__(self, request: Any, owner: type) -> Any:
            if request is None:
                return self
            value = request.__dict__[self._name] = self._make(request)
            return value


def _decoded(value: str) -> str:
    """A WSGI string as text; what is no UTF-8 in it is replaced."""
    return value if value.isascii() else value.encode("latin-1", "replace").decode("utf-8", "replace")


def _cookies(header: str) -> list[tuple[str, str]]:
    """The names and values of a Cookie header, as werkzeug (3.1.9) reads them, in time that grows with its length."""
    found: list[tuple[str, str]] = []
    position = 0
    while header:
        match = _COOKIE.match(header, position)
        if match is None:  # the next one begins behind the next semicolon
            position = header.find(";", position) + 1
            if not position:
                break
            continue
        position = match.end()
        name, value = match.groups("")
        if value.startswith('"'):
            value = _ESCAPED.sub(_unescaped, value[1:-1].encode("utf-8", "replace")).decode("utf-8", "replace")
        found.append((name, value))
    return found


def _date(value: str | None) -> datetime | None:
    """The date of a header; None for one that no calendar has, of which werkzeug (3.1.9) makes an OverflowError."""
    try:
        return parse_date(value)
    except OverflowError:
        return None


def _unescaped(escaped: re.Match[bytes]) -> bytes:
    """The byte that a backslash with an octal number, or with the byte itself, stands for."""
    written = escaped[1]
    return written if len(written) == 1 else bytes([int(written, 8)])


def _url(scheme: str, host: str, *rest: Any) -> str:
    """werkzeug's URL of these parts; a host that is unknown to IDNA of 2003 (``xn--strae-oqa.de``) stays as it is."""
    try:
        return get_current_url(scheme, host, *rest)
    except UnicodeError:  # of Pythons before 3.13, where werkzeug (3.1.9) waits for a UnicodeDecodeError
        return get_current_url(scheme, "host", *rest).replace("//host", f"//{host}", 1)


class Request(WerkzeugRequest):
    """What the client asked for; :data:`flask_embed.request` is the current one.

    Everything of :class:`werkzeug.wrappers.Request`, and what the app matched::

        @app.before_request
        def log_visit():
            app.logger.info("%s by %s", request.endpoint, request.remote_addr)
    """

    #: the endpoint of the rule that matched, None if none did
    endpoint: str | None = None
    #: the values of the rule's variables, None if no rule matched
    view_args: dict[str, Any] | None = None
    #: the rule that matched, None if none did
    url_rule: Rule | None = None
    #: what matching raised, None if a rule matched
    routing_exception: HTTPException | None = None
    json_module: Any = _Json
    form_data_parser_class = _FormParser

    #: the app that got the request, whose limits count; None for a request without one
    app: Flask | None = None
    #: the streams of uploaded files
    _spooled: tuple[IO[bytes], ...] = ()

    def __init__(self, environ: WSGIEnvironment, populate_request: bool = False, shallow: bool = False) -> None:
        # A request that is stored in its own environ would live until the next collection of cycles.
        self.environ = environ
        self.shallow = shallow
        if populate_request and not shallow:
            environ["werkzeug.request"] = self

    # What werkzeug reads from the environ for each request is read here when a view asks for it.

    @_Late
    def method(self) -> str:
        return cast("str", self.environ.get("REQUEST_METHOD", "GET")).upper()

    @_Late
    def scheme(self) -> str:
        return cast("str", self.environ.get("wsgi.url_scheme", "http"))

    @_Late
    def server(self) -> tuple[str, int | None] | None:
        name = self.environ.get("SERVER_NAME")
        if name is None:
            return None
        try:
            return name, int(self.environ["SERVER_PORT"])
        except (LookupError, TypeError, ValueError):
            return name, None  # a unix socket

    @_Late
    def root_path(self) -> str:
        return _decoded(self.environ.get("SCRIPT_NAME") or "").rstrip("/")

    @_Late
    def path(self) -> str:
        path = _decoded(self.environ.get("PATH_INFO") or "")
        return path if path.startswith("/") else f"/{path}"  # slashes are not merged: a view sees what matched a rule

    @_Late
    def query_string(self) -> bytes:
        query: bytes = self.environ.get("QUERY_STRING", "").encode("latin-1")
        # Bytes that a URL has to encode; a client sends what it likes.
        return query if query.isascii() else quote(query, safe=_ASCII).encode()

    @_Late
    def headers(self) -> Headers:
        return EnvironHeaders(self.environ)

    @_Late
    def remote_addr(self) -> str | None:
        return self.environ.get("REMOTE_ADDR")

    @_Late
    def args(self) -> MultiDict[str, str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The values of the query, by name."""
        query: str = self.environ.get("QUERY_STRING", "")
        is_encoded = "%" in query or "+" in query or not query.isascii()
        if is_encoded or "query_string" in self.__dict__ or self.parameter_storage_class is not ImmutableMultiDict:
            return super().args
        values: dict[str, list[str]] = {}
        for pair in query.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                values.setdefault(name, []).append(value)
        args = ImmutableMultiDict.__new__(ImmutableMultiDict)
        dict.update(args, values)  # a MultiDict is a dict of lists, and asks long what else it could be made of
        return args

    @_Late
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies that came with the request, by name."""
        return self.dict_storage_class(_cookies(_decoded(self.environ.get("HTTP_COOKIE", ""))))  # type: ignore[return-value]

    @_Late
    def accept_mimetypes(self) -> MIMEAccept:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The media types that the client accepts, with their qualities.

        Runs of blanks are shortened first: werkzeug's parser (3.1.9) takes the square of their length.
        """
        return parse_accept_header(_BLANKS.sub(" ", self.environ.get("HTTP_ACCEPT", "")), MIMEAccept)

    @_Late
    def date(self) -> datetime | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """When the client has sent the request, None if it says so in no date."""
        return _date(self.environ.get("HTTP_DATE"))

    @_Late
    def if_modified_since(self) -> datetime | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The date of If-Modified-Since, None if that holds none."""
        return _date(self.environ.get("HTTP_IF_MODIFIED_SINCE"))

    @_Late
    def if_unmodified_since(self) -> datetime | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The date of If-Unmodified-Since, None if that holds none."""
        return _date(self.environ.get("HTTP_IF_UNMODIFIED_SINCE"))

    @_Late
    def if_range(self) -> IfRange:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The entity tag or the date of If-Range."""
        try:
            return parse_if_range_header(self.environ.get("HTTP_IF_RANGE"))
        except OverflowError:
            return IfRange()

    if TYPE_CHECKING:
        #: bytes that the body may have; the app's, unless it is set for this request, as the next two
        max_content_length: int | None
        #: fields and files that a form may have
        max_form_parts: int
        #: bytes that an urlencoded form, or a field of a multipart one, may have
        max_form_memory_size: int | None
        #: bytes that JSON may have
        max_json_size: int | None
    else:

        @_Late
        def max_content_length(self):
            return None if self.app is None else self.app.max_content_length

        @_Late
        def max_form_parts(self):
            return 1000 if self.app is None else self.app.max_form_parts

        @_Late
        def max_form_memory_size(self):
            return 500_000 if self.app is None else self.app.max_form_memory_size

        @_Late
        def max_json_size(self):
            return 2 * 1024 * 1024 if self.app is None else self.app.max_json_size

    @cached_property
    def host(self) -> str:
        """``host`` or ``host:port`` that the request was sent to, in lower case, without a default port.

        An app has refused what is no host, or is not in its ``trusted_hosts``, before anything asks for it.
        """
        return request_host(self.environ)

    @cached_property
    def url(self) -> str:
        """The URL that was asked for, as people read it: letters beyond ASCII as they are."""
        return _url(self.scheme, self.host, self.root_path, self.path, self.query_string)

    @cached_property
    def base_url(self) -> str:
        """:attr:`url` without the query."""
        return _url(self.scheme, self.host, self.root_path, self.path)

    @cached_property
    def root_url(self) -> str:
        """The URL that the app is at; also called ``url_root``."""
        return _url(self.scheme, self.host, self.root_path)

    @cached_property
    def host_url(self) -> str:
        """Scheme and host of the URL that was asked for."""
        return _url(self.scheme, self.host)

    @cached_property
    def stream(self) -> IO[bytes]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The body as a stream, never more of it than ``max_content_length``; 413 where a client sends more.

        A server that ends the stream itself (``wsgi.input_terminated``) may pass on a body without a length.
        """
        limit = self.max_content_length
        if not self.shallow and self.environ.get("wsgi.input_terminated"):
            if limit is None:
                limit = sys.maxsize - 1  # what bounds a stream also notices that the client is gone
            elif (self.content_length or 0) > limit:
                raise RequestEntityTooLarge
            return cast("IO[bytes]", _Bounded(self.environ["wsgi.input"], limit))
        return super().stream

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body parsed as JSON: 415 if it is none by its type (unless *force*), 400 if it is broken.

        413 beyond ``max_json_size``, whatever the other arguments are; with *silent* None in place of the other errors.
        With *cache* it is parsed once.
        """
        most = self.max_json_size
        if most is not None and (force or self.is_json):
            if (self.content_length or 0) > most:
                raise RequestEntityTooLarge
            if "stream" not in self.__dict__:
                self.__dict__["stream"] = _BoundedJson(self.stream, most)
            else:  # the body may have been read before, for something else
                data = self.get_data()
                if len(data) > most or _containers(data) > most // 5:
                    raise RequestEntityTooLarge
        return super().get_json(force=force, silent=silent, cache=cache)

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> IO[bytes]:
        stream = super()._get_file_stream(*args, **kwargs)
        self._spooled = (*self._spooled, stream)
        return stream

    def close(self) -> None:
        """Close the uploaded files; those of a form that was refused half-way, too."""
        if "files" in self.__dict__:
            super().close()
        for stream in self._spooled:
            stream.close()


class Response(WerkzeugResponse):
    """What is sent to the client: werkzeug's response, with HTML as the default type.

    The headers are built when they are asked for; a response that nobody touches has its two
    (Content-Type and Content-Length) without that. Whatever a header, its name or the status line must not
    hold (RFC 9110 section 5) is a :exc:`ValueError` when the response is sent, so nothing of it is::

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
        self.direct_passthrough = direct_passthrough
        self._on_close = []
        if status is None:
            status = self.default_status
        if status == 200:
            self._status = "200 OK"
            self._status_code = 200
        elif type(status) is int:
            self._status, self._status_code = _status_of(status)
        else:
            self.status = status
        if content_type is None and mimetype is not None:
            content_type = content_type_of(mimetype)
        #: None is that of :attr:`default_mimetype`
        self._content_type = content_type
        #: whether the body was passed whole, so that its length is known as soon as the headers are
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

    def _own_headers(self) -> list[tuple[str, str]]:
        """What the body says by itself: its type, and its length if it was passed whole."""
        content_type = self._content_type
        if content_type is None:
            content_type = content_type_of(self.default_mimetype)
        headers = [] if content_type is None else [("Content-Type", content_type)]
        if self._sized and self.automatically_set_content_length:
            headers.append(("Content-Length", f"{self._length()}"))
        return headers

    def _length(self) -> int:
        """The bytes of a body that is whole."""
        body = self.response
        if type(body) is list and len(body) == 1 and type(body[0]) is bytes:
            return len(body[0])
        return sum(map(len, self.iter_encoded()))

    data = property(WerkzeugResponse.get_data, set_data, doc="The whole body as bytes; a stream is read for it.")

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

        A *key* that is no token (RFC 6265 section 4.1.1: no space, ``;``, ``=``, not empty) raises ValueError, as
        does an option that would bring another with it, or that no header can hold: a *domain* that is no name, a
        *path* with a blank or a ``;``. A *value* may be any text. Of *max_age* whole seconds count.
        """
        if TOKEN.fullmatch(key) is None:
            raise ValueError(f"the cookie name {key!r} is no token; use letters, digits, '-' and '_'")
        if domain:  # as werkzeug does: letters of other widths become those of ASCII, a ';' among them
            domain = domain.partition(":")[0].lstrip(".").encode("idna").decode("ascii")
        for name, option in (("max_age", max_age), ("expires", expires), ("domain", domain), ("samesite", samesite)):
            if isinstance(option, str) and _COOKIE_OPTION.fullmatch(option) is None:
                raise ValueError(f"the {name} {option!r} of the cookie {key!r} holds what ends it, or is not ASCII")
        if domain and _COOKIE_DOMAIN.fullmatch(domain) is None:
            raise ValueError(f"the domain {domain!r} of the cookie {key!r} is no name; write 'example.com'")
        if path and _COOKIE_PATH.fullmatch(path) is None:
            raise ValueError(f"the path {path!r} of the cookie {key!r} holds a blank, a control character or a ';'")
        if isinstance(max_age, float):
            max_age = int(max_age)
        super().set_cookie(
            key, value, max_age, expires, path, domain, secure, httponly, samesite, partitioned,
        )  # fmt: skip
        if _LEFT_BARE.search(value) is not None:
            cookie = self.headers.pop()[1]
            self.headers.add("Set-Cookie", _LEFT_BARE.sub(lambda control: f"\\{ord(control[0]):03o}", cookie))

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
        forced._on_close = response._on_close
        return forced

    def get_wsgi_response(self, environ: WSGIEnvironment) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """The body, the status line and the headers as they are sent; ValueError for what cannot be sent."""
        is_ours = type(self).get_wsgi_headers is _get_wsgi_headers
        if is_ours and self._headers is None:
            headers = self._untouched_headers()
        elif is_ours and not self.autocorrect_location_header:
            headers = self._sent_headers(self.headers)
        else:
            headers = self.get_wsgi_headers(environ).to_wsgi_list()
            for name, value in headers:
                _check_header(name, value)
        status = self._status
        if status != "200 OK" and STATUS_LINE.fullmatch(status) is None:
            raise ValueError(f"the status {status!r} is no status line; write it as '404 Not Found'")
        return self.get_app_iter(environ), status, headers

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """The headers as they are sent to whoever asks with *environ*; override it to send others."""
        if self.autocorrect_location_header:
            return super().get_wsgi_headers(environ)
        return Headers(self._sent_headers(self.headers))

    def _sent_headers(self, headers: Headers) -> list[tuple[str, str]]:
        """*headers* with URLs as a URL is spelled and with a length, without those that the status has no use for.

        ValueError for what cannot be sent.
        """
        code = self._status_code
        has_length = code < 200 or code in (204, 304)
        sent: list[tuple[str, str]] = []
        urls: dict[str, int] = {}
        for name, value in headers:
            kind = _kind_of(name)
            if kind == "content-length":
                if code < 200 or code == 204:
                    continue
                has_length = True
            elif kind in _URLS:
                uri = value if _URI.fullmatch(value) is not None else iri_to_uri(value)
                _check_value(name, uri)
                if kind in urls:  # there can only be one: the last
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

    def _untouched_headers(self) -> list[tuple[str, str]]:
        """What :attr:`headers` would say and :meth:`_sent_headers` make of it, without building them."""
        content_type = self._content_type
        if content_type is None:
            content_type = content_type_of(self.default_mimetype)
        else:
            _check_header("Content-Type", content_type)
        code = self._status_code
        headers = [] if content_type is None or code == 304 else [("Content-Type", content_type)]
        if self.automatically_set_content_length and (code == 200 or not _has_no_body(code)):
            body = self.response
            if type(body) is list and len(body) == 1 and type(body[0]) is bytes:
                headers.append(("Content-Length", f"{len(body[0])}"))
            elif self.is_sequence:
                headers.append(("Content-Length", f"{self._length()}"))
        return headers

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """The body as the server gets it: a list if it is whole, empty where the method or the status has none."""
        code = self._status_code
        if environ["REQUEST_METHOD"] == "HEAD" or (code != 200 and _has_no_body(code)):
            self.close()
            return []
        if not self._on_close:
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
    """Whether a response with this status has none (RFC 9110 sections 15.2, 15.3.5 and 15.4.5)."""
    return code < 200 or code in (204, 304)


def _headers_of(
    given: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]],
) -> Headers:
    """*given* as Headers; those that it is already are not copied."""
    if isinstance(given, Headers):
        return given
    if type(given) is not list:
        return Headers(given)
    pairs: list[tuple[str, str]] = []
    for name, value in given:
        if not (type(value) is str and value.isascii() and value.isprintable()):
            return Headers(given)
        pairs.append((name, value))
    headers = Headers()
    headers._list = pairs  # as add() would leave it, which looks at each value for a line break
    return headers


def replace_headers(headers: Headers, given: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]]) -> None:
    """Put *given* in the place of the headers of the same names; of a name that is given several times, all."""
    added = Headers(given)
    for name in {name.lower() for name, _ in added}:
        headers.remove(name)
    headers.extend(added)


def _check_header(name: str, value: str) -> None:
    """ValueError for what a header cannot hold."""
    _kind_of(name)
    _check_value(name, value)


@lru_cache(maxsize=256)
def _kind_of(name: str) -> str:
    """The *name* of a header, which knows no case, in lower case; ValueError for what is none."""
    if TOKEN.fullmatch(name) is None:
        raise ValueError(f"the header name {name!r} is no token")
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


@lru_cache(maxsize=256)
def _status_of(code: int) -> tuple[str, int]:
    """The status line of a code, and the code."""
    response = WerkzeugResponse(status=code)
    return response.status, response.status_code


@lru_cache(maxsize=256)
def content_type_of(mimetype: str | None) -> str | None:
    """*mimetype* with the charset that text needs."""
    return None if mimetype is None else get_content_type(mimetype, "utf-8")
