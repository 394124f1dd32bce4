"""The other Pythons of this machine that the tests can run on, one line ``3.N PATH`` for each minor version.

nox and tox look on PATH only and run one session after another. This finds the versions of pyenv and uv too, whose
shims may refuse to run, and the Makefile runs two Pythons at a time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["find"]

#: Prints nothing where the tests cannot run: the libraries have wheels for final releases of CPython with a GIL.
_PROBE = """
import sys, sysconfig, venv
v, is_cpython = sys.version_info, sys.implementation.name == "cpython"
if v >= (3, 11) and is_cpython and v.releaselevel == "final" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print(v.minor, v.micro, sys.executable)
"""


def find(folders: Iterable[Path]) -> dict[int, str]:
    """By minor version, the interpreter with the newest patch level among the files ``python3.N`` of *folders*."""
    newest: dict[int, tuple[int, str]] = {}
    for path in [path for folder in folders for path in sorted(folder.glob("python3.*"))]:
        if re.fullmatch(r"python3\.\d+", path.name) is None:
            continue
        try:
            run = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if run.returncode == 0 and run.stdout:
            minor, patch, executable = run.stdout.rstrip("\n").split(" ", 2)
            newest[int(minor)] = max(newest.get(int(minor), (-1, "")), (int(patch), executable))
    return {minor: executable for minor, (_, executable) in sorted(newest.items())}


if __name__ == "__main__":
    home = Path.home()
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += (Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions").glob("*/bin")
    folders += Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python").glob("*/bin")
    for minor, executable in find(folders).items():
        if minor != sys.version_info.minor:
            print(f"3.{minor} {executable}")
