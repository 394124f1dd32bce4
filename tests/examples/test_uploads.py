"""The files: names, limits, downloads in part, and what a file must not do."""

from __future__ import annotations

import io
import os
import runpy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from examples import uploads
from tests.examples.test_portal import Links

if TYPE_CHECKING:
    from pathlib import Path

    from flask_embed import Flask
    from flask_embed.testing import Client


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the files, made for the first one that is sent."""
    monkeypatch.setattr(uploads, "FOLDER", tmp_path / "new" / "files")
    return uploads.FOLDER


@pytest.fixture
def client(folder: Path) -> Client:
    return uploads.app.test_client()


def send(client: Client, *files: tuple[bytes, str], **options: Any) -> Any:
    form = {"file": [(io.BytesIO(content), name) for content, name in files]}
    return client.post("/", data=form, **options)


def listed(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_there_are_no_files_yet(client: Client) -> None:
    page = client.get("/").text

    assert "No files yet." in page
    assert "Up to 64.0 MiB at once" in page


def test_a_file_is_stored_listed_and_fetched_again(client: Client, folder: Path) -> None:
    page = send(client, (b"some text", "notes.txt"), follow_redirects=True).text

    assert "Stored: notes.txt" in page
    assert '<a href="/files/notes.txt">notes.txt</a>' in page
    assert "9 Bytes" in page
    response = client.get("/files/notes.txt")
    assert response.data == b"some text"
    assert listed(folder) == {"notes.txt": b"some text"}
    response.close()


def test_several_files_are_stored_at_once(client: Client, folder: Path) -> None:
    page = send(client, (b"1", "one.txt"), (b"2", "two.txt"), follow_redirects=True).text

    assert "Stored: one.txt, two.txt" in page
    assert listed(folder) == {"one.txt": b"1", "two.txt": b"2"}


def test_a_file_larger_than_a_form_field_may_be_is_stored(client: Client, folder: Path) -> None:
    content = os.urandom(1_000_000)
    boundary, body = encode_multipart({"file": FileStorage(io.BytesIO(content), "large.bin")})

    response = client.post("/", data=body, content_type=f"multipart/form-data; boundary={boundary}")

    assert response.status_code == 302
    assert listed(folder) == {"large.bin": content}


def test_a_name_that_is_taken_gets_a_number_and_nothing_is_overwritten(client: Client, folder: Path) -> None:
    for content in (b"first", b"second", b"third"):
        send(client, (content, "a.txt"))

    assert listed(folder) == {"a.txt": b"first", "a-2.txt": b"second", "a-3.txt": b"third"}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("/etc/passwd", "etc_passwd"),
        ("C:\\temp\\x.txt", "Ctempx.txt"),
        (".htaccess", "htaccess"),
        ("..", "file"),
        ("日本.txt", "txt"),
        ("<script>.html", "script.html"),
        ("a b.txt", "a_b.txt"),
        ("x" * 300 + ".txt", "x" * 80 + ".txt"),
        ("x." + "y" * 300, "x." + "y" * 15),
    ],
)
def test_only_a_safe_name_is_kept(client: Client, folder: Path, sent: str, stored: str) -> None:
    send(client, (b"content", sent))

    assert listed(folder) == {stored: b"content"}
    assert list(folder.parent.iterdir()) == [folder]


@given(st.text(max_size=300))
def test_any_name_becomes_one_that_is_safe(filename: str) -> None:
    names = uploads.free_names(filename)

    for name in (next(names), next(names)):
        assert name == os.path.basename(name)
        assert not name.startswith(".")
        assert 0 < len(name.encode()) <= 120
        assert name.isascii()
        assert name.isprintable()


@pytest.mark.parametrize("files", [[], [(b"", "")]], ids=["no file", "an empty field"])
def test_sending_nothing_is_refused_with_a_hint(client: Client, folder: Path, files: list[tuple[bytes, str]]) -> None:
    response = send(client, *files, content_type="multipart/form-data")

    assert response.status_code == 400
    assert "Choose a file first." in response.text
    assert listed(folder) == {}


def test_an_empty_file_is_a_file(client: Client, folder: Path) -> None:
    send(client, (b"", "empty"))

    assert listed(folder) == {"empty": b""}


def test_a_request_that_is_too_large_is_refused(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MEBIBYTE", 1000)
    monkeypatch.setattr(uploads.app, "max_content_length", 2000)

    response = send(client, (b"x" * 2000, "large"))

    assert response.status_code == 413
    assert "up to 2 MiB go" in response.text
    assert listed(folder) == {}


def test_a_full_folder_takes_no_more(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "QUOTA", 10)
    send(client, (b"12345678", "a"))

    response = send(client, (b"1", "b"), (b"12", "c"))

    assert response.status_code == 400
    assert "Remove some files first." in response.text
    assert listed(folder) == {"a": b"12345678"}
    assert send(client, (b"12", "b")).status_code == 302


def test_there_is_room_for_so_many_files(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    send(client, (b"1", "a"))

    response = send(client, (b"1", "b"), (b"1", "c"))

    assert response.status_code == 400
    assert "There is room for 2 files, and 1 are here." in response.text
    assert send(client, (b"1", "b")).status_code == 302
    assert sorted(listed(folder)) == ["a", "b"]


def test_a_file_that_cannot_be_written_whole_leaves_nothing(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, file: Any, *args: object) -> None:
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("werkzeug.datastructures.FileStorage.save", full)
    monkeypatch.setattr(uploads.app, "log_exception", lambda error: None)

    assert send(client, (b"content", "a")).status_code == 500
    assert listed(folder) == {}


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "script.js", "notes.txt", "unknown"])
def test_no_file_is_shown_as_a_page(client: Client, name: str) -> None:
    send(client, (b"<script>alert(1)</script>", name))

    with client.get(f"/files/{name}") as response:
        assert response.headers["Content-Disposition"] == f"attachment; filename={name}"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=10-", 416, None),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_a_part_of_a_file_is_sent(client: Client, asked: str, status: int, content: bytes | None) -> None:
    send(client, (b"0123456789", "digits"))

    with client.get("/files/digits", headers={"Range": asked}) as response:
        assert response.status_code == status
        if content is None:
            assert response.headers["Content-Range"] == "bytes */10"
        else:
            assert response.data == content


def test_a_file_that_the_client_has_is_not_sent_again(client: Client) -> None:
    send(client, (b"0123456789", "digits"))
    with client.get("/files/digits") as first:
        etag = first.headers["ETag"]

    with client.get("/files/digits", headers={"If-None-Match": etag}) as response:
        assert (response.status_code, response.data) == (304, b"")


def test_a_file_is_removed(client: Client, folder: Path) -> None:
    send(client, (b"1", "a"), (b"2", "b"))

    page = client.post("/files/a/remove", follow_redirects=True).text

    assert "Removed: a" in page
    assert listed(folder) == {"b": b"2"}
    assert client.post("/files/a/remove").status_code == 302


@pytest.mark.parametrize("name", ["..%2Fother", "%2E%2E", ".", "link", "folder", "a%00"])
def test_only_a_file_of_the_folder_can_be_fetched_or_removed(client: Client, folder: Path, name: str) -> None:
    send(client, (b"1", "a"))
    other = folder.parent / "other"
    other.write_bytes(b"kept")
    (folder / "link").symlink_to(other)
    (folder / "folder").mkdir()

    assert client.get(f"/files/{name}").status_code in (404, 400, 308)
    client.post(f"/files/{name}/remove")
    assert other.read_bytes() == b"kept"
    assert sorted(path.name for path in folder.iterdir()) == ["a", "folder", "link"]
    page = client.get("/").text
    assert ">a</a>" in page
    assert ">link</a>" not in page


@pytest.mark.parametrize("path", ["/", "/files/a/remove"])
def test_forms_of_other_sites_are_refused(client: Client, folder: Path, path: str) -> None:
    send(client, (b"1", "a"))

    response = client.post(path, data={"file": (io.BytesIO(b"forged"), "b")}, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert listed(folder) == {"a": b"1"}


def test_every_link_and_form_works_below_a_prefix(client: Client) -> None:
    send(client, (b"1", "a b.txt"))

    page = client.get("/", base_url="http://localhost/mounted/").text

    assert Links(page).found == {
        "/mounted/",
        "/mounted/static/style.css",
        "/mounted/static/progress.js",
        "/mounted/files/a_b.txt",
        "/mounted/files/a_b.txt/remove",
    }


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOADS_FOLDER", "/srv/files")

    assert str(runpy.run_module("examples.uploads.__init__")["FOLDER"]) == "/srv/files"


def test_run_as_a_module_it_is_served(served: list[Flask]) -> None:
    runpy.run_module("examples.uploads", run_name="__main__")

    assert served == [uploads.app]
