"""File responses (200, 206, 304), and safe lookup of files whose names clients choose."""

from __future__ import annotations

import io
import mimetypes
import os
import re
import time
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from stat import S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote
from zlib import adler32

from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable
from werkzeug.http import dump_options_header, http_date, is_resource_modified, quote_etag
from werkzeug.security import safe_join
from werkzeug.wsgi import FileWrapper

from flask_embed.ctx import current_context
from flask_embed.responses import content_type_of
from flask_embed.streaming import FileBody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.responses import Response

__all__ = ["send_file", "send_from_directory"]

#: the conditions of RFC 9110 section 13.1 as keys of an environ; If-Range is evaluated with the Range
_CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH")

#: RFC 9110 section 14.1.1, int-range and suffix-range; 18 digits hold the length of any file. The quantifiers are
#: possessive (``+``): otherwise a run of blanks would be divided between two places in all ways, in the square of its
#: length.
_RANGE = re.compile(r"[ \t]*+([0-9]{0,18}+)[ \t]*+-[ \t]*+([0-9]{0,18}+)[ \t]*+", re.ASCII)


def send_file(
    path_or_file: str | os.PathLike[str] | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | int | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
) -> Response:
    """A response with a file: a path (relative to the app's root_path), or a file that is open in binary mode.

    It answers conditional requests and requests for one range; the file is closed with the response. Of a file that
    grows while it is sent the length at the beginning is sent; one that shrinks ends the answer early. An open file is
    sent from its position to its end, and the ranges of a :class:`io.BytesIO` are counted from there. Never pass a path
    that a client chose: use :func:`send_from_directory`. *max_age* is in seconds, or a function of the path that
    returns them. OSError if the file is missing, TypeError if an open file has neither a *mimetype* nor a
    *download_name* to guess it from.
    """
    status = None
    if isinstance(path_or_file, str | os.PathLike):
        path_or_file = os.path.join(current_context().app.root_path, path_or_file)
        status = os.stat(path_or_file)
    return _send(
        path_or_file, status, mimetype, as_attachment, download_name, conditional, etag, last_modified, max_age
    )


def send_from_directory(
    directory: str | os.PathLike[str], path: str, follow_symlinks: bool = False, **options: Any
) -> Response:
    """A response with the file *path*, which a client may choose, below *directory*; options as in :func:`send_file`.

    404 unless it is a plain file there: for a folder, a pipe, a way out of *directory* by dots, by an absolute path,
    by a drive or stream name of Windows, or by a symbolic link (unless *follow_symlinks*)::

        @app.route("/downloads/<path:name>")
        def download(name):
            return send_from_directory("downloads", name, as_attachment=True)
    """
    root = os.path.join(current_context().app.root_path, directory)
    return _send(*_file_below(root, path, follow_symlinks), **options)


def _file_below(root: str, path: str, follow_symlinks: bool) -> tuple[str, os.stat_result]:
    """The name and the status of the plain file *path* below the folder *root*; NotFound for anything else."""
    if not path or path.endswith("/") or "\0" in path or "\\" in path or ":" in path:
        raise NotFound
    name = safe_join(root, path)
    if name is None:
        raise NotFound
    try:
        status = os.stat(name) if follow_symlinks else _inside(root, name)
    except (OSError, ValueError):
        raise NotFound from None
    if not S_ISREG(status.st_mode):
        raise NotFound
    return name, status


def _inside(root: str, name: str) -> os.stat_result:
    """The status of the file *name* below *root*; NotFound if a link in it leads out of *root*."""
    place = root
    status = None
    for segment in name[len(root) :].strip("/").split("/"):
        place = f"{place}/{segment}"
        status = os.lstat(place)
        if S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", False):  # Windows: a junction
            real_root = os.path.realpath(root)
            if os.path.commonpath((real_root, os.path.realpath(name))) != real_root:
                raise NotFound
            return os.stat(name)
    return status or os.stat(name)  # the latter for an empty path, which safe_join() does not return


def _send(
    path_or_file: str | IO[bytes],
    status: os.stat_result | None,
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | int | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
) -> Response:
    """The response of :func:`send_file` for an absolute path and its status, or for an open file and None."""
    context = current_context()
    environ = context.environ
    path = size = None
    offset = 0
    if status is not None:
        path, size = str(path_or_file), status.st_size
        if download_name is None:
            download_name = os.path.basename(path)
        if last_modified is None:
            last_modified = status.st_mtime
        if etag is True:
            etag = f"{status.st_mtime}-{size}-{adler32(os.fsencode(path))}"
    elif isinstance(path_or_file, io.BytesIO):
        offset = path_or_file.tell()
        size = max(path_or_file.getbuffer().nbytes - offset, 0)
    elif isinstance(path_or_file, io.TextIOBase):
        raise ValueError(f"{path_or_file!r} is a text file: open it in binary mode")
    headers = _description(mimetype, download_name, as_attachment)
    tag = ""
    if isinstance(etag, str):
        tag = quote_etag(etag)
        headers.append(("ETag", tag))
    if isinstance(last_modified, (int, float)):
        headers.append(("Last-Modified", _date(int(last_modified))))
        last_modified = datetime.fromtimestamp(int(last_modified), UTC)
    elif last_modified is not None:
        headers.append(("Last-Modified", http_date(last_modified)))
    headers += _freshness(max_age(path) if callable(max_age) else max_age)
    code, start, length = 200, 0, size
    if conditional and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        if size is not None:
            headers.append(("Accept-Ranges", "bytes"))
        try:
            code, start, length = _answer(environ, tag, last_modified, size)
        except RequestedRangeNotSatisfiable:
            if not isinstance(path_or_file, str):
                path_or_file.close()
            raise
    if length is not None:
        headers.append(("Content-Length", str(length)))
    if code == 206:
        headers.append(("Content-Range", f"bytes {start}-{start + (length or 0) - 1}/{size}"))
    response_class = context.app.response_class
    if code in (304, 412):
        if not isinstance(path_or_file, str):
            path_or_file.close()
        return response_class(None, code, headers)
    file = path_or_file
    if isinstance(file, str):
        file = cast("IO[bytes]", open(file, "rb", buffering=0))  # noqa: SIM115 the response closes it, and reads large blocks
    if start:
        file.seek(offset + start)
    if length is not None:  # the file may grow while it is sent
        file = cast("IO[bytes]", _Limited(file, length))
    # An open file may depend on something that ends with the request, such as a connection to a database.
    wrap: Callable[[IO[bytes]], Iterable[bytes]] = FileWrapper if status is None else FileBody
    wrap = environ.get("wsgi.file_wrapper", wrap)
    return response_class(wrap(file), code, headers, direct_passthrough=True)


def _description(mimetype: str | None, name: str | None, as_attachment: bool) -> list[tuple[str, str]]:
    """The headers that describe the file: Content-Type, Content-Encoding and Content-Disposition."""
    encoding = None
    if mimetype is None:
        if name is None:
            raise TypeError("an open file has no name to guess its type from: pass mimetype= or download_name=")
        mimetype, encoding = mimetypes.guess_type(name)
        mimetype = mimetype or "application/octet-stream"
    headers = [("Content-Type", content_type_of(mimetype) or mimetype)]
    if encoding is not None and not as_attachment:  # or a browser would decompress the file that it saves
        headers.append(("Content-Encoding", encoding))
    if name is not None:
        names = {"filename": name}
        if not name.isascii():  # RFC 6266 section 4.3: both, for clients that do not know the second
            plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
            names = {"filename": plain, "filename*": "UTF-8''" + quote(name, safe="!#$&+-.^_`|~")}
        kind = "attachment" if as_attachment else "inline"
        headers.append(("Content-Disposition", dump_options_header(kind, names)))
    elif as_attachment:
        raise TypeError("an attachment that is an open file has no name: pass download_name=")
    return headers


def _answer(
    environ: WSGIEnvironment, tag: str, modified: datetime | None, size: int | None
) -> tuple[int, int, int | None]:
    """The status for the request's conditions, and the position and the length of the content to send.

    The order is that of RFC 9110 section 13.2.2: a 304 goes before a range. Raises RequestedRangeNotSatisfiable.
    """
    if any(map(environ.get, _CONDITIONS)) and not _is_modified(environ, tag, modified):
        return (412, 0, 0) if environ.get("HTTP_IF_MATCH") else (304, 0, None)
    asked = environ.get("HTTP_RANGE") if size and environ["REQUEST_METHOD"] == "GET" else None
    unit, _, ranges = (asked or "").partition("=")
    # An unknown unit is ignored. Several ranges may be ignored, too (RFC 9110 section 14.2): the whole file is cheaper
    # than many small ranges.
    if not size or unit.strip().lower() != "bytes" or "," in ranges:
        return 200, 0, size
    if "HTTP_IF_RANGE" in environ and _is_modified(environ, tag, modified, ignore_if_range=False):
        return 200, 0, size
    first, last = _range(ranges, size)
    return 206, first, last + 1 - first


def _is_modified(environ: WSGIEnvironment, tag: str, modified: datetime | None, ignore_if_range: bool = True) -> bool:
    """True if the client's copy of the file is outdated; a date out of range is ignored."""
    try:
        return is_resource_modified(environ, tag, last_modified=modified, ignore_if_range=ignore_if_range)
    except OverflowError:  # werkzeug (3.1.9) does not catch it
        if not ignore_if_range:
            return True
        rest = {key: value for key, value in environ.items() if key != "HTTP_IF_MODIFIED_SINCE"}
        return is_resource_modified(rest, tag, last_modified=modified)


def _range(spec: str, size: int) -> tuple[int, int]:
    """The first and the last position of a range of *size* bytes: ``2-5``, ``2-`` or ``-5``, the last five."""
    match = _RANGE.fullmatch(spec)
    begin, end = match.groups() if match is not None else ("", "")
    if begin:
        first, last = int(begin), min(int(end or size), size - 1)
    elif end:
        first, last = max(size - int(end), 0), size - 1
    else:
        raise RequestedRangeNotSatisfiable(size)
    if first > last:
        raise RequestedRangeNotSatisfiable(size)
    return first, last


class _Limited:
    """The next *length* bytes of a file, as a file."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._left = length

    def read(self, size: int = -1) -> bytes:
        """At most *size* of the bytes; empty at the end."""
        if not self._left:
            return b""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _freshness(max_age: int | None) -> list[tuple[str, str]]:
    """The headers Cache-Control and Expires for a lifetime of *max_age* seconds; None has the client ask each time."""
    if max_age is None:
        return [("Cache-Control", "no-cache")]
    max_age = int(max_age)  # RFC 9111 section 1.2.2, delta-seconds: whole ones
    kind = "public" if max_age > 0 else "no-cache"
    expires = http_date(int(time.time()) + max_age)
    return [("Cache-Control", f"{kind}, max-age={max_age}"), ("Expires", expires)]


@lru_cache(maxsize=256)
def _date(seconds: int) -> str:
    """The date of a header (RFC 9110 section 5.6.7)."""
    return http_date(seconds)
