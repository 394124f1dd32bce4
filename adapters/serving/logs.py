"""The access log and the error log of the runners: one line per request or record, controls in it escaped.

Files are opened for appending and opened anew on SIGHUP, so that they can be moved away; ``-`` is stderr.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask_embed.environ import escape_controls
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.options import Options

__all__ = ["AccessLog", "logging_to", "reopen_logs"]

logger = logging.getLogger("flask_embed.server")

#: characters that could forge a line or command a terminal (CWE-117)
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: the files of this process that are open
_open_files: list[_File] = []


class _File:
    """A file that lines are appended to, each in one write, so that those of several processes do not mix.

    A write that fails is passed to *report*, once until one succeeds.
    """

    def __init__(self, path: str, report: Callable[[str], None]) -> None:
        # Absolute, so that reopen() finds the same file after the app has changed the folder.
        self.path = path if path == "-" else os.path.abspath(path)
        self._report = report
        self._fileno = self._opened()
        self._has_failed = False
        _open_files.append(self)

    def _opened(self) -> int:
        if self.path == "-":
            # Without a stderr, descriptor 2 may be anything that was opened since.
            return sys.__stderr__.fileno() if sys.__stderr__ is not None else os.open(os.devnull, os.O_WRONLY)
        try:
            return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise UsageError(f"cannot write the log {self.path!r}: {error.strerror}") from None

    def write(self, line: str) -> None:
        """Append *line*; a failure is reported, not raised."""
        data = line.encode("utf-8", "backslashreplace")
        try:
            if os.write(self._fileno, data) < len(data):  # as on a disk that is full
                os.write(self._fileno, b"\n")  # so that the next line begins a line
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                self._report(f"cannot write the log {self.path!r}: {error.strerror}")

    def reopen(self) -> None:
        """Open the path anew; the old file is kept where that fails."""
        if self.path == "-":
            return
        try:
            fileno = self._opened()
        except UsageError as error:
            logger.error("%s; the old file is kept", error)
            return
        # In one step: a thread that writes at this moment must not find the descriptor closed, or used by a connection.
        os.dup2(fileno, self._fileno, inheritable=False)
        os.close(fileno)

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
        self._file = _File(path, logger.error)
        #: the second of the last line, and its text
        self._now = (0, "")

    def write(self, environ: WSGIEnvironment, status: str, length: int) -> None:
        """Log one request that was answered with this status line and so many bytes of body."""
        now = int(time.time())
        second, date = self._now
        if now != second:
            date = _date(now)
            self._now = now, date
        target = environ.get("REQUEST_URI")
        if target is None:
            path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
            target = quote(path.encode("latin-1", "backslashreplace"))
            if environ.get("QUERY_STRING"):
                target += f"?{environ['QUERY_STRING']}"
        # The app may have put anything into the environ.
        request = f"{environ.get('REQUEST_METHOD', '-')} {target} {environ.get('SERVER_PROTOCOL', '-')}"
        self._file.write(
            f"{_word(environ.get('REMOTE_ADDR'))} - {_word(environ.get('REMOTE_USER'))} [{date}] "
            f'"{_safe(request)}" {status[:3]} {length or "-"} '
            f'"{_safe(environ.get("HTTP_REFERER"))}" "{_safe(environ.get("HTTP_USER_AGENT"))}"\n'
        )

    def close(self) -> None:
        """Close its file."""
        self._file.close()


def _safe(value: object) -> str:
    if not value:
        return "-"
    return _UNSAFE.sub(lambda match: "".join(f"\\x{byte:02x}" for byte in _bytes(match[0])), str(value))


def _word(value: object) -> str:
    """The value as a word without quotes around it."""
    return _safe(value).replace(" ", "\\x20")


def _bytes(character: str) -> bytes:
    return character.encode("latin-1") if character <= "\xff" else character.encode("utf-8", "surrogatepass")


def _date(now: int) -> str:
    local = time.localtime(now)
    # Not by strftime, whose names of months follow the locale.
    return time.strftime(f"%d/{_MONTHS[local.tm_mon - 1]}/%Y:%H:%M:%S %z", local)


@contextmanager
def logging_to(options: Options, name: str | None = None) -> Iterator[None]:
    """Within the block, log to the file of the options: everything, or the records of one logger.

    Where the logger has handlers already, nothing is done: the app has set up logging itself.
    """
    root = logging.getLogger(name)
    if root.handlers:
        yield
        return
    file = _File(options.error_logfile, _print_error)
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


def _print_error(line: str) -> None:
    print(f"flask_embed: {line}", file=sys.stderr, flush=True)


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
    """Formats a record as one line, and a traceback as indented lines, so that none of them looks like a record."""

    default_msec_format = ""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escape_controls(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        # Not in formatException: its result is kept in the record, for other formatters too.
        first, *traceback = super().format(record).split("\n")
        return "\n".join([first, *(f"  {escape_controls(line)}" for line in traceback)])
