"""The ways that a request can take to the app: what sends it, and what reads the answer piece by piece.

A :class:`Way` is open to an app that is served at a prefix, or at the root. Its lines all do the same, whatever lies
behind them: an HTTP connection to a server; or a front of a few lines in this process, which makes of a request what a
web server makes of it (RFC 3875) and hands it to the FastCGI or CGI runner, or to the app itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from select import select
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from flask_embed import config
from flask_embed.adapters.serving.boundary import ClientGone, respond
from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.middleware.prefix import below
from flask_embed.options import Options
from tests.servers.fronts import apache, lighttpd, nginx, open_folder, open_project, spawned_python
from tests.servers.matrix_app import app
from tests.serving import DEADLINE, ROOT, command, environment, serving, unix_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import IO

    Body = bytes | Iterable[bytes]

__all__ = ["APP", "CLIENT", "PREFIX", "STARTS", "WAYS", "Answer", "Broken", "Gate", "HttpLine", "Line", "Reply", "Way"]

APP = "tests.servers.matrix_app:app"
#: where the app is, when it is not at the root
PREFIX = "/yourapplication"
#: the address that requests come from, another one than that of any server
CLIENT = "127.0.0.2"

Headers = list[tuple[str, str]]


class Broken(Exception):
    """The client can see that the answer is not whole."""


class Reply(NamedTuple):
    """An answer that was read to its end."""

    status: int
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of all headers with this name (lower case)."""
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name: str) -> str | None:
        """The one value of a header (lower case), None if it is not there."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"there are {len(values)} headers {name!r}")
        return values[0] if values else None


class Answer:
    """An answer whose head was read."""

    def __init__(self, status: int, headers: Headers, pieces: Iterator[bytes], connection: _Timed | None) -> None:
        self.status = status
        self.headers = headers
        self._pieces = pieces
        self._connection = connection

    def piece(self, within: float = DEADLINE) -> bytes:
        """The next piece of the body as it comes, b"" at its end; :exc:`TimeoutError` or :exc:`Broken`."""
        if self._connection is not None:
            self._connection.settimeout(within)
        return next(self._pieces, b"")

    def reply(self) -> Reply:
        """All of it; :exc:`Broken` if there is not all."""
        return Reply(self.status, self.headers, b"".join(self._pieces))


class _Timed(Protocol):
    def settimeout(self, seconds: float, /) -> None: ...


class Line(Protocol):
    """A connection of a client: one request after the other; closed by whoever opened it."""

    def ask(
        self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: Body = b"", length: int = -1
    ) -> Answer:
        """Send a request and read the head of the answer.

        A body in pieces is sent as it is made: chunked, or with *length*. Target and headers are latin-1. The server
        may have answered before the body is sent.
        """
        ...

    def close(self) -> None:
        """Go away, also in the middle of an answer."""


class Way:
    """A way to the app at *prefix*."""

    def __init__(self, prefix: str, host: str, connect: Callable[[], Line]) -> None:
        #: where the app is, ``""`` for the root
        self.prefix = prefix
        #: what stands in the Host header, with the port
        self.host = host
        #: seconds within which a piece is there that nothing holds back
        self.patience = 10.0
        self._connect = connect

    @contextlib.contextmanager
    def line(self) -> Iterator[Line]:
        """A connection for the length of the block."""
        line = self._connect()
        try:
            yield line
        finally:
            line.close()

    def ask(
        self, method: str, path: str, headers: Sequence[tuple[str, str]] = (), body: Body = b"", length: int = -1
    ) -> Reply:
        """Ask for a path of the app on a connection of its own."""
        with self.line() as line:
            return line.ask(method, self.prefix + path, headers, body, length).reply()

    def get(self, path: str, **headers: str) -> Reply:
        """A GET for a path of the app; an underscore in the name of a header stands for a dash."""
        return self.ask("GET", path, [(name.replace("_", "-"), value) for name, value in headers.items()])


class Gate:
    """A port on which the app tells the test what it does, and waits for the test."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connection: socket.socket | None = None
        #: how often it was opened
        self._opened = 0
        self._lock = threading.Lock()
        #: what the query of a request names
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()

    def connected(self, within: float = DEADLINE) -> socket.socket:
        """The socket that the app has connected; :exc:`TimeoutError` if it does not."""
        if self._connection is None:
            self._listener.settimeout(within)
            self._connection = self._listener.accept()[0]
        self._connection.settimeout(within)
        return self._connection

    def word(self, within: float = DEADLINE) -> str:
        """The next line that the app sends, empty if it has gone; :exc:`TimeoutError` if none comes."""
        connection, word = self.connected(within), b""
        while not word.endswith(b"\n"):
            piece = connection.recv(1)
            if not piece:
                break
            word += piece
        return word.decode().strip()

    def open(self, time: int = 1) -> bool:
        """Let the app go on for the first time, or the second one, if it is there; whether this call did it."""
        with self._lock, contextlib.suppress(OSError):
            if self._opened < time:
                self.connected(1.0).sendall(b"!")
                self._opened = time
                return True
        return False


# HTTP


class HttpLine:
    """A connection to a server that speaks HTTP."""

    def __init__(self, address: tuple[str, int], host: str) -> None:
        self._socket = socket.create_connection(address, DEADLINE, source_address=(CLIENT, 0))
        self._host = host
        self._buffer = b""

    def close(self) -> None:
        self._socket.close()

    def ask(
        self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: Body = b"", length: int = -1
    ) -> Answer:
        given = [("Host", self._host), *headers]
        if isinstance(body, bytes):
            if body or method in ("POST", "PUT", "PATCH"):
                given.append(("Content-Length", str(len(body))))
        elif length >= 0:
            given.append(("Content-Length", str(length)))
        else:
            given.append(("Transfer-Encoding", "chunked"))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given), "", ""]
        self._socket.settimeout(DEADLINE)
        # A server that has refused the body does not read on: what it says then counts.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall("\r\n".join(lines).encode("latin-1"))
            if isinstance(body, bytes):
                self._socket.sendall(body)
            else:
                for part in body:
                    self._socket.sendall(part if length >= 0 else b"%x\r\n%b\r\n" % (len(part), part))
                if length < 0:
                    self._socket.sendall(b"0\r\n\r\n")
        status, answered = self._head()
        return Answer(status, answered, self._body(method, status, answered), self._socket)

    def _head(self) -> tuple[int, Headers]:
        while True:
            first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            version, _, rest = first.partition(" ")
            if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
                raise Broken(f"no status line: {first!r}")
            if rest[0] != "1":
                pairs = [line.partition(":") for line in lines]
                return int(rest[:3]), [(name, value.strip(" \t")) for name, _, value in pairs]

    def _body(self, method: str, status: int, headers: Headers) -> Iterator[bytes]:
        framing = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in (204, 304):
            return
        if framing.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self._until(b"\r\n").partition(b";")[0], 16):
                yield from self._exactly(size)
                self._until(b"\r\n")
            while self._until(b"\r\n"):
                pass  # trailers
        elif "content-length" in framing:
            yield from self._exactly(int(framing["content-length"]))
        else:
            while piece := self._some():
                yield piece

    def _some(self) -> bytes:
        """The bytes that were read or come next, b"" at the end."""
        piece, self._buffer = self._buffer, b""
        if piece:
            return piece
        try:
            return self._socket.recv(256 * 1024)
        except ConnectionResetError:
            raise Broken("the connection was reset") from None

    def _until(self, end: bytes) -> bytes:
        """The bytes before *end*, which is taken too."""
        found = b""
        while end not in found:
            piece = self._some()
            if not piece:
                raise Broken(f"the connection was closed, {found[-80:]!r} came last")
            found += piece
        line, _, self._buffer = found.partition(end)
        return line

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._some()
            if not piece:
                raise Broken(f"the connection was closed {size} bytes too early")
            piece, self._buffer = piece[:size], piece[size:]
            size -= len(piece)
            yield piece


# A front of our own


class _Exchange(Protocol):
    """One request on its way to a runner that is no HTTP server."""

    def write(self, data: bytes) -> None:
        """A part of the body; an OSError if nobody reads it."""

    def end(self) -> None:
        """The body is whole."""

    def settimeout(self, seconds: float, /) -> None:
        """The time that a read may take."""

    def read(self) -> bytes:
        """The next bytes of the answer, b"" at its end; :exc:`Broken` if it is not whole."""
        ...

    def close(self) -> None:
        """Nobody reads any more."""


class FrontLine:
    """A connection to a web server of a few lines, with the app behind it at *prefix*."""

    HOST = "127.0.0.1:8000"

    def __init__(
        self, prefix: str, start: Callable[[Mapping[str, str]], _Exchange], close: Callable[[], None] | None = None
    ) -> None:
        self._prefix = prefix
        self._start = start
        #: closes what all requests share; without it each of them is closed
        self._close = close
        self._exchange: _Exchange | None = None

    def close(self) -> None:
        if self._close is not None:
            self._close()
        elif self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def ask(
        self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: Body = b"", length: int = -1
    ) -> Answer:
        given = [("Host", self.HOST), *headers]
        if not isinstance(body, bytes) and length < 0:
            given.append(("Transfer-Encoding", "chunked"))
            body = b"".join(body)  # as nginx does
        if isinstance(body, bytes):
            length = len(body) if body or method == "POST" else -1
        variables = cgi_variables(self._prefix, method, target, given, length)
        if variables is None:
            return Answer(404, [], iter(()), None)
        if self._close is None:
            self.close()
        self._exchange = exchange = self._start(variables)
        exchange.settimeout(DEADLINE)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in [body] if isinstance(body, bytes) else body:
                exchange.write(part)
            exchange.end()
        status, answered, rest = _cgi_head(exchange)
        return Answer(status, answered, _cgi_body(method, status, answered, rest, exchange), exchange)


def cgi_variables(
    prefix: str, method: str, target: str, headers: Iterable[tuple[str, str]], length: int
) -> dict[str, str] | None:
    """The variables of a web server for a request (RFC 3875 section 4), None if its path is not below *prefix*.

    ``Proxy`` is passed on, as most of them do; headers with an underscore are not, as they do by default.
    """
    path, _, query = target.partition("?")
    rest = below(unquote_to_bytes(path.encode("latin-1")).decode("latin-1"), prefix)
    if rest is None:
        return None
    variables = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "PATH_INFO": rest,
        "QUERY_STRING": query,
        "REMOTE_ADDR": CLIENT,
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "SCRIPT_NAME": prefix,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "tests",
    }
    if length >= 0:
        variables["CONTENT_LENGTH"] = str(length)
    for name, value in headers:
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key != "CONTENT_TYPE":
            key = f"HTTP_{key}"
        variables[key] = f"{variables[key]}, {value}" if key in variables else value
    return variables


def _cgi_head(exchange: _Exchange) -> tuple[int, Headers, bytes]:
    """Status and headers that a CGI script prints (RFC 3875 section 6), and what was read of the body."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = exchange.read()
        if not piece:
            raise Broken(f"the answer has no head: {found[:80]!r}")
        found += piece
    head, _, rest = found.partition(b"\r\n\r\n")
    pairs = [line.partition(":") for line in head.decode("latin-1").split("\r\n")]
    headers = [(name, value.strip()) for name, _, value in pairs]
    status = [value for name, value in headers if name.lower() == "status"]
    return int((status or ["200"])[0][:3]), [pair for pair in headers if pair[0].lower() != "status"], rest


def _cgi_body(method: str, status: int, headers: Headers, rest: bytes, exchange: _Exchange) -> Iterator[bytes]:
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
    sent = 0
    piece = rest or exchange.read()
    while piece:
        sent += len(piece)
        yield piece
        piece = exchange.read()
    if method == "HEAD" or status in (204, 304):
        if sent:
            raise AssertionError(f"{sent} bytes of a body were sent where none may be")
    elif length is not None and sent != length:
        raise Broken(f"{sent} bytes came, {length} were promised")


class _Pipes:
    """The two pipes to what answers one request: a CGI script, or a thread of this process."""

    def __init__(self, into: IO[bytes], out: IO[bytes], whole: Callable[[], bool]) -> None:
        self._into = into
        self._out = out
        #: waits for the end, and tells whether the answer was whole
        self._whole = whole
        self._ended = False
        self._seconds = DEADLINE

    def write(self, data: bytes) -> None:
        self._into.write(data)

    def end(self) -> None:
        self._into.close()

    def settimeout(self, seconds: float, /) -> None:
        self._seconds = seconds

    def read(self) -> bytes:
        if not select([self._out], [], [], self._seconds)[0]:
            raise TimeoutError("nothing came")
        piece = os.read(self._out.fileno(), 256 * 1024)
        if not piece and not self._ended:
            self._ended = True
            if not self._whole():
                raise Broken("the answer was cut")
        return piece

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._into.close()
        self._out.close()
        if not self._ended:
            self._ended = True
            self._whole()


# In this process


class _PipeWriter:
    """Sends a response as a CGI script prints it."""

    def __init__(self, out: int) -> None:
        self._out = open(out, "wb", buffering=0)  # noqa: SIM115 closed with this
        self.is_whole = False

    def close(self) -> None:
        self._out.close()

    def send(self, status: str, headers: Headers, body: bytes) -> None:
        self.start(status, headers)
        if body:
            self.write(body)
        self.end()

    def start(self, status: str, headers: Headers) -> None:
        lines = [f"Status: {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
        self.write("\r\n".join(lines).encode("latin-1"))

    def write(self, data: bytes) -> None:
        try:
            self._out.write(data)
        except BrokenPipeError:
            raise ClientGone from None

    def end(self) -> None:
        self.is_whole = True

    def cut(self) -> None:
        pass


@contextlib.contextmanager
def in_process(prefix: str, folder: Path) -> Iterator[Way]:
    """The app, called as every runner calls it."""
    served = behind_gate(app, Options())

    def start(variables: Mapping[str, str]) -> _Pipes:
        (read_body, write_body), (read_answer, write_answer) = os.pipe(), os.pipe()
        writer = _PipeWriter(write_answer)

        def answer() -> None:
            with open(read_body, "rb") as body, contextlib.closing(writer):
                environ = {
                    **variables,
                    "wsgi.version": (1, 0),
                    "wsgi.url_scheme": "http",
                    "wsgi.input": body,
                    "wsgi.input_terminated": True,
                    "wsgi.errors": sys.stderr,
                    "wsgi.multithread": True,
                    "wsgi.multiprocess": False,
                    "wsgi.run_once": False,
                }
                environ.pop("HTTP_TRANSFER_ENCODING", None)
                respond(served, environ, writer)

        thread = threading.Thread(target=answer)
        thread.start()

        def whole() -> bool:
            thread.join(DEADLINE)
            return writer.is_whole

        return _Pipes(open(write_body, "wb", buffering=0), open(read_answer, "rb", buffering=0), whole)

    yield Way(prefix, FrontLine.HOST, lambda: FrontLine(prefix, start))


# The runners


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _http_way(prefix: str, port: int) -> Way:
    host = f"127.0.0.1:{port}"
    return Way(prefix, host, lambda: HttpLine(("127.0.0.1", port), host))


def _http_runner(name: str) -> Callable[[str, Path], AbstractContextManager[Way]]:
    @contextlib.contextmanager
    def start(prefix: str, folder: Path) -> Iterator[Way]:
        arguments = [APP, "--bind", "127.0.0.1:0", *(["--prefix", prefix] if prefix else [])]
        with serving(name, *arguments) as runner:
            yield _http_way(prefix, runner.port)

    return start


class _FastCgi:
    """A FastCGI connection that is kept from one request to the next."""

    BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7
    RESPONDER, KEEP_CONN = 1, 1

    def __init__(self, path: str) -> None:
        self._socket = unix_socket(path)

    def start(self, variables: Mapping[str, str]) -> _FastCgi:
        """Begin a request; the one before has ended."""
        self._send(self.BEGIN_REQUEST, struct.pack("!HB5x", self.RESPONDER, self.KEEP_CONN))
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in variables.items()]
        long = 1 << 31  # the bit of a length of four bytes
        params = [struct.pack("!II", len(name) | long, len(value) | long) + name + value for name, value in pairs]
        self._send(self.PARAMS, b"".join(params))
        self._send(self.PARAMS, b"")
        return self

    def _send(self, kind: int, content: bytes) -> None:
        for at in range(0, len(content), 0xFFFF) or [0]:
            part = content[at : at + 0xFFFF]
            self._socket.sendall(struct.pack("!BBHHBx", 1, kind, 1, len(part), 0) + part)

    def write(self, data: bytes) -> None:
        if data:
            self._send(self.STDIN, data)

    def end(self) -> None:
        self._send(self.STDIN, b"")

    def settimeout(self, seconds: float, /) -> None:
        self._socket.settimeout(seconds)

    def read(self) -> bytes:
        while True:
            kind, length, padding = struct.unpack("!xB2xHBx", self._exactly(8))
            content = self._exactly(length + padding)[:length]
            if kind == self.STDOUT and content:
                return content
            if kind == self.END_REQUEST:
                if content[:5] != bytes(5):  # FastCGI 1.0 section 5.5: the app's exit status, and REQUEST_COMPLETE
                    raise Broken(f"the request ended with {content.hex()}")
                return b""

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            try:
                piece = self._socket.recv(size - len(found))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Broken("the connection was closed")
            found += piece
        return found

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def _fastcgi(prefix: str, folder: Path) -> Iterator[Way]:
    with serving("fastcgi", APP, "--bind", f"unix:{folder}/app.sock") as runner:

        def connect() -> Line:
            connection = _FastCgi(runner.path)
            return FrontLine(prefix, connection.start, connection.close)

        yield Way(prefix, FrontLine.HOST, connect)


@contextlib.contextmanager
def _cgi(prefix: str, folder: Path) -> Iterator[Way]:
    def start(variables: Mapping[str, str]) -> _Pipes:
        env = environment() | {name: os.fsdecode(value.encode("latin-1")) for name, value in variables.items()}
        process = subprocess.Popen(
            command("cgi", APP), cwd=ROOT, env=env, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        return _Pipes(process.stdin, process.stdout, lambda: process.wait(DEADLINE) == 0)

    yield Way(prefix, FrontLine.HOST, lambda: FrontLine(prefix, start))


# Web servers with the configuration that flask-embed writes


def _configured(
    server: str, via: str, runner: str = "gevent", *, is_tcp: bool = False
) -> Callable[[str, Path], AbstractContextManager[Way]]:
    @contextlib.contextmanager
    def start(prefix: str, _: Path) -> Iterator[Way]:
        with open_folder() as folder, contextlib.ExitStack() as stack:
            deployment = _deployment(server, via, runner, is_tcp, prefix, folder)
            if deployment.script is None:
                for _python, _m, module, *arguments in config.commands(server, deployment):
                    stack.enter_context(serving(module.removeprefix("flask_embed."), *arguments))

            def text(port: int) -> str:
                return config.render(server, dataclasses.replace(deployment, listen=f"127.0.0.1:{port}"))

            if server == "apache":
                started = apache(text, folder, config.modules(deployment))
            else:
                started = {"nginx": nginx, "lighttpd": lighttpd}[server](text, folder)
            yield _http_way(prefix, stack.enter_context(started).port)

    return start


def _deployment(server: str, via: str, runner: str, is_tcp: bool, prefix: str, folder: Path) -> config.Deployment:
    """The arguments of ``flask-embed config``, and the file whose lines the configuration shows."""
    given: dict[str, Any] = {"chdir": str(open_project())}
    if is_tcp:
        given["tcp"] = (f"127.0.0.1:{free_port()}",)
    elif via in ("fastcgi", "http") or (server, via) == ("lighttpd", "spawn"):
        given["socket"] = f"{folder}/app.sock"
    if via in ("spawn", "cgi", "wsgi"):
        given |= {"python": str(spawned_python(folder)), "script": f"{folder}/app.{via}"}
    deployment = config.Deployment(app=APP, prefix=prefix, via=via, runner=runner, max_body="none", **given)
    if deployment.script is not None:
        script = Path(deployment.script)
        script.write_text(config.script(deployment), "utf-8")
        script.chmod(0o755)
    return deployment


#: what starts a way to the app at a prefix, with a folder of its own: the columns of the matrix
STARTS: dict[str, Callable[[str, Path], AbstractContextManager[Way]]] = {
    "in-process": in_process,
    "gevent": _http_runner("gevent"),
    "tornado": _http_runner("tornado"),
    "fastcgi": _fastcgi,
    "cgi": _cgi,
    "nginx, FastCGI over a unix socket": _configured("nginx", "fastcgi"),
    "nginx, FastCGI over TCP": _configured("nginx", "fastcgi", is_tcp=True),
    "nginx, HTTP to gevent": _configured("nginx", "http"),
    "nginx, HTTP to Tornado": _configured("nginx", "http", "tornado", is_tcp=True),
    "lighttpd, FastCGI": _configured("lighttpd", "fastcgi"),
    "lighttpd, FastCGI that it starts": _configured("lighttpd", "spawn"),
    "lighttpd, HTTP to gevent": _configured("lighttpd", "http"),
    "lighttpd, CGI": _configured("lighttpd", "cgi"),
    "Apache, mod_proxy_fcgi": _configured("apache", "fastcgi"),
    "Apache, mod_fcgid": _configured("apache", "spawn"),
    "Apache, mod_proxy_http to gevent": _configured("apache", "http"),
    "Apache, mod_cgid": _configured("apache", "cgi"),
    "Apache, mod_wsgi": _configured("apache", "wsgi"),
}

#: all ways by name: the column of the matrix, what starts it, and where the app is
WAYS = {
    f"{name} at {'a prefix' if prefix else 'the root'}": (name, start, prefix)
    for name, start in STARTS.items()
    for prefix in (PREFIX, "")
}
