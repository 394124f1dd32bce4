"""The probe: a plain 404 without the token, a report of the request's own keys and nothing else with it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from flask_embed import probe
from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.errors import UsageError
from flask_embed.options import Options
from flask_embed.probe import AUTHORIZATION, RELEASE_TIMEOUT, Probe, checked_token
from tests.serving import DEADLINE, environment

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

TOKEN = "sixteen-letters!"
APP = Probe(TOKEN)


def environ(path: str = "/x", *, with_token: str = TOKEN, **changes: Any) -> WSGIEnvironment:
    return {**create_environ(path, headers={"X-Flask-Embed-Probe": with_token}), **changes}


def stream(action: str, app: WSGIApplication = APP) -> tuple[Any, str, dict[str, str]]:
    """The open body, status and headers of an answer."""
    body, status, headers = run_wsgi_app(app, environ(HTTP_X_FLASK_EMBED_PROBE_DO=action))
    return body, status, {name.lower(): value for name, value in headers}


def asked(request: WSGIEnvironment, app: WSGIApplication = APP) -> tuple[int, dict[str, str], bytes]:
    body, status, headers = run_wsgi_app(app, request)
    return int(status[:3]), {name.lower(): value for name, value in headers}, b"".join(body)


def reported(request: WSGIEnvironment, app: WSGIApplication = APP) -> dict[str, Any]:
    status, headers, body = asked(request, app)
    assert (status, headers["cache-control"], headers["x-content-type-options"]) == (200, "no-store", "nosniff")
    found = json.loads(body)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "token", ["", "another-token-of-16", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f"{TOKEN},{TOKEN}", "Ã¼" * 8]
)
def test_without_the_token_it_is_a_plain_404(token: str) -> None:
    status, headers, body = asked(environ(with_token=token))

    assert (status, body) == (404, b"Not Found\n")
    assert not any("probe" in text.lower() for pair in headers.items() for text in pair)


def test_a_request_without_the_header_or_with_the_token_in_its_url_is_a_404() -> None:
    assert asked(create_environ(f"/?X-Flask-Embed-Probe={TOKEN}"))[0] == 404
    assert asked(create_environ(f"/{TOKEN}", headers={"X-Flask-Embed-Probe-Do": "stream 0123456789"}))[0] == 404
    assert asked(environ(REQUEST_METHOD="HEAD"))[::2] == (200, b"")


def test_only_keys_of_the_request_are_reported() -> None:
    request = environ(
        "/x?y=1",
        SCRIPT_NAME="/app",
        HTTP_X_BACKEND_SECRET="a secret between front and app",
        HTTP_COOKIE="session=secret",
        HTTP_AUTHORIZATION="Basic of the front",
        DOCUMENT_ROOT="/srv/secret",
        SSL_CLIENT_CERT="secret",
        REMOTE_USER="secret",
        FLASK_EMBED_PROBE_TOKEN=TOKEN,
    )

    found = reported(request)

    assert set(found["environ"]) <= {*probe.REPORTED, "HTTP_AUTHORIZATION"}
    assert (found["environ"]["SCRIPT_NAME"], found["environ"]["QUERY_STRING"]) == ("/app", "y=1")
    assert found["environ"]["HTTP_AUTHORIZATION"] == "another"
    text = json.dumps(found)
    assert not any(secret in text for secret in ("secret", "Basic", TOKEN, os.getcwd(), sys.executable))


def test_the_credentials_of_the_doctor_are_reported_unchanged() -> None:
    assert reported(environ(HTTP_AUTHORIZATION=AUTHORIZATION))["environ"]["HTTP_AUTHORIZATION"] == AUTHORIZATION
    assert "HTTP_AUTHORIZATION" not in reported(environ())["environ"]


def test_long_values_are_cut_and_the_word_comes_back() -> None:
    found = reported(environ(PATH_INFO="/" + "x" * 100_000, HTTP_X_FLASK_EMBED_PROBE_WORD="w" * 100))

    assert len(found["environ"]["PATH_INFO"]) == 2000
    assert found["word"] == "w" * 64


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"CONTENT_LENGTH": "5"}, 5),
        ({"CONTENT_LENGTH": ""}, 0),
        ({"CONTENT_LENGTH": "²"}, 0),
        ({"CONTENT_LENGTH": "9" * 30}, 0),
        ({"wsgi.input_terminated": True}, 10),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "7"}, 7),
    ],
)
def test_a_body_is_read_as_far_as_its_end_is_known(changes: dict[str, Any], size: int) -> None:
    data = b"0123456789"
    found = reported({**environ(), "wsgi.input": io.BytesIO(data), **changes})

    assert found["body"] == {"size": size, "sha256": hashlib.sha256(data[:size]).hexdigest()}


def test_an_endless_body_is_read_up_to_a_limit() -> None:
    class Endless(io.RawIOBase):
        count = 0

        def read(self, size: int = -1) -> bytes:
            self.count += size
            return b"x" * size

    body = Endless()

    assert reported({**environ(), "wsgi.input": body, "wsgi.input_terminated": True})["body"]["size"] == 4 * 1024 * 1024
    assert body.count == 4 * 1024 * 1024


def test_a_stream_goes_on_when_another_request_releases_it() -> None:
    body, status, headers = stream("unbuffered 0123456789abcdef")
    pieces = iter(body)

    assert (status, next(pieces), headers["x-accel-buffering"]) == ("200 OK", b"first\n", "no")
    assert reported(environ(HTTP_X_FLASK_EMBED_PROBE_DO="release 0123456789abcdef"))["released"] is True
    assert list(pieces) == [b"released\n"]
    body.close()
    assert reported(environ(HTTP_X_FLASK_EMBED_PROBE_DO="release 0123456789abcdef"))["released"] is False


def test_a_stream_that_is_not_released_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RELEASE_TIMEOUT <= 10
    monkeypatch.setattr(probe, "RELEASE_TIMEOUT", 0.01)
    body, _, headers = stream("stream 0123456789abcdef")

    assert list(body) == [b"first\n", b"not released\n"]
    assert "x-accel-buffering" not in headers
    body.close()


def test_streams_are_few_and_each_leaves_its_place() -> None:
    app = Probe(TOKEN)
    open_ones = [stream(f"stream 0123456{number}", app)[0] for number in range(8)]

    assert stream("stream 01234568", app)[1] == "503 Service Unavailable"
    open_ones.pop().close()
    body, status, _ = stream("stream 01234568", app)
    assert status == "200 OK"
    for one in (*open_ones, body):
        one.close()


@pytest.mark.parametrize(
    "action", ["", "stream", "stream x", "stream 0123456", "other 0123456789", "stream 01234567 8"]
)
def test_another_action_is_ignored(action: str) -> None:
    assert "environ" in reported(environ(HTTP_X_FLASK_EMBED_PROBE_DO=action))


def test_behind_the_gate_it_reports_what_would_be_refused() -> None:
    app = behind_gate(APP, Options())

    assert reported(environ(PATH_INFO="x"), app)["refused"] == "PATH_INFO does not begin with a slash"
    assert reported(environ(), app)["refused"] == ""
    assert reported(environ())["refused"] is None
    assert reported(environ(HTTP_PROXY="http://x"), app)["environ"]["HTTP_PROXY"] == "http://x"
    assert reported(environ(SCRIPT_NAME="/", PATH_INFO=""), app)["environ"]["SCRIPT_NAME"] == "/"
    assert asked(environ(with_token="", PATH_INFO="x"), app)[0] == 404


def test_the_prefixes_of_the_runner_apply_and_paths_outside_are_reported() -> None:
    app = behind_gate(APP, Options(prefix="/sent", script_name="/stripped"))

    found = reported(environ(PATH_INFO="/sent/x"), app)
    assert (found["environ"]["SCRIPT_NAME"], found["environ"]["PATH_INFO"]) == ("/stripped/sent", "/x")
    found = reported(environ(PATH_INFO="/sentx"), app)
    assert (found["environ"]["PATH_INFO"], found["refused"]) == ("/sentx", "PATH_INFO is not below --prefix")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "is not set"),
        ("", "is not set"),
        ("short", "has 5 characters"),
        ("x" * 201, "has 201 characters"),
        ("sixteen letters!", "holds others than ! to ~"),
        ("sechzehn-zeichÃ¤n", "holds others than ! to ~"),
    ],
)
def test_a_malformed_token_is_refused_without_being_shown(token: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        checked_token(token)

    assert not token or token not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_module_has_its_app_if_the_token_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLASK_EMBED_PROBE_TOKEN", raising=False)
    monkeypatch.delitem(vars(probe), "app", raising=False)
    with pytest.raises(UsageError):
        _ = probe.app
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = getattr(probe, "nothing")  # noqa: B009 - checkers see that there is no such thing

    monkeypatch.setenv("FLASK_EMBED_PROBE_TOKEN", TOKEN)
    made = probe.app
    monkeypatch.delitem(vars(probe), "app")
    assert isinstance(made, Probe)
    assert probe.app is not made
    assert probe.app is probe.app
    monkeypatch.delitem(vars(probe), "app")


@pytest.mark.parametrize(("token", "message"), [("", "is not set"), ("short", "has 5 characters")])
def test_without_a_token_a_runner_does_not_start(token: str, message: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "flask_embed.tornado", "flask_embed.probe:app", "--bind", "127.0.0.1:0"],
        env={**environment(), "FLASK_EMBED_PROBE_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert message in ended.stderr


def test_it_is_imported_without_the_framework() -> None:
    unwanted = "('jinja2', 'flask_embed.app', 'ssl')"
    code = f"import sys, flask_embed.probe as probe; probe.app; print([n for n in {unwanted} if n in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**environment(), "FLASK_EMBED_PROBE_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )

    assert ended.stdout == "[]\n"


def test_many_requests_at_once_get_their_own_reports() -> None:
    failed: list[str] = []

    def ask(number: int) -> None:
        for turn in range(50):
            path = f"/{number}/{turn}"
            if reported(environ(PATH_INFO=path))["environ"]["PATH_INFO"] != path:
                failed.append(path)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert failed == []
