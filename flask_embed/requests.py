"""The request: werkzeug's, which makes its attributes when a view reads them, with the limits of the app."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload
from urllib.parse import quote

from werkzeug.datastructures import EnvironHeaders, IfRange, ImmutableMultiDict, MIMEAccept
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_accept_header, parse_date, parse_if_range_header
from werkzeug.sansio.utils import get_current_url
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request as WerkzeugRequest

from flask_embed._werkzeug import multidict_of
from flask_embed.environ import request_host
from flask_embed.forms import BoundedJson, BoundedStream, FormParser, Json, most_containers

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import IO, Self

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers, MultiDict
    from werkzeug.exceptions import HTTPException
    from werkzeug.formparser import FormDataParser
    from werkzeug.routing import Rule

    from flask_embed.app import Flask

__all__ = ["Request", "lazy"]

T = TypeVar("T")

#: a cookie-pair (RFC 6265 section 4.2.1), with blanks wherever browsers accept them. The quantifiers are possessive
#: (``+``): otherwise a run of blanks would be divided between two places in all ways, in the square of its length.
_COOKIE = re.compile(
    r"""[ \t]*+ ([^ \t=";]++) (?:[ \t]*+ = [ \t]*+ ("(?:[^\\"]|\\.)*+" | [^ \t";]*+))?+ [ \t]*+ (?:;|\Z)""",
    re.ASCII | re.VERBOSE,
)
_ESCAPED = re.compile(rb"\\([0-3][0-7]{2}|.)")
_BLANKS = re.compile(r"[ \t]++")
#: the characters of a query string that are not percent-encoded
_ASCII = "".join(map(chr, range(128)))


class lazy(Generic[T]):
    """An attribute that a method makes on first access. It can be assigned, which replaces the value.

    It stores the value in the instance. werkzeug's ``cached_property`` is called on each access; this one is not.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> Self | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance)
        return value

    if TYPE_CHECKING:  # at run time it has none: that is what lets the instance's value win

        def __set__(self, instance: Any, value: T) -> None: ...


def _decoded(value: str) -> str:
    """The text of a WSGI string; bytes that are not UTF-8 are replaced."""
    return value if value.isascii() else value.encode("latin-1", "replace").decode("utf-8", "replace")


def _cookies(header: str) -> list[tuple[str, str]]:
    """The names and values of a Cookie header, as werkzeug (3.1.9) reads them, in time that grows with its length."""
    found: list[tuple[str, str]] = []
    position = 0
    while header:
        match = _COOKIE.match(header, position)
        if match is None:  # malformed: the next one begins behind the next semicolon
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
    """The date of a header; None for a date out of range, for which werkzeug (3.1.9) raises OverflowError."""
    try:
        return parse_date(value)
    except OverflowError:
        return None


def _unescaped(escaped: re.Match[bytes]) -> bytes:
    """The byte of an escape: a backslash with an octal number, or with the byte itself."""
    written = escaped[1]
    return written if len(written) == 1 else bytes([int(written, 8)])


def _url(scheme: str, host: str, *rest: Any) -> str:
    """werkzeug's URL; a host that IDNA of 2003 does not know (``xn--strae-oqa.de``) stays as it is."""
    try:
        return get_current_url(scheme, host, *rest)
    except UnicodeError:  # of Pythons before 3.13; werkzeug (3.1.9) expects a UnicodeDecodeError
        return get_current_url(scheme, "host", *rest).replace("//host", f"//{host}", 1)


class Request(WerkzeugRequest):
    """A request; :data:`flask_embed.request` is the current one.

    All of :class:`werkzeug.wrappers.Request`, and the rule that matched::

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
    #: the error of matching, None if a rule matched
    routing_exception: HTTPException | None = None
    json_module: Any = Json
    form_data_parser_class = FormParser

    #: the app that got the request, which sets its limits; None for a request without one
    app: Flask | None = None
    #: the streams of uploaded files
    _spooled: tuple[IO[bytes], ...] = ()

    def __init__(self, environ: WSGIEnvironment, populate_request: bool = False, shallow: bool = False) -> None:
        # Not super().__init__(): it reads from the environ what most views do not ask for, and by default stores the
        # request in its own environ, a cycle that would live until the next collection.
        self.environ = environ
        self.shallow = shallow
        if populate_request and not shallow:
            environ["werkzeug.request"] = self

    # werkzeug's __init__ reads these for each request; here they are read when a view asks for them.

    @lazy
    def method(self) -> str:
        return cast("str", self.environ.get("REQUEST_METHOD", "GET")).upper()

    @lazy
    def scheme(self) -> str:
        return cast("str", self.environ.get("wsgi.url_scheme", "http"))

    @lazy
    def server(self) -> tuple[str, int | None] | None:
        name = self.environ.get("SERVER_NAME")
        if name is None:
            return None
        try:
            return name, int(self.environ["SERVER_PORT"])
        except (LookupError, TypeError, ValueError):
            return name, None  # a unix socket

    @lazy
    def root_path(self) -> str:
        return _decoded(self.environ.get("SCRIPT_NAME") or "").rstrip("/")

    @lazy
    def path(self) -> str:
        path = _decoded(self.environ.get("PATH_INFO") or "")
        return path if path.startswith("/") else f"/{path}"  # slashes are not merged: a view sees what matched a rule

    @lazy
    def query_string(self) -> bytes:
        query: bytes = self.environ.get("QUERY_STRING", "").encode("latin-1")
        # A client may send bytes that a URL has to encode.
        return query if query.isascii() else quote(query, safe=_ASCII).encode()

    @lazy
    def headers(self) -> Headers:
        return EnvironHeaders(self.environ)

    @lazy
    def remote_addr(self) -> str | None:
        return self.environ.get("REMOTE_ADDR")

    @lazy
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
        return multidict_of(values)

    @lazy
    def cookies(self) -> ImmutableMultiDict[str, str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The cookies that came with the request, by name."""
        return self.dict_storage_class(_cookies(_decoded(self.environ.get("HTTP_COOKIE", ""))))  # type: ignore[return-value]

    @lazy
    def accept_mimetypes(self) -> MIMEAccept:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The media types that the client accepts, with their qualities.

        Runs of blanks are shortened first: werkzeug's parser (3.1.9) takes time in the square of their length.
        """
        return parse_accept_header(_BLANKS.sub(" ", self.environ.get("HTTP_ACCEPT", "")), MIMEAccept)

    @lazy
    def date(self) -> datetime | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The date of the header Date, None if it is missing or malformed."""
        return _date(self.environ.get("HTTP_DATE"))

    @lazy
    def if_modified_since(self) -> datetime | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The date of If-Modified-Since, None if it is missing or malformed."""
        return _date(self.environ.get("HTTP_IF_MODIFIED_SINCE"))

    @lazy
    def if_unmodified_since(self) -> datetime | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The date of If-Unmodified-Since, None if it is missing or malformed."""
        return _date(self.environ.get("HTTP_IF_UNMODIFIED_SINCE"))

    @lazy
    def if_range(self) -> IfRange:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The entity tag or the date of If-Range."""
        try:
            return parse_if_range_header(self.environ.get("HTTP_IF_RANGE"))
        except OverflowError:
            return IfRange()

    # The limits are the app's, unless a view assigns others for this request.

    @lazy
    def max_content_length(self) -> int | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The most bytes of the body, None for no limit."""
        return None if self.app is None else self.app.max_content_length

    @lazy
    def max_form_parts(self) -> int:
        """The most fields and files of a form."""
        return 1000 if self.app is None else self.app.max_form_parts

    @lazy
    def max_form_memory_size(self) -> int | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The most bytes of an urlencoded form, or of a field of a multipart one."""
        return 500_000 if self.app is None else self.app.max_form_memory_size

    @lazy
    def max_json_size(self) -> int | None:
        """The most bytes of JSON."""
        return 2 * 1024 * 1024 if self.app is None else self.app.max_json_size

    @cached_property
    def host(self) -> str:
        """The ``host`` or ``host:port`` that the request was sent to, in lower case, without a default port.

        An app refuses a malformed host, or one outside of its ``trusted_hosts``, before a view can read it.
        """
        return request_host(self.environ)

    @cached_property
    def url(self) -> str:
        """The URL of the request as people read it: letters beyond ASCII as they are."""
        return _url(self.scheme, self.host, self.root_path, self.path, self.query_string)

    @cached_property
    def base_url(self) -> str:
        """:attr:`url` without the query."""
        return _url(self.scheme, self.host, self.root_path, self.path)

    @cached_property
    def root_url(self) -> str:
        """The URL of the app's root; also called ``url_root``."""
        return _url(self.scheme, self.host, self.root_path)

    @cached_property
    def host_url(self) -> str:
        """Scheme and host of :attr:`url`."""
        return _url(self.scheme, self.host)

    @cached_property
    def stream(self) -> IO[bytes]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The body as a stream of at most ``max_content_length`` bytes; more is a 413.

        A server that ends the stream itself (``wsgi.input_terminated``) may pass on a body without a length.
        """
        limit = self.max_content_length
        if not self.shallow and self.environ.get("wsgi.input_terminated"):
            if limit is None:
                limit = sys.maxsize - 1  # a bounded stream also notices that the client has disconnected
            elif (self.content_length or 0) > limit:
                raise RequestEntityTooLarge
            return cast("IO[bytes]", BoundedStream(self.environ["wsgi.input"], limit))
        return super().stream

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body parsed as JSON: 415 if its type is not JSON's (unless *force*), 400 if it is malformed.

        413 beyond ``max_json_size``, whatever the other arguments are; with *silent* None in place of the other errors.
        With *cache* it is parsed once.
        """
        most = self.max_json_size
        if most is not None and (force or self.is_json):
            if (self.content_length or 0) > most:
                raise RequestEntityTooLarge
            if "stream" not in self.__dict__:
                self.__dict__["stream"] = BoundedJson(self.stream, most)
            else:  # the body may have been read before
                data = self.get_data()
                if len(data) > most or most_containers(data) > most // 5:
                    raise RequestEntityTooLarge
        return super().get_json(force=force, silent=silent, cache=cache)

    def make_form_data_parser(self) -> FormDataParser:
        """The parser of this request's form; the streams of the files are kept, to be closed."""
        parser = super().make_form_data_parser()
        make_stream = parser.stream_factory

        def kept(*args: Any, **kwargs: Any) -> IO[bytes]:
            stream = make_stream(*args, **kwargs)
            self._spooled = (*self._spooled, stream)
            return stream

        parser.stream_factory = kept
        return parser

    def close(self) -> None:
        """Close the uploaded files, also those of a form that was refused half-way."""
        if "files" in self.__dict__:
            super().close()
        for stream in self._spooled:
            stream.close()
