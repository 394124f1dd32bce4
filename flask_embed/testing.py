"""The test client: werkzeug's, with the session in reach and the last request readable."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from werkzeug.test import Client as WerkzeugClient

from flask_embed.ctx import current_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers

    from flask_embed.app import Flask
    from flask_embed.ctx import RequestContext
    from flask_embed.sessions import Session
    from flask_embed.wrappers import Response

__all__ = ["Client"]


class Client(WerkzeugClient):
    """Calls an app without a server; cookies are kept. Made by :meth:`Flask.test_client`.

    In a ``with`` block the context of the last request stays bound until the next one, though it was torn down::

        with app.test_client() as client:
            client.get("/?name=ada")
            assert request.args["name"] == "ada"
    """

    application: Flask

    def __init__(self, app: Flask, response_class: type[Response]) -> None:
        super().__init__(app, response_class)
        self._keeps_context = False
        self._kept: list[RequestContext] = []

    def run_wsgi_app(self, environ: WSGIEnvironment, buffered: bool = False) -> tuple[Iterable[bytes], str, Headers]:
        """Call the app; every request of the client, redirects included, comes by here."""
        self._leave_context()
        if self._keeps_context:
            environ["flask_embed.keep_context"] = self._kept.append
        answer = super().run_wsgi_app(environ, buffered)
        if self._kept:
            del self._kept[:-1]  # apps that the app called have ended before it
            self._kept[0].bind()
        return answer

    def _leave_context(self) -> None:
        while self._kept:
            context = self._kept.pop()
            if context is current_or_none():
                context.unbind()

    @contextmanager
    def session_transaction(self, *args: Any, **kwargs: Any) -> Iterator[Session]:
        """Read and change the session between requests; saved at the end of the block.

        Arguments as in :meth:`Flask.test_request_context`, for an app that is mounted or a cookie with a path::

            with client.session_transaction() as session:
                session["user_id"] = 1
        """
        app = self.application
        with app.test_request_context(*args, **kwargs) as context:
            self._add_cookies_to_wsgi(context.environ)
            session = app.open_session(context.request)
            yield session
            response = app.response_class()
            app.save_session(session, response)
        self._update_cookies_from_response(
            context.request.host.partition(":")[0], context.request.path, response.headers.getlist("Set-Cookie")
        )

    def __enter__(self) -> Self:
        self._keeps_context = True
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._keeps_context = False
        self._leave_context()
