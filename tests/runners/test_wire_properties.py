"""Random bytes to the HTTP runners: they get valid answers, one for each request at most, and the connection ends."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from tests.serving import DEADLINE, Runner, serving
from tests.wire.answers import answers
from tests.wire.changes import APP, changed, most_answers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["gevent", "tornado"])
def name(request: pytest.FixtureRequest) -> str:
    """The name of a runner."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def runner(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "reading.py").write_text(APP)
    with serving(name, "reading:app", "--bind", "127.0.0.1:0", cwd=folder) as runner:
        yield runner


def exchanged(runner: Runner, raw: bytes) -> tuple[bytes, bool]:
    """The bytes received for *raw*, and True if the connection was reset."""
    received = b""
    with socket.create_connection((runner.host, runner.port), DEADLINE) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                received += data
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            return received, True
    return received, False


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_what_comes_back_is_answers_and_ends(runner: Runner, name: str) -> None:
    @settings(max_examples=2000)
    @given(changed())
    def check(raw: bytes) -> None:
        received, was_reset = exchanged(runner, raw)
        assert b"Traceback" not in received
        # For Tornado, who has sent all has gone: it may break off.
        found = answers(received, is_whole=name == "gevent" and not was_reset)
        assert len(found) <= most_answers(raw)
        assert {answer.status for answer in found} <= {200, 204, 400, 501, 505}

    check()

    with contextlib.closing(runner.connect()) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
    assert not [line for line in runner.lines if "Traceback" in line]
