"""``python -m examples.flaskr``: flaskr alone, on the development server."""

from __future__ import annotations

from examples.flaskr import app, ensure_db

if __name__ == "__main__":
    ensure_db()
    app.run()
