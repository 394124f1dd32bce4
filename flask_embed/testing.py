"""The test client: werkzeug's, which can also change the session and keep the last request bound."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from werkzeug.test import Client as WerkzeugClient
from werkzeug.test import EnvironBuilder as WerkzeugEnvironBuilder

from flask_embed._werkzeug import add_cookies, update_cookies
from flask_embed.ctx import leave_kept_contexts
from flask_embed.environ import DEVELOPMENT
from flask_embed.helpers import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers
    from werkzeug.test import TestResponse

    from flask_embed.app import Flask
    from flask_embed.ctx import RequestContext
    from flask_embed.responses import Response
    from flask_embed.sessions import Session

__all__ = ["Client", "EnvironBuilder", "create_environ"]


class EnvironBuilder(WerkzeugEnvironBuilder):
    """werkzeug's builder, with the types that jsonify accepts in ``json=``."""

    json_dumps: Any = staticmethod(json_dumps)


def create_environ(*args: Any, **kwargs: Any) -> WSGIEnvironment:
    """The environ of a request that no client sent; arguments as those of :class:`werkzeug.test.EnvironBuilder`."""
    builder = EnvironBuilder(*args, **kwargs)
    try:
        environ = builder.get_environ()
    finally:
        builder.close()
    environ[DEVELOPMENT] = True
    return environ


class Client(WerkzeugClient):
    """A client that calls an app without a server and keeps cookies; :meth:`Flask.test_client` makes it.

    In a ``with`` block the context of the last request, though torn down, stays bound until the next request of any
    client or the end of the block::

        with app.test_client() as client:
            client.get("/?name=ada")
            assert request.args["name"] == "ada"
    """

    application: Flask

    def __init__(self, app: Flask, response_class: type[Response], use_cookies: bool = True) -> None:
        super().__init__(app, response_class, use_cookies)
        #: True if cookies are kept
        self.use_cookies = use_cookies
        self._keeps_context = False
        #: the context of the last request, if it was kept
        self._kept: RequestContext | None = None

    def open(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *args: Any, buffered: bool = False, follow_redirects: bool = False, **kwargs: Any
    ) -> TestResponse:
        """Send a request; the arguments are those of :meth:`werkzeug.test.Client.open`."""
        if kwargs.get("json") is None:
            return super().open(*args, buffered=buffered, follow_redirects=follow_redirects, **kwargs)
        builder = EnvironBuilder(*args, **kwargs)
        try:
            return super().open(builder, buffered=buffered, follow_redirects=follow_redirects)
        finally:
            builder.close()

    def run_wsgi_app(self, environ: WSGIEnvironment, buffered: bool = False) -> tuple[Iterable[bytes], str, Headers]:
        """Call the app; all requests of the client, redirects included, go through this method."""
        leave_kept_contexts()
        environ[DEVELOPMENT] = True
        kept: list[RequestContext] = []
        if self._keeps_context:
            environ["flask_embed.keep_context"] = kept.append
        answer = super().run_wsgi_app(environ, buffered)
        if kept:
            self._kept = kept[-1]  # apps that the app called have ended before it
            self._kept.keep()
        return answer

    @contextmanager
    def session_transaction(self, *args: Any, **kwargs: Any) -> Iterator[Session]:
        """The session between two requests; it is saved at the end of the block.

        Arguments as in :meth:`Flask.test_request_context`, for an app that is mounted or a cookie with a path. The
        request that opens the session is not the current one within the block::

            with client.session_transaction() as session:
                session["user_id"] = 1
        """
        if not self.use_cookies:
            raise TypeError("a client with use_cookies=False has no session to change")
        app = self.application
        context = app.test_request_context(*args, **kwargs)
        add_cookies(self, context.environ)
        try:
            with context.lent():
                session = app.open_session(context.request)
            yield session
        except BaseException:
            with context:  # its teardown functions get the exception
                raise
        response = app.response_class()
        with context:
            app.save_session(session, response)
        host, path = context.request.host.partition(":")[0], context.request.path
        update_cookies(self, host, path, response.headers.getlist("Set-Cookie"))

    def __enter__(self) -> Self:
        self._keeps_context = True
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._keeps_context = False
        if self._kept is not None and self._kept.is_kept:  # a request of another client may have left it already
            leave_kept_contexts()
        self._kept = None
