"""Files: sent with a progress bar, kept under safe names, fetched again whole or in part.

``python -m examples.uploads`` serves it, README.md has the rest.
"""

from __future__ import annotations

import os
import secrets
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from flask_embed import (
    Flask,
    Response,
    flash,
    redirect,
    refuse_cross_origin,
    render_template,
    request,
    secure_filename,
    send_from_directory,
    url_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.datastructures import FileStorage

app = Flask(__name__)

#: Where the files are: no folder that a web server shows by itself, and none that Python imports from.
FOLDER = Path(os.environ.get("UPLOADS_FOLDER") or os.path.join(app.root_path, "files"))

MEBIBYTE = 1024 * 1024

#: Bytes that one request may have; the framework refuses a larger one with 413 before it is read.
app.max_content_length = 64 * MEBIBYTE

#: the most bytes and files in the folder: uploads must not fill the disk
QUOTA = 512 * MEBIBYTE
MOST_FILES = 100

#: characters of a file name that are kept, apart from its ending
LONGEST_STEM = 80
LONGEST_ENDING = 16

# Signs the messages that the next page shows, and nothing that would have to outlive a restart.
app.secret_key = secrets.token_hex()


class StoredFile(NamedTuple):
    """A file in the folder."""

    name: str
    #: in bytes
    size: int


def stored_files() -> list[StoredFile]:
    """The files in the folder by name; neither links nor folders that somebody else put there."""
    if not FOLDER.is_dir():
        return []
    with os.scandir(FOLDER) as entries:
        files = [
            StoredFile(entry.name, entry.stat(follow_symlinks=False).st_size)
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        ]
    return sorted(files, key=lambda file: file.name.lower())


def free_names(filename: str) -> Iterator[str]:
    """Names to store a file under: what is safe of the name that it has at the client, then the same with a number."""
    # What a client calls a file may be a path, nothing at all, or 10,000 characters long.
    stem, ending = os.path.splitext(secure_filename(filename) or "file")
    stem, ending = stem[:LONGEST_STEM], ending[:LONGEST_ENDING]
    yield stem + ending
    for number in count(2):
        yield f"{stem}-{number}{ending}"


def create_file(filename: str) -> IO[bytes]:
    """A new file, under the first of these names that is free; close it yourself. None is ever overwritten."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in free_names(filename):
        try:
            return (FOLDER / name).open("xb")  # "x": fails if there is one, even if it came this moment
        except FileExistsError:
            continue
    raise AssertionError("the names never end")


def store(upload: FileStorage) -> str:
    """Keep a file that was sent, whole or not at all; returns the name that it has from now on."""
    with create_file(upload.filename or "") as file:
        try:
            upload.save(file)
        except BaseException:
            os.unlink(file.name)
            raise
    return os.path.basename(file.name)


def size_of(upload: FileStorage) -> int:
    """The bytes of a file that was sent."""
    size = upload.stream.seek(0, os.SEEK_END)
    upload.stream.seek(0)
    return size


# Forms are taken from our own pages only: a page elsewhere must not put files here, or remove them (CSRF).
app.before_request(refuse_cross_origin)


@app.after_request
def guard_pages(response: Response) -> Response:
    """Let a browser take each response for what it is called, and run no script but ours."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
    return response


@app.route("/")
def show_files(error: str = "") -> str:
    """The form for files, with what was wrong with the last ones sent, and the files that are here."""
    return render_template("files.html", files=stored_files(), error=error, largest=app.max_content_length)


@app.route("/", methods=["POST"])
def add_files() -> Response | tuple[str, int]:
    """Keep the files that were sent, all of them or none."""
    uploads = [upload for upload in request.files.getlist("file") if upload.filename]
    if error := fault(uploads):
        return show_files(error), 400
    names = [store(upload) for upload in uploads]
    flash(f"Stored: {', '.join(names)}")
    return redirect(url_for("show_files"))


def fault(uploads: list[FileStorage]) -> str:
    """Why these files are not taken; empty if they are."""
    if not uploads:
        return "Choose a file first."
    files = stored_files()
    if len(files) + len(uploads) > MOST_FILES:
        return f"There is room for {MOST_FILES} files, and {len(files)} are here. Remove some first."
    taken, asked = sum(file.size for file in files), sum(size_of(upload) for upload in uploads)
    if taken + asked > QUOTA:
        return f"That would be more than the {QUOTA // MEBIBYTE} MiB that there are. Remove some files first."
    return ""


@app.errorhandler(413)
def say_too_large() -> tuple[str, int]:
    """The page again, for a request that was refused because of its size."""
    return show_files(f"That is too much at once: up to {(app.max_content_length or 0) // MEBIBYTE} MiB go."), 413


@app.route("/files/<name>")
def send_stored_file(name: str) -> Response:
    """One of the files, or the range of it that the client asks for.

    As an attachment, which a browser saves: a page or a picture with scripts must not run here.
    """
    return send_from_directory(FOLDER, name, as_attachment=True)


@app.route("/files/<name>/remove", methods=["POST"])
def remove_file(name: str) -> Response:
    """Remove a file; no harm if it is gone already."""
    if name in [file.name for file in stored_files()]:  # an unknown name never becomes a path
        (FOLDER / name).unlink(missing_ok=True)
        flash(f"Removed: {name}")
    return redirect(url_for("show_files"))
