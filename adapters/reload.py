"""Start again when a file changes: for development."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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

    def watch(self) -> None:
        """Look at the files from now on, beside what else is done; the process gets SIGTERM when one has changed."""
        threading.Thread(target=self._end_when_changed, daemon=True).start()

    def wait(self, error: BaseException) -> None:
        """Return when a file has changed: one of a module, or of those that *error* came from."""
        more = _files_of(error)
        while not self._look(more):
            time.sleep(_INTERVAL)

    def _end_when_changed(self) -> None:
        while not self._look():
            time.sleep(_INTERVAL)
        os.kill(os.getpid(), signal.SIGTERM)

    def _look(self, more: Iterable[str] = ()) -> bool:
        """Whether a file has changed; that is said on stderr."""
        modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        for path in {path for path in modules if isinstance(path, str)}.union(more):
            now = _changed_at(path)
            # One that is seen first may have changed after it was read: then it is younger than this process.
            before = self._known.setdefault(path, now)
            if now != before or (now is not None and self._since < now <= time.time_ns()):
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
