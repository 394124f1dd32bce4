"""``python -m examples.sqlalchemy_core``: the polls alone, on the development server."""

from __future__ import annotations

from examples.sqlalchemy_core import app
from examples.sqlalchemy_core.database import init_db

if __name__ == "__main__":
    init_db()
    app.run()
