"""Sending files, static ones among them."""

from __future__ import annotations

import io
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

import pytest
from werkzeug.test import create_environ

from flask_embed import Flask, send_file, send_from_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask(__name__)
    app.root_path = str(tmp_path)
    (tmp_path / "static" / "sub").mkdir(parents=True)
    (tmp_path / "static" / "style.css").write_text("body {}")
    (tmp_path / "static" / "sub" / "x.js").write_text("1")
    return app


def test_static_files_are_an_ordinary_rule(app: Flask) -> None:
    client = app.test_client()
    with closing(client.get("/static/style.css")) as answer:
        assert (answer.status_code, answer.text) == (200, "body {}")
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        etag = answer.headers["ETag"]
    with closing(client.get("/static/sub/x.js")) as answer:
        assert answer.text == "1"
    assert client.get("/static/style.css", headers={"If-None-Match": etag}).status_code == 304
    with closing(client.head("/static/style.css")) as answer:
        assert (answer.headers["Content-Length"], answer.data) == ("7", b"")
    assert client.post("/static/style.css").status_code == 405
    app.static_max_age = 60
    with closing(client.get("/static/style.css")) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=60"


def test_static_path_is_read_in_the_constructor() -> None:
    class Assets(Flask):
        static_path = "/assets/"

    class Bare(Flask):
        static_path = None

    assert [str(rule) for rule in Assets(__name__).url_map.iter_rules()] == ["/assets/<path:filename>"]
    assert list(Bare(__name__).url_map.iter_rules()) == []
    assert Bare(__name__).view_functions == {}


@pytest.mark.parametrize("header", ["lines=1-2", "lines=abc", "1-2", ""])
def test_a_range_in_a_unit_that_is_unknown_counts_as_none(app: Flask, header: str) -> None:
    with closing(app.test_client().get("/static/style.css", headers={"Range": header})) as answer:
        assert answer.status_code == 200
        assert len(answer.data) == 7


def test_ranges(app: Flask) -> None:
    client = app.test_client()
    with closing(client.get("/static/style.css", headers={"Range": "bytes=1-3"})) as answer:
        assert (answer.status_code, answer.data) == (206, b"ody")
        assert answer.headers["Content-Range"] == "bytes 1-3/7"
    assert client.get("/static/style.css", headers={"Range": "bytes=9-1"}).status_code == 416


def test_a_symbolic_link_out_of_the_folder_is_followed_only_if_asked(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("outside")
    (tmp_path / "static" / "out").symlink_to(tmp_path / "outside.txt")
    (tmp_path / "static" / "in").symlink_to(tmp_path / "static" / "style.css")
    client = app.test_client()
    assert client.get("/static/out").status_code == 404
    with closing(client.get("/static/in")) as answer:
        assert answer.text == "body {}"
    app.follow_symlinks = True
    with closing(client.get("/static/out")) as answer:
        assert answer.text == "outside"


def test_send_file_takes_a_path_or_an_open_file(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("note")
    app.route("/path")(lambda: send_file("note.txt", as_attachment=True, download_name="ü.txt"))
    app.route("/open", endpoint="open")(lambda: send_file(io.BytesIO(b"open"), "text/x"))
    app.route("/from/<path:name>", endpoint="from")(lambda name: send_from_directory(".", name, max_age=5))
    client = app.test_client()
    with closing(client.get("/path")) as answer:
        assert answer.text == "note"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename")
    with closing(client.get("/open")) as answer:
        assert (answer.text, answer.mimetype) == ("open", "text/x")
    with closing(client.get("/from/note.txt")) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=5"
    assert client.get("/from/../note.txt").status_code == 404


# A file that changes while it is sent, and open buffers


def body_of(app: Flask, path: str, change: Callable[[], object], **changes: Any) -> tuple[str, dict[str, str], bytes]:
    """The answer to a request, its body read after *change*, piece by piece as a server does."""
    head: list[Any] = []
    environ = {**create_environ(path), **changes}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        head[:] = status, dict(headers)
        return head.append

    body = app(environ, start_response)
    change()
    data = b"".join(body)
    getattr(body, "close", bool)()
    return head[0], head[1], data


@pytest.mark.parametrize("wrapper", [None, FileWrapper], ids=["our own wrapper", "the server's wrapper"])
@pytest.mark.parametrize("how", ["/static/log.txt", "/sent"])
@pytest.mark.parametrize("asked", [None, "bytes=10-", "bytes=-5", "bytes=0-99999999"])
def test_a_file_that_grows_is_sent_as_long_as_it_was(
    app: Flask, tmp_path: Path, wrapper: Any, how: str, asked: str | None
) -> None:
    log = tmp_path / "static" / "log.txt"
    log.write_bytes(b"0123456789" * 30_000)
    app.add_url_rule("/sent", "sent", lambda: send_file(log, mimetype="text/plain"))

    def grow() -> None:
        with log.open("ab") as file:
            file.write(b"later" * 20_000)

    changes = {"HTTP_RANGE": asked} if asked else {}
    if wrapper:
        changes["wsgi.file_wrapper"] = wrapper
    status, headers, data = body_of(app, how, grow, **changes)

    expected = {None: 300_000, "bytes=10-": 299_990, "bytes=-5": 5, "bytes=0-99999999": 300_000}[asked]
    assert (status[:3], headers["Content-Length"]) == ("206" if asked else "200", str(expected))
    assert len(data) == expected
    assert b"later" not in data


def test_one_that_shrinks_is_shorter_than_it_was_promised(app: Flask, tmp_path: Path) -> None:
    log = tmp_path / "static" / "log.txt"
    log.write_bytes(b"0123456789" * 30_000)

    _, headers, data = body_of(app, "/static/log.txt", lambda: os.truncate(log, 1000))

    assert (headers["Content-Length"], len(data)) == ("300000", 1000)


@pytest.mark.parametrize(
    ("asked", "status", "content_range", "expected"),
    [
        (None, 200, None, b"456789"),
        ("bytes=0-1", 206, "bytes 0-1/6", b"45"),
        ("bytes=4-", 206, "bytes 4-5/6", b"89"),
        ("bytes=-3", 206, "bytes 3-5/6", b"789"),
        ("bytes=6-", 416, "bytes */6", None),
    ],
)
def test_an_open_buffer_is_sent_from_its_position_and_ranges_count_from_there(
    app: Flask, asked: str | None, status: int, content_range: str | None, expected: bytes | None
) -> None:
    buffer = io.BytesIO(b"0123456789")
    buffer.read(4)
    app.add_url_rule("/buffer", "buffer", lambda: send_file(buffer, mimetype="text/plain"))

    with closing(app.test_client().get("/buffer", headers={"Range": asked} if asked else {})) as answer:
        assert (answer.status_code, answer.headers.get("Content-Range")) == (status, content_range)
        if expected is not None:
            assert (answer.data, answer.headers["Content-Length"]) == (expected, str(len(expected)))


@pytest.mark.parametrize("position", [10, 20])
def test_one_that_was_not_rewound_is_empty(app: Flask, position: int) -> None:
    buffer = io.BytesIO(b"0123456789")
    buffer.seek(position)
    app.add_url_rule("/buffer", "buffer", lambda: send_file(buffer, mimetype="text/plain"))

    with closing(app.test_client().get("/buffer")) as answer:
        assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"", "0")


def test_ranges_are_offered_only_where_they_are_served(app: Flask, tmp_path: Path) -> None:
    app.add_url_rule("/open", "open", lambda: send_file((tmp_path / "static/style.css").open("rb"), "text/css"))
    client = app.test_client()

    with closing(client.get("/open")) as unknown, closing(client.get("/static/style.css")) as known:
        assert ("Accept-Ranges" in unknown.headers, known.headers["Accept-Ranges"]) == (False, "bytes")


@pytest.mark.parametrize("max_age", [60.5, 60])
def test_max_age_is_whole_seconds(app: Flask, max_age: Any) -> None:
    app.static_max_age = max_age
    with closing(app.test_client().get("/static/style.css")) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=60"
