"""``python -m examples.uploads``: the files alone, on the development server."""

from __future__ import annotations

from examples.uploads import app

if __name__ == "__main__":
    app.run()
