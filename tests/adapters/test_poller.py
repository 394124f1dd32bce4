"""One thread that waits for connections: new ones, quiet ones with something to read, and those whose time is up."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.serving.poller import Poller, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE = 10


class Connection:
    """A quiet connection, and the client's end of it."""

    def __init__(self) -> None:
        self.sock, self.client = socket.socketpair()
        self.sock.setblocking(False)
        self.fileno = self.sock.fileno()
        self.deadline = time.monotonic() + DEADLINE
        self.is_registered = False
        self.happened: list[str] = []

    def read(self) -> None:
        self.happened.append(self.sock.recv(100).decode() or "end")

    def expire(self) -> None:
        self.happened.append("expired")

    def close(self) -> None:
        self.happened.append("closed")
        self.sock.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    with made.sock, made.client:
        yield made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def poller(listener: socket.socket) -> Iterator[Poller]:
    with Poller() as made:
        made.listen(listener)
        yield made


def test_a_new_connection_is_noticed_and_accepted_without_blocking(poller: Poller, listener: socket.socket) -> None:
    assert poller.wait(0) is False
    assert poller.accept() is None
    with socket.create_connection(listener.getsockname()) as client:
        assert poller.wait(DEADLINE) is True
        found = poller.accept()
        assert found is not None
        sock, peer = found
        with sock:
            assert peer == client.getsockname()
            assert not sock.getblocking()


def test_a_quiet_connection_reads_when_something_comes_and_only_then(poller: Poller, connection: Connection) -> None:
    poller.watch(connection)
    assert poller.wait(0) is False
    assert connection.happened == []
    connection.client.send(b"one")
    assert poller.wait(DEADLINE) is False
    connection.client.send(b"two")
    poller.wait(0)
    assert connection.happened == ["one"]  # it is in other hands until it is watched again
    assert poller.quiet == {}
    poller.watch(connection)
    poller.wait(DEADLINE)
    connection.client.close()
    poller.watch(connection)
    poller.wait(DEADLINE)
    assert connection.happened == ["one", "two", "end"]


def test_quiet_since_is_of_connections_that_wait(poller: Poller, connection: Connection) -> None:
    assert poller.quiet_since == 0
    before = time.monotonic()
    poller.watch(connection)
    assert before <= poller.quiet_since <= time.monotonic()
    connection.client.send(b"x")
    poller.wait(DEADLINE)
    assert poller.quiet_since == 0


def test_a_wait_whose_time_is_up_expires(poller: Poller, connection: Connection) -> None:
    poller.watch(connection)
    poller.end_waits()
    assert connection.happened == []
    connection.deadline = time.monotonic() - 1
    poller.end_waits()
    assert connection.happened == ["expired"]
    assert poller.quiet == {}


def test_paused_it_notices_no_new_connection(poller: Poller, listener: socket.socket, connection: Connection) -> None:
    poller.watch(connection)
    poller.pause(True)
    with socket.create_connection(listener.getsockname()):
        connection.client.send(b"x")
        assert poller.wait(DEADLINE) is False
        assert connection.happened == ["x"]
        poller.pause(False)
        assert poller.wait(DEADLINE) is True


def test_the_rest_is_accepted_and_then_nothing(poller: Poller, listener: socket.socket) -> None:
    address = listener.getsockname()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(address))
        taken = [stack.enter_context(sock) for sock, _ in poller.accept_rest()]
        assert len(taken) == 3
    assert poller.accept() is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_another_thread_wakes_it(poller: Poller) -> None:
    begun = time.monotonic()
    thread = threading.Thread(target=poller.stop)
    thread.start()
    poller.wait(DEADLINE)
    thread.join(DEADLINE)
    assert poller.stops == 1
    assert time.monotonic() - begun < DEADLINE / 2


def test_a_signal_wakes_it_and_its_end_leaves_signals_as_they_were() -> None:
    handled: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
    wakeup_before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup_before)
    try:
        with Poller() as poller:
            os.kill(os.getpid(), signal.SIGUSR1)  # its handler may run before the wait begins
            begun = time.monotonic()
            poller.wait(DEADLINE)
            assert time.monotonic() - begun < DEADLINE / 2
        assert handled == [signal.SIGUSR1]
        assert signal.set_wakeup_fd(wakeup_before) == wakeup_before
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_closed_it_closes_the_connections_it_has_and_those_that_come(connection: Connection) -> None:
    late = Connection()
    with late.sock, late.client:
        with Poller() as poller:
            poller.watch(connection)
        assert connection.happened == ["closed"]
        poller.watch(late)
        assert late.happened == ["closed"]
        poller.wake()  # has no effect on a closed poller


def test_a_descriptor_is_waited_for_and_not_longer_than_its_time() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert wait_for(ours.fileno(), select.POLLOUT, DEADLINE) is True
        assert wait_for(ours.fileno(), select.POLLIN, 0.01) is False
        assert wait_for(ours.fileno(), select.POLLIN, -1) is False
        theirs.send(b"x")
        assert wait_for(ours.fileno(), select.POLLIN, DEADLINE) is True
