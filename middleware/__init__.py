"""Pure WSGI middleware: mounting, and the gate before it. Knows nothing of Flask and nothing of servers."""

from flask_embed.middleware.dispatcher import DispatcherMiddleware
from flask_embed.middleware.prefix import PrefixMiddleware
from flask_embed.middleware.strict import StrictEnviron

__all__ = ["DispatcherMiddleware", "PrefixMiddleware", "StrictEnviron"]
