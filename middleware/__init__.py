"""Pure WSGI middleware: mounting, and the gate before it. Knows nothing of Flask and nothing of servers.

The names below are imported when they are first used (PEP 562): a process for one request needs the gate alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask_embed.middleware.dispatcher import DispatcherMiddleware
    from flask_embed.middleware.on_demand import PathDispatcher, SubdomainDispatcher
    from flask_embed.middleware.prefix import PrefixMiddleware
    from flask_embed.middleware.strict import StrictEnviron

__all__ = ["DispatcherMiddleware", "PathDispatcher", "PrefixMiddleware", "StrictEnviron", "SubdomainDispatcher"]

_MODULE_OF = {
    "DispatcherMiddleware": "flask_embed.middleware.dispatcher",
    "PathDispatcher": "flask_embed.middleware.on_demand",
    "PrefixMiddleware": "flask_embed.middleware.prefix",
    "StrictEnviron": "flask_embed.middleware.strict",
    "SubdomainDispatcher": "flask_embed.middleware.on_demand",
}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
