"""The classes of requests and responses, under the name that Werkzeug and Flask give this module."""

from __future__ import annotations

from flask_embed.requests import Request
from flask_embed.responses import Response

__all__ = ["Request", "Response"]
