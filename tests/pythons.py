"""The other Pythons of this machine that the in-process tests can run on.

``python -m tests.pythons`` prints a line ``3.N PATH`` for each minor version other than its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Python", "candidates", "find", "probe"]

OLDEST = (3, 11)

_NAME = re.compile(r"python3\.\d+")

#: Fails, or prints nothing, where the tests could not run: the libraries have wheels for final releases of
#: CPython with a GIL, and an environment is made with venv.
_PROBE = """
import sys, sysconfig, venv
v, is_cpython = sys.version_info, sys.implementation.name == "cpython"
if is_cpython and v.releaselevel == "final" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print(*v[:3], sys.executable)
"""


class Python(NamedTuple):
    """An interpreter that has been run, so it exists and works."""

    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> tuple[int, int]:
        """The version without the patch level, ``(3, 12)``."""
        return self.version[:2]


def candidates(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Every file named ``python3.N`` on PATH, under pyenv's versions and under uv's Pythons; not run yet."""
    folders = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    for installed in (
        Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
        Path(environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python"),
    ):
        folders += sorted(installed.glob("*/bin"))
    for folder in folders:
        for file in sorted(folder.glob("python3.*")):
            if _NAME.fullmatch(file.name):
                yield file


def probe(path: Path) -> Python | None:
    """The Python at *path*, or None where it does not run or is none for the tests.

    Running it is the only way to know: a shim of pyenv exists for versions that it then refuses.
    """
    try:
        run = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = run.stdout.rstrip("\n").split(" ", 3)
    if run.returncode or len(words) != 4:
        return None
    major, minor, patch = map(int, words[:3])
    return Python((major, minor, patch), Path(words[3]))


def find(paths: Iterable[Path], *, without: tuple[int, int]) -> list[Python]:
    """One Python for each minor version from 3.11 on, the newest patch level, in order; none of *without*."""
    newest: dict[tuple[int, int], Python] = {}
    for path in dict.fromkeys(paths):
        python = probe(path)
        if python is None or python.minor < OLDEST or python.minor == without:
            continue
        if python.minor not in newest or newest[python.minor].version < python.version:
            newest[python.minor] = python
    return [newest[minor] for minor in sorted(newest)]


if __name__ == "__main__":
    for python in find(candidates(os.environ, Path.home()), without=sys.version_info[:2]):
        print(f"{python.version[0]}.{python.version[1]} {python.path}")
