"""A FastCGI client on a raw socket: what a web server says to an app, and what comes back."""

from __future__ import annotations

import socket
from email.parser import Parser
from struct import pack, unpack
from typing import TYPE_CHECKING

from tests.reference.servers import PATIENCE, Answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

__all__ = ["parse_cgi", "request"]

# FastCGI specification 1.0, section 8: types of records
BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


def request(address: str | tuple[str, int], variables: Mapping[str, str], body: bytes = b"") -> Answer:
    """Ask the app that listens on a unix socket or a loopback port; *variables* are those of CGI."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(address)
        pairs = b"".join(_pair(name.encode(), value.encode()) for name, value in variables.items())
        for kind, content in [(BEGIN_REQUEST, pack("!HB5x", 1, 0)), (PARAMS, pairs), (PARAMS, b"")]:
            connection.sendall(_record(kind, content))
        for content in (body, b"") if body else (b"",):
            connection.sendall(_record(STDIN, content))
        output = b""
        with connection.makefile("rb") as stream:
            kind = BEGIN_REQUEST
            while kind != END_REQUEST:
                kind, length, padding = unpack("!xB2xHBx", stream.read(8))
                content = stream.read(length + padding)[:length]
                if kind == STDOUT:
                    output += content
    return parse_cgi(output.decode())


def parse_cgi(output: str) -> Answer:
    """The output of a CGI script as an answer (RFC 3875 section 6: 200 without a Status)."""
    head, _, text = output.replace("\r\n", "\n").partition("\n\n")
    headers: Message = Parser().parsestr(head)
    return Answer(int(headers.get("Status", "200").split()[0]), headers, text)


def _record(kind: int, content: bytes) -> bytes:
    return pack("!BBHHBx", 1, kind, 1, len(content), 0) + content


def _pair(name: bytes, value: bytes) -> bytes:
    return pack("!II", len(name) | 1 << 31, len(value) | 1 << 31) + name + value
