"""The runners under load: no request fails, nothing is left behind, slow clients delay no others."""

from __future__ import annotations

import time

import pytest

from tests.benchmarks.servers import (
    DEADLINE,
    ask_all,
    download,
    runner,
    serving,
    slow_clients,
    upload,
    wait_until_closed,
)

MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.parametrize("name", ["gevent", "tornado"])


@pytest.mark.timeout(120)
def test_ten_thousand_requests_fail_nowhere_and_leave_nothing(name: str) -> None:
    with serving(runner(name, "hello")) as server:
        assert ask_all(server, connections=100, requests=10_000) == 0
        descriptors, resident = server.descriptors(), server.resident()
        assert ask_all(server, connections=100, requests=10_000) == 0

        # It may still be closing what its clients have closed.
        deadline = time.monotonic() + DEADLINE
        while server.descriptors() > descriptors and time.monotonic() < deadline:
            assert ask_all(server, 1, 1) == 0
        assert server.descriptors() <= descriptors
        assert server.resident() - resident < 5 * 1024


@pytest.mark.parametrize(("direction", "move"), [("upload", upload), ("download", download)])
def test_a_large_body_is_never_whole_in_memory(name: str, direction: str, move: object) -> None:
    with serving(runner(name, direction)) as server:
        assert callable(move)
        move(server, 200 * MEGABYTE)
        assert server.peak() < 100


def test_slow_clients_keep_nobody_waiting_and_are_closed(name: str) -> None:
    with serving(runner(name, "hello", "--header-timeout", "2")) as server, slow_clients(server, 200) as slow:
        assert ask_all(server, connections=1, requests=100) == 0
        wait_until_closed(slow)
        assert ask_all(server, connections=1, requests=1) == 0
