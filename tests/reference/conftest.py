"""Apps that stand in a folder of their own, as those of the document do."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.reference.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A folder whose modules can be imported; they are forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    yield Project(tmp_path)
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]
    importlib.invalidate_caches()
