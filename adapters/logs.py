"""The access log and the error log of the runners: one line per request or record, whatever was in it.

Files are opened for appending and opened anew on SIGHUP, so that they can be moved away; ``-`` is stderr.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask_embed.environ import escape_controls
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.options import Options

__all__ = ["AccessLog", "logging_to", "reopen_logs"]

logger = logging.getLogger("flask_embed.server")

#: what a reader of the log, or a terminal, could take for something else (CWE-117)
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: the files of this process that are open
_open_files: list[_File] = []


class _File:
    """A file that lines are appended to, each in one write, so that those of several processes do not mix."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fileno = self._opened()
        self._has_failed = False
        _open_files.append(self)

    def _opened(self) -> int:
        if self.path == "-":
            return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
        try:
            return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise UsageError(f"cannot write the log {self.path!r}: {error.strerror}") from None

    def write(self, line: str) -> None:
        """Append *line*; that it cannot be written is said once, and costs nobody an answer."""
        try:
            os.write(self._fileno, line.encode("utf-8", "backslashreplace"))
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                print(f"flask_embed: cannot write the log {self.path!r}: {error.strerror}", file=sys.stderr)

    def reopen(self) -> None:
        """Open the path anew; where that fails the old file is kept."""
        if self.path == "-":
            return
        try:
            fileno = self._opened()
        except UsageError as error:
            logger.error("%s; the old file is kept", error)
            return
        old, self._fileno = self._fileno, fileno
        os.close(old)

    def close(self) -> None:
        _open_files.remove(self)
        if self.path != "-":
            os.close(self._fileno)


def reopen_logs() -> None:
    """Open the files of all logs of this process anew."""
    for file in _open_files:
        file.reopen()


class AccessLog:
    """A line for each request, in the combined format of Apache and nginx."""

    def __init__(self, path: str) -> None:
        self._file = _File(path)
        self._second = 0
        self._date = ""

    def write(self, environ: WSGIEnvironment, status: str, length: int) -> None:
        """A request was answered with this status line and so many bytes of body."""
        now = int(time.time())
        if now != self._second:
            self._second, self._date = now, _date(now)
        target = environ.get("REQUEST_URI")
        if target is None:
            target = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
            if environ.get("QUERY_STRING"):
                target += f"?{environ['QUERY_STRING']}"
        request = f"{environ['REQUEST_METHOD']} {target} {environ.get('SERVER_PROTOCOL', '-')}"
        self._file.write(
            f"{_safe(environ.get('REMOTE_ADDR'))} - {_safe(environ.get('REMOTE_USER'))} [{self._date}] "
            f'"{_safe(request)}" {status[:3]} {length or "-"} '
            f'"{_safe(environ.get("HTTP_REFERER"))}" "{_safe(environ.get("HTTP_USER_AGENT"))}"\n'
        )

    def close(self) -> None:
        """Close its file."""
        self._file.close()


def _safe(value: str | None) -> str:
    if not value:
        return "-"
    return _UNSAFE.sub(lambda match: "".join(f"\\x{byte:02x}" for byte in _bytes(match[0])), value)


def _bytes(character: str) -> bytes:
    return character.encode("latin-1") if character <= "\xff" else character.encode("utf-8", "surrogatepass")


def _date(now: int) -> str:
    local = time.localtime(now)
    # Not by strftime, whose names of months follow the locale.
    return time.strftime(f"%d/{_MONTHS[local.tm_mon - 1]}/%Y:%H:%M:%S %z", local)


@contextmanager
def logging_to(options: Options, name: str | None = None) -> Iterator[None]:
    """Send what is logged to where the options say, within the block: all of it, or that of one logger.

    An app that has set up logging itself keeps that: where the logger has handlers already, nothing is done.
    """
    root = logging.getLogger(name)
    if root.handlers:
        yield
        return
    file = _File(options.error_logfile)
    handler = _Handler(file)
    handler.setFormatter(_Formatter("%(asctime)s [%(process)d] %(levelname)s %(name)s: %(message)s"))
    level, propagate = root.level, root.propagate
    root.addHandler(handler)
    root.setLevel(options.log_level.upper())
    root.propagate = False
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        root.propagate = propagate
        file.close()


class _Handler(logging.Handler):
    def __init__(self, file: _File) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._file.write(self.format(record) + "\n")
        except Exception:  # of the arguments of a foreign message
            self.handleError(record)


class _Formatter(logging.Formatter):
    """A record is one line; those of a traceback are indented, so that none of them passes for a record."""

    default_msec_format = ""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = escape_controls(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {escape_controls(line)}" for line in lines)

    def formatStack(self, stack_info: str) -> str:
        return "\n".join(f"  {escape_controls(line)}" for line in stack_info.split("\n"))
