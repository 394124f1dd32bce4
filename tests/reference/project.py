"""A folder that an app is written into and imported from."""

from __future__ import annotations

import importlib
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Project"]


class Project:
    """The files of an app; the fixture ``project`` makes one that can be imported from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, *parts: str) -> Path:
        """Write a file, folders included; each of *parts* loses the indentation that its lines share."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(dedent(part).removeprefix("\n") for part in parts), encoding="utf-8")
        return file

    def load(self, module: str) -> Any:
        """Import one of the modules that were written."""
        importlib.invalidate_caches()
        return importlib.import_module(module)
