"""``python -m examples.middleware``: the app in its three layers, on the development server."""

from __future__ import annotations

from examples.middleware import app

if __name__ == "__main__":
    app.run()
