"""Apps that are imported when the first request for them comes."""

from __future__ import annotations

import logging
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING

from flask_embed.answers import RETRY_AFTER, bad_request, unavailable
from flask_embed.composition import Part
from flask_embed.environ import front_fault, text
from flask_embed.lifespan import Gains
from flask_embed.loading import check_target, load_app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["RETRY_AFTER", "LazyApp"]

_logger = logging.getLogger("flask_embed.middleware")


class LazyApp(Gains):
    """The WSGI app that *target* names (``"module:attribute"`` or ``"module:factory()"``), imported when it is needed.

    A factory that takes an argument gets the prefix that the app has been reached by, as text. Requests that come
    while it is imported wait for it, those for other apps do not. If that fails, the traceback is logged, and for
    five seconds (:data:`RETRY_AFTER`) each request is a 503; then the next one tries again. :exc:`LoadError` at once
    for a target that cannot name an app.
    """

    def __init__(self, target: str) -> None:
        check_target(target)
        self.target = target
        #: what was loaded, None before
        self.app: WSGIApplication | None = None
        self._lock = RLock()
        #: whether the thread that has the lock is importing the app
        self._loading = False
        self._failed_at = float("-inf")

    def __repr__(self) -> str:
        return f"<{self.target} {'loaded' if self.app is not None else 'not loaded'}>"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        app = self.app
        if app is None:
            script_name = environ.get("SCRIPT_NAME", "")
            if front_fault("", script_name) is not None:
                return bad_request(environ, start_response)  # as the app would answer, were it there
            app = self._try_to_load(text(script_name))
        return app(environ, start_response)

    def inner_parts(self) -> Iterable[Part]:
        """The app, if it is loaded."""
        return [] if self.app is None else [Part(self.app)]

    def load(self, prefix: str = "") -> WSGIApplication:
        """The app, imported now if it was not yet; raises what that raises. *prefix* is what a factory gets."""
        with self._lock:
            return self._load(prefix)

    def _load(self, prefix: str) -> WSGIApplication:
        if self.app is None:
            if self._loading:
                raise RuntimeError(f"importing {self.target} asks for the app that it is about to make")
            self._loading = True
            try:
                app = load_app(self.target, prefix)
                self.gained(app)
                self.app = app
            finally:
                self._loading = False
        return self.app

    def _try_to_load(self, prefix: str) -> WSGIApplication:
        with self._lock:
            if self.app is None and (self._loading or monotonic() < self._failed_at + RETRY_AFTER):
                return unavailable
            try:
                return self._load(prefix)
            except (Exception, SystemExit):  # a module that calls sys.exit() ends no server
                self._failed_at = monotonic()
                _logger.exception("The app %s cannot be loaded; the next try is in %d s", self.target, RETRY_AFTER)
                return unavailable
