"""Request bodies: too large, malformed, or missing."""

from __future__ import annotations

import gc
import io
import json
import tempfile
import tracemalloc
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from flask_embed import Flask, request, secure_filename
from tests.security.calls import call
from tests.security.checks import absent, check, equal, linear, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.security.calls import Answer

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
LIMIT = 100_000


@pytest.fixture
def closed() -> Iterator[None]:
    """Fails a test that leaves a file open for the garbage collector."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        gc.freeze()  # what others left is not looked at, which takes longer than most of these tests
        yield
        gc.collect()
    equal([str(warning.message) for warning in caught[:3]], [], "what was left open, at first")


@pytest.fixture
def teardowns() -> list[BaseException | None]:
    return []


@pytest.fixture
def app(teardowns: list[BaseException | None]) -> Flask:
    app = Flask(__name__)
    app.teardown_request(teardowns.append)
    app.add_url_rule("/form", "form", lambda: read_form(), methods=["POST"])
    app.add_url_rule("/json", "json", lambda: {"size": len(request.get_json())}, methods=["POST"])
    app.add_url_rule("/data", "data", lambda: {"size": len(request.get_data())}, methods=["POST"])
    app.add_url_rule("/stream", "stream", lambda: {"size": len(request.stream.read())}, methods=["POST"])
    app.add_url_rule("/lines", "lines", lambda: {"size": sum(map(len, request.stream))}, methods=["POST"])
    app.add_url_rule("/none", "none", lambda: "not read", methods=["POST"])
    return app


def read_form() -> dict[str, Any]:
    return {
        "fields": len(list(request.form.items(multi=True))),
        "files": [file.filename for file in request.files.values()],
        "size": sum(map(len, request.form.values())) + sum(len(file.read()) for file in request.files.values()),
    }


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    """A part of a multipart body with the boundary ``b``."""
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def post(app: Flask, path: str, body: bytes, content_type: str = FORM, /, **changes: Any) -> Answer:
    return call(app, path, "POST", body, CONTENT_TYPE=content_type, **changes)


class Counted(io.RawIOBase):
    """A body of *size* zeros that counts how much of it was read."""

    def __init__(self, size: int, start: bytes = b"") -> None:
        self.left = size
        self.start = start
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.start[: len(buffer)] or bytes(min(len(buffer), self.left))
        if self.start:
            self.start = self.start[len(data) :]
        else:
            self.left -= len(data)
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


# How much


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("filename", [None, "a.txt"])
def test_promise_065_more_parts_than_the_limit_are_refused(app: Flask, filename: str | None) -> None:
    for count, status in [(1_000, 200), (1_001, 413)]:
        body = b"".join(part(f"name{i}", b"x", filename) for i in range(count)) + b"--b--\r\n"
        equal(post(app, "/form", body, MULTIPART).status, status, f"the status with {count} parts")


@pytest.mark.usefixtures("closed")
def test_promise_065_the_limit_of_parts_is_a_setting(app: Flask) -> None:
    app.max_form_parts = 2
    body = part("a", b"x") + part("b", b"x", "b.txt") + part("a", b"x") + b"--b--\r\n"

    equal(post(app, "/form", body, MULTIPART).status, 413)


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("separator", [b"&", b"&a=", b"=&"])
def test_promise_065_nor_does_an_urlencoded_form_have_more_fields(app: Flask, separator: bytes) -> None:
    for count, status in [(1_000, 200), (1_001, 413), (100_000, 413)]:
        body = separator.join([b"a=b"] * count)
        equal(post(app, "/form", body).status, status, f"the status with {count} fields")


def test_promise_066_a_long_text_field_is_refused(app: Flask) -> None:
    for size, status in [(400_000, 200), (600_000, 413)]:
        equal(post(app, "/form", part("a", b"x" * size) + b"--b--\r\n", MULTIPART).status, status)


def test_promise_066_many_fields_together_are_refused_by_the_length_of_the_body(app: Flask) -> None:
    app.max_content_length = 500_000
    body = b"".join(part(f"name{i}", b"x" * 200_000) for i in range(5)) + b"--b--\r\n"

    equal(post(app, "/form", body, MULTIPART).status, 413)


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/form", FORM, b"a=" + b"x" * LIMIT),
        ("/form", FORM, b"&".join([b"a=" + b"x" * (LIMIT // 500)] * 600)),
        ("/form", MULTIPART, part("a", b"x" * LIMIT) + b"--b--\r\n"),
        ("/form", MULTIPART, part("a", b"x" * LIMIT, "a.txt") + b"--b--\r\n"),
        ("/json", "application/json", b'"' + b"x" * LIMIT + b'"'),
        ("/data", "text/plain", b"x" * (LIMIT + 1)),
        ("/stream", "text/plain", b"x" * (LIMIT + 1)),
        ("/lines", "text/plain", b"x\n" * LIMIT),
    ],
)
def test_promise_067_a_body_above_the_limit_is_refused(app: Flask, path: str, content_type: str, body: bytes) -> None:
    equal(post(app, path, body, content_type).status, 200)

    app.max_content_length = LIMIT
    equal(post(app, path, body, content_type).status, 413)


@pytest.mark.parametrize("path", ["/form", "/json", "/data", "/stream", "/lines"])
def test_promise_067_there_is_a_limit_by_default_and_nothing_is_read_above_it(app: Flask, path: str) -> None:
    body = Counted(17 * 1024 * 1024)

    content_type = "application/json" if path == "/json" else FORM
    answer = post(app, path, b"", content_type, **{"wsgi.input": body, "CONTENT_LENGTH": str(body.left)})

    equal((answer.status, body.count), (413, 0))


def test_promise_067_a_length_that_promises_less_than_is_sent_is_kept_to(app: Flask) -> None:
    answer = post(app, "/data", b"x" * 100, "text/plain", CONTENT_LENGTH="5")

    equal(json.loads(answer.body), {"size": 5})


@pytest.mark.parametrize("length", ["9" * 18, "1" + "0" * 15])
def test_promise_067_an_immense_length_reserves_nothing(app: Flask, length: str) -> None:
    equal(post(app, "/data", b"x", "text/plain", CONTENT_LENGTH=length).status, 413)


@pytest.mark.parametrize("path", ["/form", "/data", "/stream"])
def test_promise_067_bodies_that_no_view_reads_are_no_error(app: Flask, path: str) -> None:
    equal(post(app, "/none", b"x", CONTENT_LENGTH="9" * 12).status, 200)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("terminated", [True, False])
def test_promise_068_a_file_above_the_limit_is_refused_and_gone(app: Flask, spool: Path, terminated: bool) -> None:
    app.max_content_length = 2_000_000
    start = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a.bin"\r\n\r\n'
    body = Counted(1024**3, start)
    length = None if terminated else str(1024**3)

    answer = post(
        app,
        "/form",
        b"",
        MULTIPART,
        **{"wsgi.input": body, "CONTENT_LENGTH": length, "wsgi.input_terminated": terminated},
    )

    equal(answer.status, 413)
    check(body.count <= 2_000_000 + 65_536, f"{body.count} bytes were read")
    equal(list(spool.iterdir()), [])


@pytest.mark.usefixtures("closed")
def test_promise_068_a_file_below_the_limit_is_gone_after_the_request(app: Flask, spool: Path) -> None:
    kept: list[Any] = []

    @app.route("/keep", methods=["POST"])
    def keep() -> str:
        kept.append(request.files["a"])
        return "kept"

    answer = post(app, "/keep", part("a", b"x" * 2_000_000, "a.bin") + b"--b--\r\n", MULTIPART)

    equal((answer.status, kept[0].stream.closed), (200, True))
    equal(list(spool.iterdir()), [])


@pytest.mark.usefixtures("closed")
def test_promise_068_also_after_a_view_that_raises(app: Flask, spool: Path) -> None:
    kept: list[Any] = []

    @app.route("/fail", methods=["POST"])
    def fail() -> str:
        kept.append(request.files["a"])
        raise RuntimeError

    answer = post(app, "/fail", part("a", b"x" * 2_000_000, "a.bin") + b"--b--\r\n", MULTIPART)

    equal((answer.status, kept[0].stream.closed), (500, True))
    equal(list(spool.iterdir()), [])


# What is no body


BROKEN: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "no closing boundary": (MULTIPART, lambda n: part("a", b"x" * n)),
    "no boundary in the body": (MULTIPART, lambda n: b"x" * n),
    "no boundary in the type": ("multipart/form-data", lambda n: part("a", b"x" * n) + b"--b--\r\n"),
    "an empty boundary": ("multipart/form-data; boundary=", lambda n: part("a", b"x" * n)),
    "a boundary in quotes": ('multipart/form-data; boundary="b', lambda n: part("a", b"x" * n) + b"--b--\r\n"),
    "a boundary of 1 kB": (f"multipart/form-data; boundary={'b' * 1024}", lambda n: b"--" + b"b" * n),
    "a boundary of another script": ("multipart/form-data; boundary=\xff", lambda n: b"--\xff\r\n" * (n // 5)),
    "CR flood": (MULTIPART, lambda n: part("a", b"\r" * n) + b"--b--\r\n"),
    "LF flood": (MULTIPART, lambda n: part("a", b"\n" * n) + b"--b--\r\n"),
    "CRLF flood": (MULTIPART, lambda n: part("a", b"\r\n" * (n // 2)) + b"--b--\r\n"),
    "CR flood in a file": (MULTIPART, lambda n: part("a", b"\r" * n, "a") + b"--b--\r\n"),
    "CR flood before a part": (MULTIPART, lambda n: b"\r" * n + part("a", b"x") + b"--b--\r\n"),
    "almost boundaries": (MULTIPART, lambda n: part("a", b"\r\n--" * (n // 4)) + b"--b--\r\n"),
    "almost boundaries in a file": (MULTIPART, lambda n: part("a", b"\r\n--" * (n // 4), "a") + b"--b--\r\n"),
    "boundaries alone": (MULTIPART, lambda n: b"--b\r\n" * (n // 5)),
    "headers without an end": (MULTIPART, lambda n: b"--b\r\n" + b"a: b\r\n" * (n // 6)),
    "a header without an end": (MULTIPART, lambda n: b"--b\r\nContent-Disposition: form-data; name=" + b"a" * n),
    "a name without an end": (
        MULTIPART,
        lambda n: b'--b\r\nContent-Disposition: form-data; name="' + b'\\"' * (n // 2),
    ),
    "many parameters": (
        MULTIPART,
        lambda n: b"--b\r\nContent-Disposition: form-data" + b"; a=b" * (n // 5) + b"\r\n\r\n",
    ),
    "continued parameters": (
        MULTIPART,
        lambda n: b"--b\r\nContent-Disposition: form-data; name*0*=x''" + b"%41" * (n // 3) + b"\r\n\r\n\r\n--b--",
    ),
    "a part without headers": (MULTIPART, lambda n: b"--b\r\n\r\n" + b"x" * n + b"\r\n--b--\r\n"),
    "a part without a name": (
        MULTIPART,
        lambda n: b"--b\r\nContent-Disposition: form-data\r\n\r\n" + b"x" * n + b"\r\n--b--\r\n",
    ),
    "an unknown charset": (MULTIPART, lambda n: part("_charset_", b"no-such") + part("a", b"\xff" * n) + b"--b--\r\n"),
    "separators": (FORM, lambda n: b"&" * n),
    "equals signs": (FORM, lambda n: b"=" * n),
    "names": (FORM, lambda n: b"a&" * (n // 2)),
    "percent signs": (FORM, lambda n: b"%" * n),
    "bytes that are no text": (FORM, lambda n: b"a=" + b"%ff" * (n // 3)),
    "plus signs": (FORM, lambda n: b"+" * n),
    "semicolons": (FORM, lambda n: b"a=b;" * (n // 4)),
}


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(("content_type", "body"), BROKEN.values(), ids=BROKEN)
def test_promise_069_a_broken_form_is_empty_or_refused(
    app: Flask, content_type: str, body: Callable[[int], bytes]
) -> None:
    one_of(post(app, "/form", body(1_000), content_type).status, (200, 400, 413))
    one_of(post(app, "/form", body(200_000), content_type).status, (200, 400, 413))


@pytest.mark.parametrize(("content_type", "body"), BROKEN.values(), ids=BROKEN)
def test_promise_069_a_broken_form_costs_its_length(
    app: Flask, content_type: str, body: Callable[[int], bytes]
) -> None:
    app.max_form_memory_size = None
    app.max_form_parts = 1_000_000

    def prepare(size: int) -> Callable[[], object]:
        sent = body(size)
        return lambda: post(app, "/form", sent, content_type)

    linear(prepare, 16_000)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a":', b"\xff", b"\x80\x81", b"NaN", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b"\0", b"x"],
)
def test_promise_069_broken_json_is_refused(app: Flask, body: bytes) -> None:
    app.add_url_rule("/any", "any", lambda: str(type(request.get_json())), methods=["POST"])

    answer = post(app, "/any", body, "application/json")

    one_of(answer.status, (200, 400) if body == b"NaN" else (400,))


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/json; charset=no-such",
        "/",
        ";",
        "application/",
        "a" * 10_000,
        "\xff",
        "application/json;" * 1_000,
    ],
)
@pytest.mark.parametrize("path", ["/form", "/json", "/data"])
def test_promise_069_a_content_type_that_says_nothing_is_no_fault_of_the_app(
    app: Flask, path: str, content_type: str
) -> None:
    one_of(post(app, path, b'"a=b"', content_type).status, (200, 400, 415))


@pytest.mark.parametrize("path", ["/form", "/json", "/data", "/stream", "/lines"])
@pytest.mark.parametrize(
    "length",
    [
        "-1",
        "+3",
        "1_0",
        "abc",
        " 3",
        "3 ",
        "9" * 30,
        "0x3",
        "3.0",
        "\u0663".encode().decode("latin-1"),
        "3,3",
        "",
        "-0",
        "1e3",
    ],
)
def test_promise_070_a_length_that_is_no_number_is_no_fault_of_the_app(app: Flask, path: str, length: str) -> None:
    answer = post(app, path, b"abc", "application/json" if path == "/json" else FORM, CONTENT_LENGTH=length)

    one_of(answer.status, (200, 400, 413))


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/form", FORM),
        ("/form", MULTIPART),
        ("/json", "application/json"),
        ("/data", "text/plain"),
        ("/stream", "text/plain"),
        ("/lines", "text/plain"),
    ],
)
def test_promise_071_a_client_that_leaves_is_a_bad_request(
    app: Flask, teardowns: list[BaseException | None], path: str, content_type: str
) -> None:
    answer = post(app, path, b"abc", content_type, CONTENT_LENGTH="10")

    equal(answer.status, 400)
    equal(teardowns, [None])


def test_promise_071_the_view_gets_an_error_and_no_data(app: Flask) -> None:
    read: list[bytes] = []
    app.add_url_rule("/read", "read", lambda: read.append(request.get_data()), methods=["POST"])

    equal(post(app, "/read", b"abc", "text/plain", CONTENT_LENGTH="10").status, 400)
    equal(read, [])


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/form", FORM, b"a=" + b"x" * LIMIT),
        ("/form", MULTIPART, part("a", b"x" * LIMIT, "a.txt") + b"--b--\r\n"),
        ("/form", MULTIPART, part("a", b"x" * LIMIT) + b"--b--\r\n"),
        ("/json", "application/json", b'"' + b"x" * LIMIT + b'"'),
        ("/data", "text/plain", b"x" * LIMIT),
        ("/stream", "text/plain", b"x" * LIMIT),
        ("/lines", "text/plain", b"x" * LIMIT),
    ],
)
def test_promise_072_a_body_without_a_length_is_read_to_its_end_or_to_the_limit(
    app: Flask, path: str, content_type: str, body: bytes
) -> None:
    chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": None}

    answer = post(app, path, body, content_type, **chunked)
    equal((answer.status, json.loads(answer.body)["size"]), (200, LIMIT))

    app.max_content_length = len(body) - 1
    equal(post(app, path, body, content_type, **chunked).status, 413)


@pytest.mark.parametrize("path", ["/form", "/data", "/stream", "/lines"])
@pytest.mark.parametrize("terminated", [True, False])
def test_promise_072_a_body_of_just_the_limit_is_read(app: Flask, terminated: bool, path: str) -> None:
    app.max_content_length = LIMIT
    body = b"a=" + b"x" * (LIMIT - 2)
    ends = {"wsgi.input_terminated": True, "CONTENT_LENGTH": None} if terminated else {}

    answer = post(app, path, body, **ends)

    equal((answer.status, json.loads(answer.body)["size"]), (200, LIMIT - 2 if path == "/form" else LIMIT))


def test_promise_072_an_endless_body_is_read_to_the_limit(app: Flask) -> None:
    app.max_content_length = LIMIT
    body = Counted(1024**3)

    answer = post(app, "/data", b"", "text/plain", **{"wsgi.input": body, "wsgi.input_terminated": True})

    equal(answer.status, 413)
    check(body.count <= LIMIT + 65_536, f"{body.count} bytes were read")


def test_promise_072_a_body_without_a_length_and_without_an_end_is_none(app: Flask) -> None:
    body = Counted(1024**3)

    answer = post(app, "/data", b"", "text/plain", **{"wsgi.input": body, "CONTENT_LENGTH": None})

    equal((answer.status, json.loads(answer.body), body.count), (200, {"size": 0}, 0))


FILENAMES = [
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "a\0b",
    "C:\\x",
    "C:x",
    "..\\x",
    "x" * 10_000,
    "",
    " ",
    "...",
    "~root",
    "\x1b[31m",
    "ü" * 200,
    "%2e%2e%2fx",
    "CON",
    "nul.txt",
    "x;y",
    "-rf",
    "<script>",
    "\u202etxt.exe",
    "a/../b",
]


@pytest.mark.parametrize("filename", FILENAMES)
def test_promise_073_a_file_name_leads_nowhere(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filename: str
) -> None:
    monkeypatch.chdir(tmp_path)

    answer = post(app, "/form", part("a", b"x", filename) + b"--b--\r\n", MULTIPART)

    equal(answer.status, 200)
    equal(list(tmp_path.iterdir()), [])
    safe = secure_filename(filename)
    check(safe.isascii() and safe.isprintable() and not safe.startswith((".", "-x")), f"the name is {safe!r}")
    for mark in '/\\:\0"<>;':
        absent(mark, safe)


def test_promise_073_the_name_is_there_as_it_was_sent(app: Flask) -> None:
    answer = post(app, "/form", part("a", b"x", "../../x") + b"--b--\r\n", MULTIPART)

    equal(json.loads(answer.body)["files"], ["../../x"])


QUERIES = [
    "a=%ff&b=%00",
    "a=\xff",
    "%",
    "%%%",
    "%zz",
    "a=%u0041",
    "&&&",
    "=",
    "a",
    "a=%ed%a0%80",
    "a[]=1",
    "\0",
    "a=%0d%0a",
    "+",
    "a" * 100_000,
    "a=1&" * 20_000,
]


@pytest.mark.parametrize("query", QUERIES)
def test_promise_074_any_query_string_can_be_read(app: Flask, query: str) -> None:
    @app.route("/args")
    def args() -> dict[str, Any]:
        return {"args": request.args, "values": request.values.to_dict(), "url": request.url, "full": request.full_path}

    equal(call(app, "/args", QUERY_STRING=query).status, 200)


def test_promise_074_bytes_that_are_no_text_are_replaced(app: Flask) -> None:
    app.add_url_rule("/args", "args", lambda: request.args.to_dict())

    equal(json.loads(call(app, "/args", QUERY_STRING="a=%ff&b=%00").body), {"a": "%FF", "b": "\0"})


LONG_QUERIES: dict[str, Callable[[int], str]] = {
    "pairs": lambda n: "a=b&" * (n // 4),
    "names": lambda n: "&".join(f"n{i}" for i in range(n // 6)),
    "percent signs": lambda n: "%" * n,
    "escapes": lambda n: "%ff" * (n // 3),
    "separators": lambda n: "&" * n,
}


@pytest.mark.parametrize("query", LONG_QUERIES.values(), ids=LONG_QUERIES)
def test_promise_074_a_long_query_string_costs_its_length(app: Flask, query: Callable[[int], str]) -> None:
    app.add_url_rule("/args", "args", lambda: str(len(request.args)))

    def prepare(length: int) -> Callable[[], object]:
        sent = query(length)
        return lambda: present("", call(app, "/args", QUERY_STRING=sent).text)

    linear(prepare, 16_000)


# What is decoded whole


class Endless(io.RawIOBase):
    """A body that never ends, and counts what was read of it."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.read_so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), len(self.piece))
        buffer[:size] = self.piece[:size]
        self.read_so_far += size
        return size


@pytest.mark.parametrize("terminated", [True, False], ids=["chunked", "with a length"])
@pytest.mark.parametrize(
    ("path", "content_type", "setting", "limit"),
    [
        ("/form", FORM, "max_form_memory_size", 500_000),
        ("/json", "application/json", "max_json_size", 2 * 1024 * 1024),
    ],
)
def test_promise_067_what_is_decoded_whole_has_a_limit_of_its_own(
    app: Flask, path: str, content_type: str, setting: str, limit: int, terminated: bool
) -> None:
    def answer(size: int) -> Answer:
        body = b'["' + b"a" * (size - 4) + b'"]' if path == "/json" else b"a" * size
        changes: dict[str, Any] = {"CONTENT_TYPE": content_type}
        if terminated:
            changes.update({"CONTENT_LENGTH": None, "wsgi.input_terminated": True})
        return call(app, path, "POST", body, **changes)

    equal(getattr(app, setting), limit)
    equal(answer(limit).status, 200)
    equal(answer(limit + 1).status, 413)
    setattr(app, setting, 1000)
    equal((answer(1000).status, answer(1001).status), (200, 413))
    setattr(app, setting, None)
    equal(answer(3_000_000).status, 200)
    app.max_content_length = 10_000
    equal((answer(10_000).status, answer(10_001).status), (200, 413))


@pytest.mark.parametrize(
    ("path", "content_type", "limit"),
    [("/form", FORM, 500_000), ("/json", "application/json", 2 * 1024 * 1024)],
)
@pytest.mark.parametrize("most", [None, 16 * 1024 * 1024])
def test_promise_067_it_is_counted_while_it_is_read(
    app: Flask, path: str, content_type: str, limit: int, most: int | None
) -> None:
    app.max_content_length = most
    body = Endless(b"1" * 4096)
    changes: dict[str, Any] = {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_TYPE": content_type}

    equal(call(app, path, "POST", b"", **changes).status, 413)
    check(limit < body.read_so_far <= limit + 128 * 1024, f"{body.read_so_far} bytes were read")


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("before", ["nothing", "data", "stream"])
def test_promise_067_json_that_is_too_large_is_no_broken_json(
    app: Flask, silent: bool, cache: bool, before: str
) -> None:
    app.max_json_size = 1000

    @app.route("/", methods=["POST"])
    def index() -> Any:
        if before == "data":
            request.get_data()
        elif before == "stream":
            request.stream  # noqa: B018
        return {"read": request.get_json(force=True, silent=silent, cache=cache)}

    body = b"[" + b" " * 998 + b"]"
    equal(call(app, "/", "POST", body).text, '{"read":[]}')
    equal(call(app, "/", "POST", body + b" ").status, 413)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"[" * 50 + b"]" * 50 + b",", b'{"":{}},'])
@pytest.mark.parametrize("chunked", [True, False])
def test_promise_067_json_has_so_many_lists_and_objects(app: Flask, piece: bytes, chunked: bool) -> None:
    """A list of two bytes becomes one of ninety."""
    whole = b"[" + piece * (2_000_000 // len(piece)) + b"0]"
    few = b"[" + piece * (400_000 // len(piece)) + b"0]"
    changes: dict[str, Any] = {"CONTENT_TYPE": "application/json"}
    if chunked:
        changes.update({"CONTENT_LENGTH": None, "wsgi.input_terminated": True})

    equal(call(app, "/json", "POST", whole, **changes).status, 413)
    equal(call(app, "/json", "POST", few, **changes).status, 200)


#: what costs most memory for its length
COSTLY: dict[str, tuple[str, str, Callable[[int], bytes]]] = {
    "form": ("/form", FORM, lambda size: b"%41" * (size // 3)),
    "form, two bytes each": ("/form", FORM, lambda size: b"%C3%A4" * (size // 6)),
    "objects": ("/json", "application/json", lambda size: b"[" + b'{"":0},' * (size // 7 - 1) + b"0]"),
    "objects in objects": ("/json", "application/json", lambda size: b"[" + b'{"":[]},' * (size // 10 - 1) + b"0]"),
}


@pytest.mark.parametrize("kind", COSTLY)
def test_promise_067_one_request_at_its_limit_takes_less_than_64_megabytes(app: Flask, kind: str) -> None:
    path, content_type, make = COSTLY[kind]
    body = make(500_000 if path == "/form" else 2 * 1024 * 1024)
    tracemalloc.start()
    try:
        answer = call(app, path, "POST", body, CONTENT_TYPE=content_type)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    equal(answer.status, 200)
    check(peak < 64 * 1024 * 1024, f"{peak} bytes at once")


def part_with(headers: bytes, content: bytes = b"x", boundary: bytes = b"--b\r\n") -> bytes:
    """A part of a multipart body."""
    return boundary + b'Content-Disposition: form-data; name="a"\r\n' + headers + b"\r\n" + content + b"\r\n"


def sent_form(app: Flask, *parts: bytes, cut: int | None = None) -> Answer:
    """The answer to a multipart form, which may come in pieces of *cut* bytes."""
    body = b"".join(parts) + b"--b--\r\n"
    if cut is None:
        return call(app, "/form", "POST", body, CONTENT_TYPE=MULTIPART)
    stream = Cut(body, cut)
    changes: dict[str, Any] = {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_TYPE": MULTIPART}
    return call(app, "/form", "POST", b"", **changes)


class Cut(io.RawIOBase):
    """A body that comes in pieces."""

    def __init__(self, body: bytes, size: int) -> None:
        self._body = io.BytesIO(body)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(min(self._size, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


LONG_HEADERS = {
    "one": b"X-A: " + b"a" * 16_384 + b"\r\n",
    "many": b"a:\r\n" * 5_000,
    "folded": b"X-A: a" + b"\r\n a" * 5_000 + b"\r\n",
    "bare line feeds": b"a:\n" * 6_000,
    "parameters": b"Content-Type: text/plain" + b";" * 17_000 + b"\r\n",
}


@pytest.mark.parametrize("cut", [None, 1000, 8191])
@pytest.mark.parametrize("kind", LONG_HEADERS)
def test_promise_069_the_headers_of_a_part_have_a_limit(app: Flask, kind: str, cut: int | None) -> None:
    headers = LONG_HEADERS[kind]

    equal(sent_form(app, part_with(headers), cut=cut).status, 413)
    equal(sent_form(app, part_with(b""), part_with(headers), cut=cut).status, 413)
    equal(sent_form(app, b"preamble--b\r\n" + part_with(headers)[5:], cut=cut).status, 413)


@pytest.mark.parametrize("cut", [None, 1000, 8191])
def test_promise_069_what_only_looks_like_headers_has_none(app: Flask, cut: int | None) -> None:
    content = b"--bc\r\n" + b"a" * 20_000 + b"\r\n--b c\r\n" + b"a:\r" * 20_000 + b"\n --b\r\n" + b"a" * 20_000

    answer = sent_form(app, part_with(b"X-A: " + b"a" * 15_000 + b"\r\n", content), part_with(b""), cut=cut)

    equal(answer.status, 200)
    present('"fields":2', answer.text)


def test_promise_069_all_headers_together_have_the_limit_of_a_field(app: Flask) -> None:
    header = b"X-A: " + b"a" * 9_900 + b"\r\n"

    equal(sent_form(app, *[part_with(header)] * 49).status, 200)
    equal(sent_form(app, *[part_with(header)] * 51).status, 413)
    app.max_form_memory_size = None
    equal(sent_form(app, *[part_with(header)] * 51).status, 200)


@pytest.mark.parametrize("limit", [None, LIMIT])
@pytest.mark.parametrize("path", ["/form", "/json", "/data", "/stream", "/lines"])
def test_promise_071_a_client_that_leaves_is_a_quiet_400_with_any_limit(
    app: Flask, path: str, limit: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    class Left(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise OSError("the client is gone")

    app.max_content_length = limit
    changes: dict[str, Any] = {
        "wsgi.input": Left(),
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": "100",
        "CONTENT_TYPE": "application/json" if path == "/json" else FORM,
    }

    equal(call(app, path, "POST", b"", **changes).status, 400)
    equal([record.getMessage() for record in caplog.records], [])


@pytest.mark.parametrize(("length", "status"), [(70, 200), (100, 200), (101, 400), (64_000, 400)])
def test_promise_069_a_boundary_has_so_many_characters_and_no_more(app: Flask, length: int, status: int) -> None:
    boundary = "b" * length
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--{boundary}--\r\n'.encode()

    equal(call(app, "/form", "POST", body, CONTENT_TYPE=f"multipart/form-data; boundary={boundary}").status, status)
