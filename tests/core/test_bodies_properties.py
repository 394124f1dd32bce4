"""Any body, however it is cut on its way: read the same, within its limits, and nothing of it is left behind."""

from __future__ import annotations

import io
import json
import re
import tempfile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from flask_embed import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer
    from hypothesis.strategies import DrawFn

MULTIPART = "multipart/form-data; boundary=b"
FORM = "application/x-www-form-urlencoded"
#: of the requests here
MOST_CONTENT, MOST_PARTS, MOST_MEMORY = 2000, 5, 500


class Pieces(io.RawIOBase):
    """A body that comes in pieces, as a server may hand it over (PEP 3333 promises no more)."""

    def __init__(self, body: bytes, sizes: list[int]) -> None:
        self.left = body
        self.sizes = sizes
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        size = min(self.sizes[self.count % len(self.sizes)], len(room))
        self.count += 1
        piece, self.left = self.left[:size], self.left[size:]
        room[: len(piece)] = piece
        return len(piece)


class Read(NamedTuple):
    """The form as an app sees it, values of one name together."""

    fields: list[tuple[str, str]]
    #: name, file name, type and content
    files: list[tuple[str, str | None, str | None, bytes]]


def asked(body: bytes, content_type: str, sizes: list[int] | None = None, *, has_length: bool = True) -> Request:
    """A request with this body, whole or in pieces, with or without its length."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "HTTP_HOST": "good.example",
        "CONTENT_TYPE": content_type,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body) if sizes is None else Pieces(body, sizes),
    }
    if has_length:
        environ["CONTENT_LENGTH"] = str(len(body))
    else:
        environ["wsgi.input_terminated"] = True
    request = Request(environ)
    request.max_content_length, request.max_form_parts = MOST_CONTENT, MOST_PARTS
    request.max_form_memory_size = MOST_MEMORY
    return request


def read(request: Request) -> Read | int:
    """The form of a request, or the status that refuses it."""
    try:
        return Read(
            list(request.form.items(multi=True)),
            [(name, file.filename, file.content_type, file.read()) for name, file in request.files.items(multi=True)],
        )
    except HTTPException as error:
        return error.code or 0
    finally:
        request.close()


class Part(NamedTuple):
    """A part of a multipart form."""

    name: str
    content: bytes
    filename: str | None = None

    def __bytes__(self) -> bytes:
        file = "" if self.filename is None else f'; filename="{self.filename}"\r\nContent-Type: image/png'
        return f'--b\r\nContent-Disposition: form-data; name="{self.name}"{file}\r\n\r\n'.encode() + self.content


def multipart(parts: list[Part]) -> bytes:
    return b"".join(bytes(part) + b"\r\n" for part in parts) + b"--b--\r\n"


BORDER = re.compile(rb"(?:^|[\r\n])--b")


def contents(*pieces: bytes) -> st.SearchStrategy[bytes]:
    """Contents that almost are the delimiter between two body parts."""
    return (
        st.lists(st.sampled_from(pieces), max_size=6).map(b"".join).filter(lambda content: not BORDER.search(content))
    )


ALMOST = (b"\r", b"\n", b"\r\n", b"-", b"--", b"--b", b"b", b"x", b"\0", b" ")
NAMES = st.text("aäb c.", min_size=1, max_size=4)
PARTS = st.lists(
    st.builds(Part, NAMES, contents(*ALMOST), st.none()) | st.builds(Part, NAMES, contents(*ALMOST, b"\xff"), NAMES),
    max_size=4,
)
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)
CHANGES = [
    *(b"\r\n", b"\r", b"\n", b"--", b"-", b"b", b"--b--", b"\r\n--b\r\n", b"\r\n--b--", b"\r\n\r\n", b"--b  \r\n"),
    *(b'Content-Disposition: form-data; name="c"', b'; filename="x"', b"; filename*=utf-8''%ff", b"; name*0*=x''%41"),
    *(b"Content-Type: text/plain; charset=utf-16", b"Content-Length: 3", b"Content-Transfer-Encoding: base64"),
    *(b"x", b"x" * 300, b"x" * 600, b"\0", b"\xff", b": ", b";", b"=", b'"', b"&", b"%", b"a=b&c=%ff", b" ", b"\t"),
]  # fmt: skip
TYPES = [
    *(MULTIPART, MULTIPART, MULTIPART, 'multipart/form-data; boundary="b"', f"{MULTIPART}; boundary=c"),
    *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\xff", FORM),
    *(f"{FORM}; charset=utf-16", "multipart/mixed; boundary=b", "multipart/form-data; boundary=-", ""),
]  # fmt: skip


@st.composite
def changed(draw: DrawFn) -> bytes:
    """A form with up to four changes."""
    raw = draw(PARTS.map(multipart) | st.sampled_from([b"", b"a=1&b=%ff&c"]))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(raw)))
        end = start + draw(st.integers(0, 12))
        raw = raw[:start] + draw(st.sampled_from(CHANGES) | st.just(b"")) + raw[end:]
    return raw


@given(PARTS, SIZES, st.booleans())
def test_a_form_is_read_as_it_was_written(parts: list[Part], sizes: list[int], has_length: bool) -> None:
    found = read(asked(multipart(parts), MULTIPART, sizes, has_length=has_length))

    fields = [(part.name, part.content.decode()) for part in parts if part.filename is None]
    files = [(part.name, part.filename, "image/png", part.content) for part in parts if part.filename is not None]
    assert isinstance(found, Read)
    assert sorted(found.fields, key=itemgetter(0)) == sorted(fields, key=itemgetter(0))
    assert sorted(found.files, key=itemgetter(0)) == sorted(files, key=itemgetter(0))


@pytest.mark.parametrize(
    "content", [b"x", b"", b"\r", b"\n", b"x\r\n", b"\r\n--", b"--", b"x--b", b"x\r\n-", b"\r\n\r\n--c"]
)
@pytest.mark.parametrize("filename", [None, "f"])
def test_it_does_not_matter_where_a_form_is_cut(content: bytes, filename: str | None) -> None:
    body = multipart([Part("a", content, filename), Part("b", content, filename)])
    whole = read(asked(body, MULTIPART))
    assert isinstance(whole, Read)
    assert [file[3] for file in whole.files] or [field[1].encode() for field in whole.fields] == [content] * 2

    for at in range(1, len(body)):
        assert read(asked(body, MULTIPART, [at, len(body)])) == whole


#: how far the border of what is read at a time lies from a place in a body: werkzeug reads 64 KiB
BORDERS = range(-12, 12)


def at_the_border(place: int, end: bytes) -> tuple[bytes, Read | int]:
    """The content of a file, and what is read of the form where *end*, which follows on it, comes at the border."""
    head = bytes(Part("a", b"", "a.bin"))
    content = b"x" * (64 * 1024 - place - len(head))
    body = head + content + end
    request = asked(body, MULTIPART)
    request.max_content_length = request.max_form_memory_size = len(body)
    return content, read(request)


@pytest.mark.parametrize("place", BORDERS)
@pytest.mark.parametrize("padding", [b"", b" ", b" \t "])
def test_nor_where_a_large_form_is_cut_by_who_reads_it(place: int, padding: bytes) -> None:
    second = Part("b", b"c", "d")

    content, found = at_the_border(place, b"\r\n--b" + padding + multipart([second])[3:])

    assert found == Read([], [("a", "a.bin", "image/png", content), ("b", "d", "image/png", b"c")])


@pytest.mark.parametrize("place", BORDERS)
@pytest.mark.parametrize("behind", [b"", b"\r\n", b" \t\r\n", b"\r\nand more"])
def test_nor_where_its_end_is_cut(place: int, behind: bytes) -> None:
    content, found = at_the_border(place, b"\r\n--b--" + behind)

    assert found == Read([], [("a", "a.bin", "image/png", content)])


@given(changed(), st.sampled_from(TYPES), SIZES, st.booleans())
@example(b"--b\r\n" + b"a: b\r\n" * 70 + bytes(Part("a", b"x"))[5:] + b"\r\n--b--", MULTIPART, [1], True)
def test_any_form_is_read_or_refused_and_pieces_change_nothing(
    body: bytes, content_type: str, sizes: list[int], has_length: bool
) -> None:
    whole = read(asked(body, content_type, has_length=has_length))

    assert read(asked(body, content_type, sizes, has_length=has_length)) == whole
    if isinstance(whole, int):
        assert whole == 413
        return
    assert len(whole.fields) + len(whole.files) <= MOST_PARTS
    assert sum(len(value) for _, value in whole.fields) + sum(len(file[3]) for file in whole.files) <= len(body)
    if content_type != FORM:
        assert all(len(value.encode()) <= 3 * MOST_MEMORY for _, value in whole.fields)  # U+FFFD for a byte is three


@given(st.integers(1, 3 * MOST_MEMORY), st.booleans())
def test_the_limit_of_a_field_is_none_of_files(size: int, is_file: bool) -> None:
    body = multipart([Part("a", b"x" * size, "f" if is_file else None)])

    found = read(asked(body, MULTIPART))

    if is_file:
        assert isinstance(found, Read)
        assert found.files == [("a", "f", "image/png", b"x" * size)]
    elif size <= MOST_MEMORY:
        assert found == Read([("a", "x" * size)], [])
    else:
        assert found == 413


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of temporary files."""
    folder = tmp_path_factory.mktemp("spool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@given(changed(), SIZES)
def test_of_a_form_that_is_refused_no_file_is_left(spool: Path, body: bytes, sizes: list[int]) -> None:
    body = multipart([Part("a", b"x" * 1_000_000, "f")])[:-7] + body
    request = asked(body, MULTIPART, [65536, *sizes], has_length=False)
    request.max_content_length = 1_000_100
    request.max_form_memory_size = 100_000

    read(request)

    assert list(spool.iterdir()) == []
    assert all(stream.closed for stream in request._spooled)


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=6)), max_size=MOST_PARTS), SIZES)
def test_an_urlencoded_form_is_read_as_it_was_written(fields: list[tuple[str, str]], sizes: list[int]) -> None:
    fields = [
        (name.encode(errors="replace").decode(), value.encode(errors="replace").decode()) for name, value in fields
    ]
    body = urlencode(fields).encode()

    found = read(asked(body, FORM, sizes))

    assert isinstance(found, Read)
    assert sorted(found.fields) == sorted(parse_qsl(body.decode(), keep_blank_values=True)) == sorted(fields)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, SIZES, st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-8-sig"]))
def test_json_is_read_as_it_was_written(value: Any, sizes: list[int], encoding: str) -> None:
    body = json.dumps(value).encode(encoding)

    request = asked(body, "application/json", sizes)

    assert request.get_json() == value


@given(
    VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20),
    st.binary(max_size=4),
    st.integers(0, 30),
    SIZES,
)
def test_any_json_is_read_or_a_bad_request(body: bytes, change: bytes, at: int, sizes: list[int]) -> None:
    found: list[Any] = []
    for pieces in (None, sizes):
        request = asked(body[:at] + change + body[at + 1 :], "application/json", pieces)
        try:
            found.append(repr(request.get_json()))
        except HTTPException as error:
            found.append(error.code)
        assert request.get_json(silent=True) is None or isinstance(found[0], str)

    assert found[0] == found[1]
    assert isinstance(found[0], str) or found[0] == 400
