"""The plain answers: their status, their headers, and that HEAD gets no body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from flask_embed.answers import RETRY_AFTER, bad_request, not_found, plain, unavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PLAIN = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}


@pytest.mark.parametrize(
    ("app", "status", "more"),
    [
        (bad_request, "400 Bad Request", {}),
        (not_found, "404 Not Found", {}),
        (unavailable, "503 Service Unavailable", {"Retry-After": str(RETRY_AFTER)}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_repeats_its_status_and_nothing_of_the_request(
    app: WSGIApplication, status: str, more: dict[str, str], method: str
) -> None:
    body, sent, headers = run_wsgi_app(app, create_environ("/secret?secret", method=method))

    text = f"{status[4:]}\n".encode()
    assert sent == status
    assert dict(headers) == {**PLAIN, **more, "Content-Length": str(len(text))}
    assert b"".join(body) == (b"" if method == "HEAD" else text)


def test_a_server_gets_headers_and_body() -> None:
    headers, body = plain("431 Request Header Fields Too Large", "GET", ("Connection", "close"))

    assert dict(headers) == {**PLAIN, "Connection": "close", "Content-Length": "32"}
    assert body == b"Request Header Fields Too Large\n"
