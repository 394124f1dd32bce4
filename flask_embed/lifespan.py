"""Startup and shutdown: what apps want done once in each worker, before the first request and after the last one."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask_embed.composition import is_flask_embed, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["Gains", "Lifespan", "lifespan"]

_logger = logging.getLogger("flask_embed.lifespan")


class Lifespan:
    """The time in which a worker serves an app: a context manager, made by :func:`lifespan`."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = Lock()
        #: the apps that were started by their id, in order
        self._started: dict[int, Any] = {}
        #: the middleware that is told when it is over
        self._gaining: list[Gains] = []
        self._over = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Run the startup functions of the app and of all apps inside it; those that have run are left out."""
        self.add(self._app)

    def add(self, app: Any) -> None:
        """Run the startup functions of *app*, which has come later, and of all apps inside it."""
        for part in parts_of(app):
            if isinstance(part.app, Gains):
                part.app.lifespan = self
                self._gaining.append(part.app)
            elif is_flask_embed(part.app) and self._is_new(part.app):
                for function in part.app.startup_funcs:
                    _run(function, "on_startup")

    def _is_new(self, app: Any) -> bool:
        """Whether *app* is to be started now; it counts as started from here on."""
        with self._lock:
            if self._over or id(app) in self._started:
                return False
            self._started[id(app)] = app
            return True

    def stop(self) -> None:
        """Run the shutdown functions of what was started: the last app first, and of each the last function first."""
        with self._lock:
            self._over = True
            started, self._started = list(self._started.values()), {}
            gaining, self._gaining = self._gaining, []
        for middleware in reversed(gaining):
            _run(middleware.ended, "closing")
        for app in reversed(started):
            for function in reversed(app.shutdown_funcs):
                _run(function, "on_shutdown")


class Gains:
    """Middleware that may have further apps in it later on: it tells them to the lifespan that it is part of."""

    #: set while it is served
    lifespan: Lifespan | None = None

    def gained(self, app: Any) -> None:
        """Start *app* if the worker is serving already."""
        if self.lifespan is not None:
            self.lifespan.add(app)

    def ended(self) -> None:
        """Called before the apps are shut down: for what has to be closed besides."""


def lifespan(app: Any) -> Lifespan:
    """Start *app* for the length of a ``with`` block, and shut it down at its end.

    The functions of ``@app.on_startup`` and ``@app.on_shutdown`` are found in every flask_embed app inside: behind
    middleware (``.app``, ``.wsgi_app``) and mounts. Each runs once. One that raises is logged with its traceback, and
    keeps none of the others from running. An app that is loaded or mounted within the block starts then. Every
    runner does this; another server's own code does it like this::

        with lifespan(application):
            server.serve_forever()
    """
    return Lifespan(app)


def _run(function: Callable[[], object], what: str) -> None:
    try:
        function()
    except Exception:
        _logger.exception("The %s function %r failed", what, function)
