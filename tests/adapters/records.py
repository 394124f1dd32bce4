"""FastCGI as a web server speaks it, record by record, also wrongly."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from flask_embed.adapters.serving.fcgi_records import encoded_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, VALUES, UNKNOWN = range(1, 12)


def record(kind: int, content: bytes = b"", number: int = 1, padding: int = 0, version: int = 1) -> bytes:
    """One record as a web server writes it."""
    return struct.pack("!BBHHBx", version, kind, number, len(content), padding) + content + b"\xff" * padding


def begin(number: int = 1, role: int = 1, flags: int = 0) -> bytes:
    return record(BEGIN, struct.pack("!HB5x", role, flags), number)


def stream(kind: int, content: bytes, size: int, padding: int = 0) -> bytes:
    """A stream in records of *size*, with its end."""
    pieces = [content[i : i + size] for i in range(0, len(content), size)]
    return b"".join(record(kind, piece, padding=padding) for piece in [*pieces, b""])


def params(**variables: str) -> bytes:
    """The variables, as one stream."""
    return stream(PARAMS, encoded_pairs(variables), 8000)


def asked(
    path: str = "/",
    method: str = "GET",
    body: bytes = b"",
    variables: Mapping[str, str] | None = None,
    *,
    flags: int = 0,
    number: int = 1,
) -> bytes:
    """A whole request."""
    told = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "HTTP_HOST": "good.example"}
    told.update(variables or {})
    told.setdefault("CONTENT_LENGTH", str(len(body)))
    records = begin(number, flags=flags) + params(**told) + stream(STDIN, body, 8000)
    return records if number == 1 else renumbered(records, number)


def renumbered(records: bytes, number: int) -> bytes:
    """The same records for the request of another number."""
    found = b""
    while records:
        version, kind, _, length, padding = struct.unpack_from("!BBHHBx", records)
        found += struct.pack("!BBHHBx", version, kind, number, length, padding) + records[8 : 8 + length + padding]
        records = records[8 + length + padding :]
    return found


def found(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The records in *data*: type, number, content; what is cut off at the end is left out."""
    while len(data) >= 8:
        _, kind, number, length, padding = struct.unpack_from("!BBHHBx", data)
        if len(data) < 8 + length + padding:
            return
        yield kind, number, data[8 : 8 + length]
        data = data[8 + length + padding :]


class Answered(NamedTuple):
    """The answer to one request."""

    status: str
    headers: Mapping[str, str]
    body: bytes


class Peer:
    """A connection as a web server has it."""

    def __init__(self, address: str | tuple[str, int], patience: float = 20) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(patience)
        self.socket.connect(address)
        self.data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send as much as the other side takes."""
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """The bytes that come until the other side closes the connection."""
        data = self.data
        try:
            while part := self.socket.recv(65536):
                data += part
        except ConnectionResetError:
            pass
        return data

    def record(self) -> tuple[int, int, bytes]:
        """The next record."""
        while (record := next(found(self.data), None)) is None:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError("the connection was closed")
            self.data += part
        _, _, _, length, padding = struct.unpack_from("!BBHHBx", self.data)
        self.data = self.data[8 + length + padding :]
        return record

    def answer(self) -> Answered:
        """The whole answer to the request that was sent."""
        output = b""
        while (record := self.record())[0] != END:
            if record[0] == STDOUT:
                output += record[2]
        if record[2] != bytes(8):
            raise AssertionError(f"the request has ended with {record[2]!r}")
        return parsed(output)

    def ask(self, path: str = "/", method: str = "GET", body: bytes = b"", /, **variables: str) -> Answered:
        """Send a request that keeps the connection, and read the answer."""
        self.send(asked(path, method, body, variables, flags=1))
        return self.answer()


def parsed(output: bytes) -> Answered:
    """The output of an app: status, headers and body."""
    head, _, body = output.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")]
    headers = {name.lower(): value for name, _, value in lines}
    return Answered(headers.pop("status", ""), headers, body)
