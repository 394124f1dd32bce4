"""``python -m examples.sqlalchemy_classical``: the shared expenses alone, on the development server."""

from __future__ import annotations

from examples.sqlalchemy_classical import app
from examples.sqlalchemy_classical.database import init_db

if __name__ == "__main__":
    init_db()
    app.run()
