"""Fixtures that the tests of the examples share."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from flask_embed import Flask
from tests.serving import portal_files

# The examples read these when they are imported, and nothing that a test does may end up beside them.
_FOLDER = tempfile.TemporaryDirectory(prefix="examples-")
atexit.register(_FOLDER.cleanup)
os.environ.update(portal_files(Path(_FOLDER.name)))

from examples import flaskr  # noqa: E402


@pytest.fixture
def empty_flaskr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Flaskr with a new database, and with a hash that costs no time."""
    monkeypatch.setattr(flaskr, "DATABASE", str(tmp_path / "flaskr.db"))
    monkeypatch.setattr(flaskr, "PASSWORD_HASH", generate_password_hash(flaskr.PASSWORD, "pbkdf2:sha256:1"))
    flaskr.init_db()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Flask]:
    """The apps whose run() was called; none of them is served."""
    apps: list[Flask] = []

    def run(app: Flask) -> None:
        apps.append(app)

    monkeypatch.setattr(Flask, "run", run)
    return apps
