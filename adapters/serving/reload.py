"""Start again when a file changes: for development."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["FileWatcher"]

_INTERVAL = 0.5


class FileWatcher:
    """Watches the source files of the modules of this process; made before they are loaded."""

    def __init__(self) -> None:
        #: the modification time of each file when it was first seen
        self._known: dict[str, int | None] = {}
        self._since = time.time_ns()
        #: the file that has changed
        self.path: str | None = None

    def watch(self, changed: Callable[[], None]) -> None:
        """Watch the files in a thread, which calls *changed* when one has changed."""
        self._scan()  # records modification times; the thread reports a change

        def watch() -> None:
            while not self._scan():
                time.sleep(_INTERVAL)
            self._announce()
            changed()

        threading.Thread(target=watch, daemon=True).start()

    def wait(self, error: BaseException, is_needed: Callable[[], bool]) -> None:
        """Return when a file has changed, or when *is_needed* is False.

        Watched are the files of modules, those that *error* came from, and those beside them: a module may have been
        missing.
        """
        while is_needed():
            if self._scan(_files_around(error)):
                self._announce()
                return
            time.sleep(_INTERVAL)

    def _announce(self) -> None:
        if self.path is not None:
            path = os.path.relpath(self.path)
            print(f"flask_embed: {path} has changed, starting again", file=sys.stderr, flush=True)

    def _scan(self, more: Iterable[str] = ()) -> bool:
        """True if a file has changed."""
        modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        for path in {path for path in modules if isinstance(path, str)}.union(more):
            now = _changed_at(path)
            # A file that is seen for the first time has changed if it is younger than this process.
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
    """The Python files in the folders that the traceback of a failed import names, and in the current one."""
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
