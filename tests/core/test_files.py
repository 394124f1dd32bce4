"""Sending files, static ones among them."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from flask_embed import Flask, send_file, send_from_directory

if TYPE_CHECKING:
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
