"""``python -m examples.sqlalchemy_declarative``: the library alone, on the development server."""

from __future__ import annotations

from examples.sqlalchemy_declarative import app
from examples.sqlalchemy_declarative.database import init_db

if __name__ == "__main__":
    init_db()
    app.run()
