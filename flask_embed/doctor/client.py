"""A client that sends one request over a connection of its own, with the target exactly as it is written.

No client library lets such targets through. Each exchange has a time and a size, so that neither a silent server nor
an endless answer holds the doctor up.
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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from flask_embed.errors import UsageError
from flask_embed.probe import ACTION_HEADER, TOKEN_HEADER, WORD_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer

    from flask_embed.doctor.address import Address

__all__ = ["STALE", "Answer", "Client", "Headers", "Question", "UnreachableError"]

Headers = tuple[tuple[str, str], ...]

#: the problem of an answer that was made for another request
STALE = "an older answer, from a cache"

_HEAD_AND_BODY = 256 * 1024


class UnreachableError(UsageError):
    """The probe does not answer; *kind* is the reason in a word, for scripts.

    ``dns``, ``refused``, ``network``, ``tls``, ``timeout``, ``no-http``, ``front`` (a 5xx of the front), ``not-served``
    (the probe is not there, or has another token), ``elsewhere`` (a redirect), ``log-in`` (a 401 or 403).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Question(NamedTuple):
    """One request of the doctor."""

    name: str
    #: as it is sent
    target: str
    #: what PATH_INFO should be, a WSGI string; None where the request is not for the app
    rest: str | None
    headers: Headers = ()
    #: one element is sent with its length, several as chunks; None for a GET
    body: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """The outcome of one request."""

    #: as it was sent
    target: str
    #: what PATH_INFO should be, a WSGI string
    rest: str = ""
    #: False for a request that is not for the app
    is_below: bool = True
    #: 0 if nothing was answered
    status: int = 0
    #: names in lower case
    headers: Mapping[str, str] = field(default_factory=dict)
    #: the report of the probe, None if something else answered
    report: Mapping[str, Any] | None = None
    #: why there is no report, in words
    problem: str = ""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environ that the probe reports, empty if something else answered."""
        environ: Mapping[str, str] = self.report["environ"] if self.report is not None else {}
        return environ


class Client:
    """A client that asks one address with one token."""

    def __init__(self, address: Address, token: str, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.timeout = timeout
        self._token = token
        self._context = context
        self._addresses: list[Any] = []
        #: the seconds of the slowest answer
        self.slowest = 0.0

    def connect(self, until: float) -> socket.socket:
        """An open connection; :exc:`UnreachableError` if the address cannot be reached."""
        address = self.address
        where = f"{address.host} port {address.port}"
        if not self._addresses:
            self._addresses = _resolved(address, until)
        problem: OSError | None = None
        for family, kind, protocol, _, place in self._addresses:
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

    def open(self, request: Question, until: float, word: str = "") -> tuple[socket.socket, _Reader]:
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
            payload = b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in body) + b"0\r\n\r\n"
        lines = [
            f"{_method(request)} {request.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in given),
            "",
            "",
        ]
        connection = self.connect(until)
        try:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            # A server that refuses the body does not read on: the answer that it has sent counts.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall("\r\n".join(lines).encode("latin-1") + payload)
        except BaseException:
            connection.close()
            raise
        return connection, _Reader(connection, until)

    def ask(self, request: Question) -> Answer:
        """The answer to a request; :exc:`UnreachableError` if the address cannot be reached."""
        began = time.monotonic()
        word, target = secrets.token_hex(8), request.target
        try:
            connection, reader = self.open(request, began + self.timeout, word)
            with contextlib.closing(connection):
                answer = http.client.HTTPResponse(_Source(reader), method=_method(request))  # type: ignore[arg-type]
                with contextlib.closing(answer):
                    answer.begin()
                    # Not all at once: http.client would make room for any Content-Length.
                    text = answer.read(_HEAD_AND_BODY + 1)
                    if answer.length:
                        raise http.client.IncompleteRead(text, answer.length)
        except TimeoutError:
            return Answer(target, problem=f"no whole answer within {self.timeout:g} seconds")
        except _TooLong:
            return Answer(target, problem=f"the answer is longer than {_HEAD_AND_BODY // 1024} KiB")
        except (http.client.HTTPException, ValueError):
            return Answer(target, problem="the answer is malformed HTTP")
        except OSError as error:
            return Answer(target, problem=f"the connection broke: {error.strerror or error}")
        self.slowest = max(self.slowest, time.monotonic() - began)
        found = {name.lower(): value for name, value in reversed(answer.getheaders())}
        is_action = any(name == ACTION_HEADER for name, _ in request.headers)
        report = _report(text, is_action) if answer.status == 200 else None
        if report is not None and report["word"] != word:
            return Answer(target, status=answer.status, headers=found, problem=STALE)
        return Answer(target, status=answer.status, headers=found, report=report)

    def stream(self, verb: str) -> str:
        """The way of a response in two chunks, of which the app makes the second when the first has arrived.

        ``"streamed"``, or ``"whole"`` if the first one arrives only together with the second; else what went wrong.
        """
        name = secrets.token_hex(8)
        began = time.monotonic()
        # A front that holds nothing back takes as long as it took for the other answers, or a little more.
        first = began + min(self.timeout, 1.0 + 5 * self.slowest)
        try:
            connection, reader = self.open(self._action(f"{verb} {name}"), first)
            with contextlib.closing(connection):
                raw = io.BufferedReader(reader, 4096)
                got = b""
                try:
                    while b"first\n" not in got and (data := raw.read1(4096)):
                        got += data
                except TimeoutError:
                    pass
                if b"released\n" in got:
                    return "whole"  # on a slow line: the stream has ended by itself before any of it arrived
                if b"first\n" in got:
                    self._release(name)
                    return "streamed"
                made = self._release(name)
                reader.until = time.monotonic() + self.timeout
                while b"released\n" not in got and (data := raw.read1(4096)):
                    got += data
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
        """Let the stream go on. True if the process of the app that answers had begun it."""
        answer = self.ask(self._action(f"release {name}"))
        return answer.report is not None and answer.report.get("released") is True

    def _action(self, action: str) -> Question:
        return Question(action, f"{self.address.quoted}/stream", None, ((ACTION_HEADER, action),))


class _TooLong(Exception):
    pass


def _method(request: Question) -> str:
    return "GET" if request.body is None else "POST"


class _Reader(io.RawIOBase):
    """The data of a connection, until a point in time and up to a size."""

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
    """A socket, as far as http.client needs one."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, 4096)


def _resolved(address: Address, until: float) -> list[Any]:
    """The results of getaddrinfo. A resolver can take minutes, so a thread waits for it."""
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
        message = f"the certificate of {where} is not trusted: {error.verify_message}"
    except TimeoutError:
        connection.close()
        raise UnreachableError("timeout", f"{where} begins no TLS within {timeout:g} seconds") from None
    except ssl.SSLError as error:
        message = f"no TLS with {where}: {error.reason or error}; if it speaks plain HTTP, write http://"
    except OSError as error:
        message = f"no TLS with {where}: {error.strerror or error}"
    connection.close()
    raise UnreachableError("tls", message)


def _report(text: bytes, is_action: bool) -> dict[str, Any] | None:
    """The report of the probe, None for the answer of anything else, also if it imitates the probe."""
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(report, dict) or report.get("flask_embed_probe") != 1 or not isinstance(report.get("word"), str):
        return None
    if is_action and "released" in report:
        return report
    environ, body = report.get("environ"), report.get("body")
    is_whole = (
        isinstance(environ, dict)
        and all(isinstance(value, str) for value in environ.values())
        and isinstance(body, dict)
        and isinstance(body.get("size"), int)
        and isinstance(body.get("sha256"), str)
        and isinstance(report.get("refused", 0), str | None)
        and isinstance(report.get("input_terminated"), bool)
    )
    return report if is_whole else None
