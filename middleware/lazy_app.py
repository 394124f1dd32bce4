"""Apps that are imported with their first request."""

from __future__ import annotations

import logging
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING

from flask_embed.answers import RETRY_AFTER, bad_request, unavailable
from flask_embed.composition import Part, Passage
from flask_embed.environ import text, url_root_fault
from flask_embed.lifespan import AppContainer
from flask_embed.loading import check_target, load_app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["RETRY_AFTER", "LazyApp"]

_logger = logging.getLogger("flask_embed.middleware")


class LazyApp(AppContainer):
    """The WSGI app that *target* names (``"module:attribute"`` or ``"module:factory()"``), imported when it is needed.

    A factory with a parameter ``prefix`` gets the SCRIPT_NAME of the first request, as text. Requests that come while
    the app is imported wait for it, those for other apps do not. If the import fails, the traceback is logged, and for
    five seconds (:data:`RETRY_AFTER`) each request is answered 503; then the next one tries again. A malformed target
    raises :exc:`LoadError` at once.
    """

    def __init__(self, target: str) -> None:
        check_target(target)
        self.target = target
        #: the loaded app, None before
        self.app: WSGIApplication | None = None
        self._lock = RLock()
        #: True while the thread that has the lock imports the app
        self._loading = False
        self._failed_at = float("-inf")

    def __repr__(self) -> str:
        return f"<{self.target} {'loaded' if self.app is not None else 'not loaded'}>"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        app = self.app
        if app is None:
            script_name = environ.get("SCRIPT_NAME", "")
            if url_root_fault("", script_name) is not None:
                return bad_request(environ, start_response)  # as the loaded app would
            app = self._try_to_load(text(script_name))
        return app(environ, start_response)

    def inner_parts(self) -> Iterable[Part]:
        """The app, if it is loaded."""
        return [] if self.app is None else [Part(self.app)]

    def passes_on(self, environ: WSGIEnvironment) -> Passage:
        """The app if it is loaded; the import that is to come otherwise."""
        outcome = "" if self.app is not None else f"{self.target}, which is imported with its first request"
        return Passage(self.app, environ, outcome)

    def load(self, prefix: str = "") -> WSGIApplication:
        """The app, imported now unless it is loaded; errors of the import are raised. A factory gets *prefix*."""
        with self._lock:
            return self._load(prefix)

    def _load(self, prefix: str) -> WSGIApplication:
        if self.app is None:
            if self._loading:
                raise RuntimeError(f"the import of {self.target} sends a request to {self.target}; leave that out")
            self._loading = True
            try:
                app = load_app(self.target, prefix)
                self.app_added(app)
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
            except (Exception, SystemExit):  # a module that calls sys.exit() must not end the server
                self._failed_at = monotonic()
                _logger.exception("The app %s cannot be loaded; the next try is in %d s", self.target, RETRY_AFTER)
                return unavailable
