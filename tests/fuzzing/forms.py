"""Forms and JSON through Request: the same however a body is cut, within the limits, and no file is left open.

An input is the type (one byte), how the body is cut (one byte), and the body.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from flask_embed import Request
from tests.fuzzing import Target
from tests.security.calls import environ_of
from tests.security.checks import check, equal, one_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_CONTENT, MOST_PARTS, MOST_MEMORY = 600, 4, 200
TYPES = (
    "multipart/form-data; boundary=b",
    "application/x-www-form-urlencoded",
    "application/json",
    'multipart/form-data; boundary="--"',
    "multipart/form-data; boundary=-",
    "multipart/form-data",
)


class Pieces(io.RawIOBase):
    """A body that comes in pieces of one size."""

    def __init__(self, body: bytes, size: int) -> None:
        self.left = body
        self.size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        piece = self.left[: min(self.size, len(room))]
        self.left = self.left[len(piece) :]
        room[: len(piece)] = piece
        return len(piece)


def read(body: bytes, content_type: str, size: int | None, has_length: bool) -> Any:
    """The form that an app sees, or the status that refuses it."""
    environ = environ_of("/", "POST", body, CONTENT_TYPE=content_type)
    if size is not None:
        environ["wsgi.input"] = Pieces(body, size)
    if not has_length:
        environ.pop("CONTENT_LENGTH", None)
        environ["wsgi.input_terminated"] = True
    request = Request(environ)
    request.max_content_length, request.max_form_parts = MOST_CONTENT, MOST_PARTS
    request.max_form_memory_size = MOST_MEMORY
    try:
        if request.is_json:
            return repr(request.get_json())
        files = [
            (name, file.filename, file.content_type, file.read()) for name, file in request.files.items(multi=True)
        ]
        return list(request.form.items(multi=True)), files
    except HTTPException as error:
        return error.code
    finally:
        request.close()
        check(all(stream.closed for stream in request._spooled), "a file is left open")


def run(data: bytes) -> None:
    if len(data) < 2:
        return
    content_type, size, body = TYPES[data[0] % len(TYPES)], data[1] % 40 + 1, data[2:]

    found = read(body, content_type, None, has_length=True)

    equal(read(body, content_type, size, has_length=size % 2 == 0), found, f"what is read of pieces of {size}")
    if isinstance(found, int):
        one_of(found, (400, 413))
        equal(found == 400, content_type == "application/json" and len(body) <= MOST_CONTENT, "whether it is a 400")
    elif isinstance(found, tuple):
        fields, files = found
        if content_type.startswith("multipart"):
            check(len(fields) + len(files) <= MOST_PARTS, "there are more parts than the limit")
            # For a byte that is no text stand the three of U+FFFD.
            check(
                all(len(value.encode("utf-8", "surrogatepass")) <= 3 * MOST_MEMORY for _, value in fields), "too long"
            )
        check(sum(len(file[3]) for file in files) <= len(body), "more than was sent")
    if len(body) > MOST_CONTENT:
        equal(found, 413, "what comes of too much")


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


FILE = '; filename="f.txt"\r\nContent-Type: text/plain; charset=utf-8'
TARGET = Target(
    run,
    (
        b"\0\x05" + part("a", b"x") + part("b", b"y\r\n--", FILE) + b"--b--\r\n",
        b"\0\x28" + part("a", b"\r\n--bx\r\n", FILE) + b"--b--",
        b"\0\x28" + part("a", b"x" * 300),
        b"\0\x02preamble\r\n" + part("a", b"") + b"--b--\r\nepilogue",
        b"\0\x03--b--\r\n",
        b"\0\x07" + part("a", b"x" * 100, FILE) + part("\xfc", b"\xff"),
        b"\x01\x03a=1&b=%ff&c&=d&a=%F0%9F%98%80+x",
        b'\x02\x04{"a": [1, 2.5, "\\u00fc", null, true]}',
        b"\x03\x01----\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n------\r\n",
        b"\x04\x01---\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n-----\r\n",
        b"\x05\x01" + part("a", b"x"),
    ),
    (
        *(
            b"\r\n--b\r\n",
            b"\r\n--b--\r\n",
            b"--b",
            b"--b--",
            b"\r\n\r\n",
            b"\r",
            b"\n",
            b"--",
            b"; filename=",
            b"; name*0*=",
        ),
        *(
            b"Content-Disposition: form-data; name=",
            b"Content-Type: text/plain; charset=iso-8859-1",
            b"Content-Length: 1",
        ),
        *(b"utf-8''%ff", b"&", b"=", b"%00", b"_charset_", b"[[[[[[", b"\\ud800", b"\xef\xbb\xbf", b"NaN", b"1e400"),
    ),
)
