"""What ``flask-embed doctor`` sends through a front to the probe, and what comes back: nothing is judged here.

A request has a connection of its own and its target goes out as it is written, which no client library lets through.
Each exchange has a time and a size, so that neither a silent server nor an endless answer holds the doctor up.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import secrets
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from flask_embed.environ import escape_controls, readable, url_root_fault
from flask_embed.errors import PrefixError, UsageError
from flask_embed.middleware.prefix import normalize_prefix
from flask_embed.probe import ACTION_HEADER, AUTHORIZATION, TOKEN_HEADER, WORD_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer

__all__ = [
    "BODY",
    "FORGED",
    "STALE",
    "TWINS",
    "Address",
    "Answer",
    "Request",
    "Seen",
    "UnreachableError",
    "ask_all",
    "requests_for",
]

Headers = tuple[tuple[str, str], ...]

#: headers of a client that tries to pass for the front; each value is told from the others
FORGED: Headers = (
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Host", "forged.example"),
    ("X-Forwarded-Port", "4242"),
    ("X-Forwarded-Prefix", "/forged-by-x-forwarded-prefix"),
    ("Script-Name", "/forged-by-script-name"),
    ("X-Script-Name", "/forged-by-x-script-name"),
    ("Proxy", "http://forged.example:3128"),
)
#: the same with underscores, which CGI and WSGI do not tell from dashes (RFC 3875 section 4.1.18)
TWINS: Headers = (
    ("X-Flask-Embed-Twin", "dashes"),
    ("X_Flask_Embed_Twin", "underscores"),
    ("X_Forwarded_For", "203.0.113.8"),
    ("X_Forwarded_Host", "twin.example"),
    ("X_Forwarded_Prefix", "/forged-by-x_forwarded_prefix"),
    ("Script_Name", "/forged-by-script_name"),
    ("X_Script_Name", "/forged-by-x_script_name"),
)
#: bodies are pieces of this
BODY = b"0123456789abcdef" * 64

#: the problem of an answer that was made for another request
STALE = "an older answer, from a cache"

_HEAD_AND_BODY = 256 * 1024


class UnreachableError(UsageError):
    """The probe cannot be asked; *kind* says why in a word, for scripts.

    ``dns``, ``refused``, ``network``, ``tls``, ``timeout``, ``no-http``, ``front`` (a 5xx of the front), ``not-served``
    (the probe is not there, or has another token), ``elsewhere`` (a redirect), ``log-in`` (a 401 or 403).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Address(NamedTuple):
    """A public address: where to connect, and the prefix that the app is to have there."""

    scheme: str
    #: without brackets
    host: str
    port: int
    #: as it stands in a Host header: without the port that the scheme stands for
    netloc: str
    #: ``""`` or ``/a/b``, a WSGI string
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """From ``http://example.com:8000/shop``; :exc:`~flask_embed.errors.UsageError` for what is none."""
        try:
            parts = urlsplit(url)
            port = parts.port
            host = parts.hostname or ""
        except ValueError as error:
            raise UsageError(f"{url!r} is no URL: {escape_controls(str(error))}") from None
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"{url!r} is no address of a site; write it whole: http://example.com/yourapplication")
        if "@" in parts.netloc:
            raise UsageError("the URL holds a user or password; write it without: http://example.com/yourapplication")
        if parts.query or parts.fragment:
            raise UsageError(f"{url!r} goes on behind the path; leave out what begins with '?' or '#'")
        if port == 0:
            raise UsageError(f"{url!r} has port 0, at which nobody listens")
        try:
            name = host if host.isascii() else host.encode("idna").decode("ascii")
        except UnicodeError:
            raise UsageError(f"{url!r} has a host that DNS has no form for") from None
        bracketed = f"[{name}]" if ":" in name else name
        default = 443 if parts.scheme == "https" else 80
        netloc = bracketed if port in (None, default) else f"{bracketed}:{port}"
        if url_root_fault(netloc, "") is not None:
            raise UsageError(f"{url!r} has the host {host!r}, which is none")
        try:
            prefix = normalize_prefix(unquote(parts.path, errors="strict"))
        except (PrefixError, UnicodeError) as error:
            raise UsageError(f"{url!r} cannot be where an app is: {error}") from None
        return cls(parts.scheme, name, port or default, netloc, prefix)

    @property
    def url(self) -> str:
        """As it is typed, without a slash at the end."""
        return f"{self.scheme}://{self.netloc}{self.quoted}"

    @property
    def quoted(self) -> str:
        """The prefix as it stands in a request."""
        return quote(self.prefix.encode("latin-1"), safe="/!$&'()*+,:;=@~")


class Request(NamedTuple):
    """One request of the doctor."""

    name: str
    #: as it is sent
    target: str
    #: what PATH_INFO should be, a WSGI string; None where the request is not for the app
    rest: str | None
    headers: Headers = ()
    #: in one piece with a length, in several in chunks; None for a GET
    body: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """What came of one request."""

    #: as it was sent
    target: str
    #: what PATH_INFO should be, a WSGI string
    rest: str = ""
    #: False for a request that is not for the app
    is_below: bool = True
    #: 0 if there was none
    status: int = 0
    #: names in lower case
    headers: Mapping[str, str] = field(default_factory=dict)
    #: what the probe told, None if it was not the probe who answered
    told: Mapping[str, Any] | None = None
    #: why there was none, in words
    problem: str = ""

    @property
    def environ(self) -> Mapping[str, str]:
        """What the probe told of the environ, empty if it did not answer."""
        environ: Mapping[str, str] = self.told["environ"] if self.told is not None else {}
        return environ


@dataclass(frozen=True)
class Seen:
    """All that the doctor has seen: what the checks judge."""

    address: Address
    #: by the names of the requests: path, slash, bare, border, outside, text, encoded, doubled, forged, twins,
    #: authorization, body, chunked
    answers: Mapping[str, Answer]
    #: ``stream`` and ``unbuffered``: "pieces", "whole", or what else happened
    streams: Mapping[str, str] = field(default_factory=dict)


class _TooLong(Exception):
    pass


def _method(request: Request) -> str:
    return "GET" if request.body is None else "POST"


class _Reader(io.RawIOBase):
    """What comes over a connection until a point in time and up to a size."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self.until = until
        self._left = _HEAD_AND_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise _TooLong
        self._connection.settimeout(left)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


class _Source:
    """What http.client takes for a socket."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, 4096)


class Client:
    """Asks one address with one token."""

    def __init__(self, address: Address, token: str, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.timeout = timeout
        self._token = token
        self._context = context
        self._places: list[Any] = []
        #: how long the slowest answer has taken
        self.slowest = 0.0

    def connect(self, until: float) -> socket.socket:
        """A connection; :exc:`UnreachableError` says why there is none."""
        address = self.address
        where = f"{address.host} port {address.port}"
        if not self._places:
            self._places = _resolved(address, until)
        problem: OSError | None = None
        for family, kind, protocol, _, place in self._places:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(max(until - time.monotonic(), 0.001))
                connection.connect(place)
            except OSError as error:
                connection.close()
                problem = error
                continue
            if self._context is None:
                return connection
            return _secured(connection, self._context, address, self.timeout)
        if isinstance(problem, ConnectionRefusedError):
            raise UnreachableError("refused", f"connection refused: nothing listens at {where}")
        if isinstance(problem, TimeoutError):
            raise UnreachableError("timeout", f"no connection to {where} within {self.timeout:g} seconds")
        raise UnreachableError(
            "network", f"no way to {where}: {problem.strerror or problem if problem else 'no address'}"
        )

    def open(self, request: Request, until: float, word: str = "") -> tuple[socket.socket, _Reader]:
        """Send a request; the caller closes the connection."""
        given: list[tuple[str, str]] = [
            ("Host", self.address.netloc),
            ("User-Agent", "flask-embed-doctor"),
            ("Accept", "*/*"),
            ("Connection", "close"),
            (TOKEN_HEADER, self._token),
            *([(WORD_HEADER, word)] if word else []),
            *request.headers,
        ]
        body, payload = request.body, b""
        if body is not None and len(body) == 1:
            given.append(("Content-Length", str(len(body[0]))))
            payload = body[0]
        elif body is not None:
            given.append(("Transfer-Encoding", "chunked"))
            payload = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in body) + b"0\r\n\r\n"
        lines = [
            f"{_method(request)} {request.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in given),
            "",
            "",
        ]
        connection = self.connect(until)
        try:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            # Who has refused the body does not read on: what it says then counts.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall("\r\n".join(lines).encode("latin-1") + payload)
        except BaseException:
            connection.close()
            raise
        return connection, _Reader(connection, until)

    def ask(self, request: Request) -> Answer:
        """Send a request and read what is answered; :exc:`UnreachableError` if there is no connection."""
        began = time.monotonic()
        word, target = secrets.token_hex(8), request.target
        try:
            connection, reader = self.open(request, began + self.timeout, word)
            with contextlib.closing(connection):
                answer = http.client.HTTPResponse(_Source(reader), method=_method(request))  # type: ignore[arg-type]
                with contextlib.closing(answer):
                    answer.begin()
                    # No more at once: http.client would make room for whatever length it is told.
                    text = answer.read(_HEAD_AND_BODY + 1)
                    if answer.length:
                        raise http.client.IncompleteRead(text, answer.length)
        except TimeoutError:
            return Answer(target, problem=f"no whole answer within {self.timeout:g} seconds")
        except _TooLong:
            return Answer(target, problem=f"the answer is longer than {_HEAD_AND_BODY // 1024} KiB")
        except (http.client.HTTPException, ValueError):
            return Answer(target, problem="what comes is no answer in HTTP")
        except OSError as error:
            return Answer(target, problem=f"the connection broke: {error.strerror or error}")
        self.slowest = max(self.slowest, time.monotonic() - began)
        found = {name.lower(): value for name, value in reversed(answer.getheaders())}
        is_action = any(name == ACTION_HEADER for name, _ in request.headers)
        told = _told(text, is_action) if answer.status == 200 else None
        if told is not None and told["word"] != word:
            return Answer(target, status=answer.status, headers=found, problem=STALE)
        return Answer(target, status=answer.status, headers=found, told=told)

    def stream(self, verb: str) -> str:
        """How an answer in two pieces comes, of which the second is made when the first has arrived.

        ``"pieces"``, or ``"whole"`` if the first one was made and comes only when the second is; else what went wrong.
        """
        name = secrets.token_hex(8)
        began = time.monotonic()
        # A front that does not hold pieces back takes as long as it took for the other answers, or a little more.
        first = began + min(self.timeout, 1.0 + 5 * self.slowest)
        try:
            connection, reader = self.open(self._action(f"{verb} {name}"), first)
            with contextlib.closing(connection):
                raw = io.BufferedReader(reader, 4096)
                got = b""
                try:
                    while b"first\n" not in got and (piece := raw.read1(4096)):
                        got += piece
                except TimeoutError:
                    pass
                if b"released\n" in got:
                    return "whole"  # on a slow line: the stream has ended by itself before its first piece came
                if b"first\n" in got:
                    self._release(name)
                    return "pieces"
                made = self._release(name)
                reader.until = time.monotonic() + self.timeout
                while b"released\n" not in got and (piece := raw.read1(4096)):
                    got += piece
        except TimeoutError:
            return f"no whole answer within {self.timeout:g} seconds"
        except _TooLong:
            return "the answer is too long"
        except OSError as error:
            return f"the connection broke: {error.strerror or error}"
        if b"first\n" in got and (made or b"released\n" in got):
            return "whole"
        status = got.split(b"\r\n", 1)[0].decode("latin-1")[:60]
        return f"answered with {status!r}" if status else "no answer"

    def _release(self, name: str) -> bool:
        """Let the stream go on; whether the app had begun it, as far as this process of it knows."""
        answer = self.ask(self._action(f"release {name}"))
        return answer.told is not None and answer.told.get("released") is True

    def _action(self, action: str) -> Request:
        return Request(action, f"{self.address.quoted}/stream", None, ((ACTION_HEADER, action),))


def requests_for(address: Address) -> list[Request]:
    """What is asked, in this order: the first three are those of which one has to be answered by the probe."""
    base = address.quoted
    hello, rest = f"{base}/hello/there", "/hello/there"
    other = "http" if address.scheme == "https" else "https"
    below = [Request("bare", base, "")] if base else []
    beside = [Request("border", f"{base}foo", None), Request("outside", "/", None)] if base else []
    return [
        Request("path", hello, rest),
        Request("slash", f"{base}/", "/"),
        *below,
        *beside,
        Request("text", f"{base}/%2541-%C3%BC?x=%26", "/%41-\xc3\xbc"),
        Request("encoded", f"{base}/hello%20w%2Forld", "/hello w/orld"),
        Request("doubled", f"{base}//double//slash", "//double//slash"),
        Request("forged", hello, rest, (*FORGED, ("X-Forwarded-Proto", other))),
        Request("twins", hello, rest, (*TWINS, ("X_Forwarded_Proto", other))),
        Request("authorization", hello, rest, (("Authorization", AUTHORIZATION),)),
        Request("body", hello, rest, (), (BODY,)),
        Request("chunked", hello, rest, (), (BODY[:512], BODY[512:])),
    ]


def ask_all(address: Address, token: str, timeout: float = 10.0) -> Seen:
    """Send every request of the doctor, each with *timeout* seconds; no more once two had no answer.

    :exc:`UnreachableError` if the probe answers none of the plain ones.
    """
    context = ssl.create_default_context() if address.scheme == "https" else None
    client = Client(address, token, timeout, context)
    answers: dict[str, Answer] = {}
    silent = 0
    for request in requests_for(address):
        if silent >= 2:
            answer = Answer(request.target, problem="not asked, since two others had no answer")
        else:
            try:
                answer = client.ask(request)
            except UnreachableError as error:
                if not answers:
                    raise
                answer = Answer(request.target, problem=str(error))
            silent += not answer.status
        answers[request.name] = replace(answer, rest=request.rest or "", is_below=request.rest is not None)
        if not answers["path"].status:
            raise _unreachable(address, answers["path"])
        if request.name not in ("path", "slash", "bare") and not any(found.told for found in answers.values()):
            raise _unreachable(address, answers["path"])
    streams: dict[str, str] = {}
    for verb in ("stream", "unbuffered"):
        if streams.get("stream") != "pieces" and silent < 2:
            try:
                streams[verb] = client.stream(verb)
            except UnreachableError as error:
                streams[verb] = str(error)
    return Seen(address, answers, streams)


def _unreachable(address: Address, answer: Answer) -> UnreachableError:
    """Why the probe does not answer, from what came instead."""
    status, url = answer.status, address.url
    server = f" ({readable(answer.headers['server'][:60])})" if "server" in answer.headers else ""
    if not status:
        kind = "timeout" if "within" in answer.problem else "no-http"
        return UnreachableError(kind, f"{address.host} port {address.port} takes the connection, but: {answer.problem}")
    if answer.problem:
        return UnreachableError("not-served", f"{url} answers from a cache; let the front keep no answers there")
    if status in (301, 302, 303, 307, 308):
        there = answer.headers.get("location", "")[:200].removesuffix("/hello/there")
        return UnreachableError("elsewhere", f"{url} answers {status} and leads to {there!r}: ask that address")
    if status in (401, 403):
        return UnreachableError(
            "log-in", f"{url} answers {status}: the front{server} lets nobody in there; open it for this machine"
        )
    if status in (500, 502, 503, 504):
        return UnreachableError(
            "front",
            f"{url} answers {status}: the front{server} is there, but has no answer from the probe; start "
            "flask_embed.probe:app where the front looks for the app, and see its error log",
        )
    if status == 400 and address.scheme == "http":
        return UnreachableError("no-http", f"{url} answers 400{server}: if it is a port for TLS, write https://")
    if status == 404:
        return UnreachableError(
            "not-served",
            f"{url} answers 404{server}: flask_embed.probe:app is not served there, or has another token in "
            "FLASK_EMBED_PROBE_TOKEN than this command",
        )
    return UnreachableError("not-served", f"{url} answers {status}{server}, and it is not flask_embed.probe:app")


def _resolved(address: Address, until: float) -> list[Any]:
    """The places behind the name. A resolver can take minutes, so it is asked on the side."""
    found: list[Any] = []
    problems: list[OSError] = []

    def resolve() -> None:
        try:
            found.extend(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
        except OSError as error:
            problems.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(max(until - time.monotonic(), 0.001))
    if found:
        return found
    why = problems[0].strerror if problems else "the name server does not answer"
    raise UnreachableError("dns", f"there is no address for the name {address.host!r}: {why}")


def _secured(connection: socket.socket, context: ssl.SSLContext, address: Address, timeout: float) -> socket.socket:
    where = f"{address.host} port {address.port}"
    try:
        return context.wrap_socket(connection, server_hostname=address.host)
    except ssl.SSLCertVerificationError as error:
        message = f"the certificate of {where} does not count: {error.verify_message}"
    except TimeoutError:
        connection.close()
        raise UnreachableError("timeout", f"{where} begins no TLS within {timeout:g} seconds") from None
    except ssl.SSLError as error:
        message = f"no TLS with {where}: {error.reason or error}; if it speaks plain HTTP, write http://"
    except OSError as error:
        message = f"no TLS with {where}: {error.strerror or error}"
    connection.close()
    raise UnreachableError("tls", message)


def _told(text: bytes, is_action: bool) -> dict[str, Any] | None:
    """What the probe has told, None if it was somebody else, or somebody who only plays it."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("flask_embed_probe") != 1 or not isinstance(told.get("word"), str):
        return None
    if is_action and "released" in told:
        return told
    environ, body = told.get("environ"), told.get("body")
    is_whole = (
        isinstance(environ, dict)
        and all(isinstance(value, str) for value in environ.values())
        and isinstance(body, dict)
        and isinstance(body.get("size"), int)
        and isinstance(body.get("sha256"), str)
        and isinstance(told.get("refused", 0), str | None)
        and isinstance(told.get("input_terminated"), bool)
    )
    return told if is_whole else None
