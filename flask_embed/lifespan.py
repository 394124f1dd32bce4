"""Startup and shutdown functions of apps: run once in each worker, before the first request and after the last one."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask_embed.composition import is_flask_embed, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["AppContainer", "Lifespan", "lifespan"]

_logger = logging.getLogger("flask_embed.lifespan")


class Lifespan:
    """The time in which a worker serves an app: a context manager, made by :func:`lifespan`."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = Lock()
        #: the started apps by their id, in order
        self._started: dict[int, Any] = {}
        #: the middleware to call when the worker stops
        self._containers: list[AppContainer] = []
        self._is_stopped = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Run the startup functions of the app and of all apps inside it, except those that are started already."""
        self.add(self._app)

    def add(self, app: Any) -> None:
        """Run the startup functions of *app*, added while serving, and of all apps inside it."""
        for part in parts_of(app):
            if isinstance(part.app, AppContainer):
                part.app.lifespan = self
                self._containers.append(part.app)
            elif is_flask_embed(part.app) and self._is_new(part.app):
                for function in part.app.startup_funcs:
                    _run(function, "on_startup")

    def _is_new(self, app: Any) -> bool:
        """True if *app* is to be started now; from here on it counts as started."""
        with self._lock:
            if self._is_stopped or id(app) in self._started:
                return False
            self._started[id(app)] = app
            return True

    def stop(self) -> None:
        """Run the shutdown functions of the started apps: the last app first, and of each the last function first."""
        with self._lock:
            self._is_stopped = True
            started, self._started = list(self._started.values()), {}
            containers, self._containers = self._containers, []
        for container in reversed(containers):
            _run(container.on_stop, "closing")
        for app in reversed(started):
            for function in reversed(app.shutdown_funcs):
                _run(function, "on_shutdown")


class AppContainer:
    """Middleware that can get new apps while serving; reports each to the running :class:`Lifespan`."""

    #: set while it is served
    lifespan: Lifespan | None = None

    def app_added(self, app: Any) -> None:
        """Start *app* if the worker is serving already."""
        if self.lifespan is not None:
            self.lifespan.add(app)

    def on_stop(self) -> None:
        """Close what the middleware holds besides; called before the apps are shut down."""


def lifespan(app: Any) -> Lifespan:
    """Start *app* for the length of a ``with`` block, and shut it down at its end.

    The functions of ``@app.on_startup`` and ``@app.on_shutdown`` are found in every flask_embed app inside: behind
    middleware (``.app``, ``.wsgi_app``) and mounts. Each runs once. If one raises, its traceback is logged and the
    others run all the same. An app that is loaded or mounted within the block starts then. Every runner does this;
    the start script of another server does it like this::

        with lifespan(application):
            server.serve_forever()
    """
    return Lifespan(app)


def _run(function: Callable[[], object], what: str) -> None:
    try:
        function()
    except Exception:
        _logger.exception("The %s function %r failed", what, function)
