"""``python -m examples.minitwit``: MiniTwit alone, on the development server."""

from __future__ import annotations

from examples.minitwit import app, init_db

if __name__ == "__main__":
    init_db()
    app.run()
