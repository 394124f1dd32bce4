"""Start again when a file changes: for development."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

__all__ = ["Changes"]

_INTERVAL = 0.5


class Changes:
    """The source files of the modules of this process, and which of them has changed since they were loaded."""

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {}
        #: the file that has changed
        self.path: str | None = None

    def watch(self) -> None:
        """Look at the files from now on, beside what else is done; the process gets SIGTERM when one has changed."""
        self._look()
        threading.Thread(target=self._end_when_changed, daemon=True).start()

    def wait(self, error: BaseException) -> None:
        """Return when a file has changed: one of a module, or of those that *error* came from."""
        for path in _files_of(error):
            self._known.setdefault(path, _changed_at(path))
        self._look()
        while not self._look():
            time.sleep(_INTERVAL)

    def _end_when_changed(self) -> None:
        while not self._look():
            time.sleep(_INTERVAL)
        os.kill(os.getpid(), signal.SIGTERM)

    def _look(self) -> bool:
        """Whether a file has changed since it was first seen; that is said on stderr."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path not in self._known:
                self._known[path] = _changed_at(path)
        for path, before in self._known.items():
            if _changed_at(path) != before:
                self.path = path
                print(f"flask_embed: {os.path.relpath(path)} has changed, starting again", file=sys.stderr, flush=True)
                return True
        return False


def _changed_at(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def _files_of(error: BaseException) -> set[str]:
    """The files that an exception of an import has to do with."""
    found = set()
    traceback = error.__traceback__
    while traceback is not None:
        found.add(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        found.add(error.filename)
    return {path for path in found if os.path.isfile(path)}
