"""Apps that were created on demand: each with the number of its running requests, and the creation of one.

The lock of the dispatcher that holds them guards their numbers.
"""

from __future__ import annotations

import logging
from threading import Event, get_ident
from typing import TYPE_CHECKING

from flask_embed.bodies import ClosingBody
from flask_embed.composition import is_flask_embed
from flask_embed.environ import escape_controls
from flask_embed.lifespan import Lifespan

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import WSGIApplication

__all__ = ["Making", "Tenant", "TenantBody"]

_logger = logging.getLogger("flask_embed.middleware")


class Tenant:
    """An app that was created, and the number of requests that it is answering."""

    __slots__ = ("app", "left", "lifespan", "name", "running")

    def __init__(self, name: str, app: WSGIApplication) -> None:
        self.name = name
        self.app = app
        self.lifespan = Lifespan(app)
        #: running requests; the first is the one that the app was created for
        self.running = 1
        #: True once it gets no further request
        self.left = False

    def shut(self) -> None:
        """Run the shutdown functions, and ``close()`` of another app than ours; a failure is logged."""
        try:
            self.lifespan.stop()
            # The close() of a class is for its instances: such an app makes a new one for each request.
            if not is_flask_embed(self.app) and not isinstance(self.app, type):
                close = getattr(self.app, "close", None)
                if callable(close):
                    close()
        except (Exception, SystemExit):  # an app that calls sys.exit() must not end the server
            _logger.exception("The app of the tenant %r could not be closed", escape_controls(self.name))


class Making:
    """The creation of an app: one request does it, the others for the same name wait until it is over."""

    __slots__ = ("instead", "maker", "over")

    def __init__(self) -> None:
        self.over = Event()
        #: the thread or greenlet that creates it
        self.maker = get_ident()
        #: answers the waiting requests if there is no app
        self.instead: WSGIApplication | None = None


class TenantBody(ClosingBody):
    """The body of a running request, which ends when the body is closed."""

    __slots__ = ("_leave", "_lost", "_tenant")

    def __init__(
        self, body: Iterable[bytes], tenant: Tenant, leave: Callable[[Tenant], None], lost: deque[Tenant]
    ) -> None:
        super().__init__(body)
        self._tenant = tenant
        #: ends a request of the tenant
        self._leave = leave
        #: tenants of bodies that are collected without a close()
        self._lost = lost

    def ended(self, error: BaseException | None) -> None:
        self._leave(self._tenant)

    def abandoned(self) -> None:
        # The collector runs anywhere, also while the lock is held or in gevent's hub: the request is ended later.
        self._lost.append(self._tenant)
