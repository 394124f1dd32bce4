"""Start again when a file changes: for development."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Changes"]

_INTERVAL = 0.5


class Changes:
    """The source files of the modules of this process, and which of them has changed; made before they are loaded."""

    def __init__(self) -> None:
        #: when each file was changed last, as it was first seen
        self._known: dict[str, int | None] = {}
        self._since = time.time_ns()
        #: the file that has changed
        self.path: str | None = None

    def watch(self, changed: Callable[[], None]) -> None:
        """Look at the files from now on, beside what else is done; *changed* is called when one has changed."""
        self._look()  # what it finds now, it finds once more below

        def look() -> None:
            while not self._look():
                time.sleep(_INTERVAL)
            self._tell()
            changed()

        threading.Thread(target=look, daemon=True).start()

    def wait(self, error: BaseException, is_needed: Callable[[], bool]) -> None:
        """Return when a file has changed, or when it is not needed any more.

        That is a file of a module, one that *error* came from, or one beside it: a module that was missing.
        """
        while is_needed():
            if self._look(_files_around(error)):
                self._tell()
                return
            time.sleep(_INTERVAL)

    def _tell(self) -> None:
        if self.path is not None:
            path = os.path.relpath(self.path)
            print(f"flask_embed: {path} has changed, starting again", file=sys.stderr, flush=True)

    def _look(self, more: Iterable[str] = ()) -> bool:
        """Whether a file has changed."""
        modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        for path in {path for path in modules if isinstance(path, str)}.union(more):
            now = _changed_at(path)
            # One that is seen first may have changed after it was read: then it is younger than this process.
            before = self._known.setdefault(path, now)
            if now != before or (now is not None and self._since < now <= time.time_ns()):
                self.path = path
                return True
        return False


def _changed_at(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def _files_around(error: BaseException) -> set[str]:
    """The Python files in the folders that an exception of an import has to do with, and in the current one."""
    files = set()
    cause: BaseException | None = error
    while cause is not None:
        traceback = cause.__traceback__
        while traceback is not None:
            files.add(traceback.tb_frame.f_code.co_filename)
            traceback = traceback.tb_next
        if isinstance(cause, SyntaxError) and cause.filename:
            files.add(cause.filename)
        cause = cause.__cause__ or cause.__context__
    files = {path for path in files if os.path.isfile(path)}
    for folder in {os.getcwd(), *map(os.path.dirname, files)}:
        try:
            files.update(entry.path for entry in os.scandir(folder) if entry.name.endswith(".py"))
        except OSError:
            continue  # a folder may go, too
    return files
