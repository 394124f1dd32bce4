"""``python -m examples.larger_app``: the field guide alone, on the development server."""

from __future__ import annotations

from examples.larger_app import app

if __name__ == "__main__":
    app.run()
