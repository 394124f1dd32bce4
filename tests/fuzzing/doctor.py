"""flask_embed/doctor/: every answer of a server is judged, or reported in one line.

An input is the address (one byte), and answers of the server with a byte 1E between two; the last ones are repeated.
"""

from __future__ import annotations

import json

from flask_embed.doctor.address import Address
from flask_embed.probe import AUTHORIZATION
from tests.core.hostile import check_asked
from tests.fuzzing import Target

ADDRESSES = (
    Address.of("http://site.example:8080/shop"),
    Address.of("https://site.example"),
    Address.of("http://[::1]/ü"),
)


def run(data: bytes) -> None:
    if data:
        check_asked(ADDRESSES[data[0] % len(ADDRESSES)], data[1:].split(b"\x1e"))


def reported(**environ: str) -> bytes:
    """The bytes of an answer of the probe."""
    answer = {
        "flask_embed_probe": 1,
        "word": "<word>",
        "environ": {"SCRIPT_NAME": "/shop", "PATH_INFO": "/hello/there", "HTTP_HOST": "site.example:8080", **environ},
        "body": {"size": 3, "sha256": "x"},
        "input_terminated": True,
        "refused": "",
    }
    return b"HTTP/1.1 200 OK\r\nServer: nginx/1\r\n\r\n" + json.dumps(answer).encode()


TARGET = Target(
    run,
    (
        b"\0" + reported(SERVER_SOFTWARE="nginx/1.22", GATEWAY_INTERFACE="CGI/1.1", **{"wsgi.url_scheme": "http"}),
        b"\0"
        + reported(SCRIPT_NAME="/shop/hello/there", PATH_INFO="", SERVER_SOFTWARE="lighttpd/1.4")
        + b"\x1e"
        + reported(),
        b"\1" + reported(SCRIPT_NAME="", REMOTE_ADDR="203.0.113.7", HTTP_AUTHORIZATION=AUTHORIZATION, HTTP_PROXY="x"),
        b"\2" + reported(SCRIPT_NAME="/forged-by-x-forwarded-prefix/shop", HTTP_TRANSFER_ENCODING="chunked"),
        b"\0" + reported(SERVER_SOFTWARE="\x1b[2J\u2028\ud800", GATEWAY_INTERFACE="CGI/1.1", HTTP_HOST="\u20ac"),
        b"\0HTTP/1.1 301 X\r\nLocation: /shop/\r\n\r\n\x1e" + reported(),
        b"\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"\0HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\nabc",
        b"\0HTTP/1.1 200 OK\r\n\r\nfirst\nreleased\n\x1e" + reported(),
        b"\1",
    ),
    (
        *(b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"99999999999"),
        *(
            b'"environ":',
            b'"body":',
            b'"released":true',
            b'"refused":null',
            b'"<word>"',
            b"\\u001b",
            b"\\ud800",
            b"\x1e",
        ),
        *(
            b"HTTP/1.1 302 X\r\nLocation: http://[\r\n\r\n",
            b"1e999",
            b"-1",
            b"true",
            b"{}",
            b"[]",
            b"first\n",
            b"released\n",
        ),
    ),
)
