"""``python -m examples.sqlite_patterns``: the to-do list alone, on the development server."""

from __future__ import annotations

from examples.sqlite_patterns import app, init_db

if __name__ == "__main__":
    init_db()
    app.run()
