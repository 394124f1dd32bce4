"""The file of ``--pid``: the process id of a running server."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pid_file"]


@contextlib.contextmanager
def pid_file(path: str | None) -> Iterator[None]:
    """Keep the id of this process in the file *path* within the block; nothing is written if *path* is None.

    A file that a dead server has left is overwritten. :exc:`~flask_embed.errors.UsageError` if the file belongs to a
    running process, holds something else, or cannot be written. At the end of the block it is removed, unless another
    process has written to it.
    """
    if path is None:
        yield
        return
    path = os.path.abspath(path)
    own = f"{os.getpid()}\n"
    try:
        _check_unused(path)
        with open(path, "w", encoding="ascii", opener=_open_without_links) as file:
            file.write(own)
    except OSError as error:
        raise UsageError(f"--pid {path}: {error.strerror}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            with open(path, encoding="ascii", errors="replace") as file:
                is_own = file.read(20) == own
            if is_own:
                os.unlink(path)


def _open_without_links(path: str, flags: int) -> int:
    """A descriptor of *path*; OSError for a symbolic link, which could lead from a user's folder to a file of root."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _check_unused(path: str) -> None:
    """Raise :exc:`~flask_embed.errors.UsageError` if the file has other contents, or the id of a running process."""
    try:
        with open(path, encoding="ascii", errors="replace", opener=_open_without_links) as file:
            found = file.read(20).strip()
    except FileNotFoundError:
        return
    if not found:
        return
    if not found.isdigit() or len(found) > 9:
        raise UsageError(
            f"--pid {path}: the file holds something other than a process id: name another file, or remove it"
        )
    if int(found) == os.getpid():
        return  # left by a process that was killed: in a container each one is process 1
    try:
        os.kill(int(found), 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass  # a process of another user
    raise UsageError(
        f"--pid {path}: process {found}, which the file names, is running; if it is another program, remove the file"
    )
