"""What the tests of flaskr and of the portal share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from werkzeug.security import generate_password_hash

from examples import flaskr

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def empty_flaskr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Flaskr with a new database, and with a hash that costs no time."""
    monkeypatch.setattr(flaskr, "DATABASE", str(tmp_path / "flaskr.db"))
    monkeypatch.setattr(flaskr, "PASSWORD_HASH", generate_password_hash(flaskr.PASSWORD, "pbkdf2:sha256:1"))
    flaskr.init_db()
