"""Pure WSGI middleware: mounting, and the gate before it. Knows nothing of Flask and nothing of servers."""

from flask_embed.middleware.dispatcher import DispatcherMiddleware
from flask_embed.middleware.prefix import PrefixMiddleware
from flask_embed.middleware.strict import StrictEnviron
from flask_embed.middleware.tenants import PathDispatcher, SubdomainDispatcher

__all__ = ["DispatcherMiddleware", "PathDispatcher", "PrefixMiddleware", "StrictEnviron", "SubdomainDispatcher"]
