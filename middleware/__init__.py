"""Pure WSGI middleware: mounting below prefixes. Knows nothing of Flask and nothing of servers."""

from flask_embed.middleware.dispatcher import DispatcherMiddleware
from flask_embed.middleware.prefix import PrefixMiddleware

__all__ = ["DispatcherMiddleware", "PrefixMiddleware"]
