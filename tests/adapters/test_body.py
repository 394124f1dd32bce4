"""A request's body between the server and the app: in order, within its limits, with its fault behind the last byte."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_embed.adapters.serving.body import NO_BODY, Backlog, Body, SpooledBacklog, input_of
from flask_embed.adapters.serving.boundary import BodyError
from flask_embed.adapters.serving.limits import BODY_CUT_OFF, BODY_TOO_LARGE, BODY_TOO_SLOW, Fault
from flask_embed.adapters.serving.pipe import Pipe
from flask_embed.options import Options
from tests.adapters.talking import unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE = 10


def read(body: Body, size: int = 1000) -> bytes | None:
    data = body.take(size)
    return None if data is None else bytes(data)


@pytest.fixture
def spooled() -> Iterator[SpooledBacklog]:
    backlog = SpooledBacklog(10)
    yield backlog
    backlog.close()


#: data to append, or how much to read
STEPS = st.lists(st.one_of(st.binary(min_size=1, max_size=30), st.integers(1, 40)), max_size=40)


@pytest.mark.parametrize("make", [Backlog, lambda: SpooledBacklog(10)], ids=["memory", "spooled"])
@given(steps=STEPS)
def test_what_is_read_is_what_was_put_in_the_same_order(make: Callable[[], Backlog], steps: list[bytes | int]) -> None:
    backlog, expected = make(), b""
    for step in steps:
        if isinstance(step, bytes):
            backlog.append(step)
            expected += step
        elif expected:
            data = backlog.take(step)
            assert 0 < len(data) <= step
            assert data == expected[: len(data)]
            expected = expected[len(data) :]
        assert backlog.size == len(expected)
    if isinstance(backlog, SpooledBacklog):
        backlog.close()


def test_what_does_not_fit_into_memory_is_in_a_file_that_is_emptied_when_it_is_read(spooled: SpooledBacklog) -> None:
    for _ in range(3):
        spooled.append(b"12345678")
    assert spooled._file is not None
    assert os.fstat(spooled._file.fileno()).st_size == 16

    body = Body(backlog=spooled)
    assert unread(body) == b"12345678" * 3

    assert os.fstat(spooled._file.fileno()).st_size == 0


def test_a_cleared_backlog_is_empty_and_can_be_filled_again(spooled: SpooledBacklog) -> None:
    spooled.append(b"a" * 30)
    spooled.clear()
    assert spooled.size == 0
    spooled.append(b"b" * 30)
    assert unread(Body(backlog=spooled)) == b"b" * 30


def test_a_body_has_more_or_an_end() -> None:
    body = Body()
    assert read(body) is None
    body.put(b"data")
    assert read(body, 3) == b"dat"
    body.end()
    assert read(body) == b"a"
    assert read(body) == b""


def test_an_announced_body_ends_at_its_length_whatever_comes_behind() -> None:
    body = Body(3)
    body.put(b"data")
    body.end()
    assert read(body) == b"dat"
    assert read(body) == b""


def test_a_body_that_is_shorter_than_announced_fails_behind_its_last_byte() -> None:
    body = Body(5)
    body.put(b"data")
    body.end()
    assert read(body) == b"data"
    with pytest.raises(BodyError) as raised:
        read(body)
    assert (raised.value.status, str(raised.value)) == BODY_CUT_OFF


@pytest.mark.parametrize("pieces", [(b"data1",), (b"data", b"1"), (b"d", b"at", b"a1", b"more")])
def test_a_body_without_length_may_be_as_long_as_its_limit(pieces: tuple[bytes, ...]) -> None:
    body = Body(None, 4)
    for piece in pieces:
        body.put(piece)
    body.end()
    assert unread(body) == b"data"
    with pytest.raises(BodyError) as raised:
        read(body)
    assert (raised.value.status, str(raised.value)) == BODY_TOO_LARGE


def test_the_limit_is_for_bodies_that_were_not_announced() -> None:
    body = Body(6, 4)  # the announced length was checked before
    body.put(b"123456")
    assert read(body) == b"123456"


def test_the_first_fault_counts_and_none_after_the_end() -> None:
    body = Body()
    body.fail(BODY_TOO_SLOW)
    body.fail(BODY_CUT_OFF)
    assert body.fault == BODY_TOO_SLOW
    body = Body()
    body.end()
    body.fail(BODY_CUT_OFF)
    assert body.fault is None


@pytest.mark.parametrize(
    ("came", "length", "limit", "fault"),
    [
        (b"1234", 4, None, None),
        (b"1234", 5, None, BODY_CUT_OFF),
        (b"1234", 3, None, None),
        (b"1234", None, 4, None),
        (b"1234", None, 3, BODY_TOO_LARGE),
        (b"1234", 4, 3, None),
        (b"", 0, 3, None),
        (b"", 1, 3, BODY_CUT_OFF),
    ],
)
def test_a_body_that_has_ended_before_its_length_is_known(
    came: bytes, length: int | None, limit: int | None, fault: Fault | None
) -> None:
    body = Body()
    if came:
        body.put(came)
    body.end()
    body.announce(length, limit)
    assert body.fault == fault


def test_a_slow_client_has_less_time_for_each_wait_and_a_steady_one_the_same() -> None:
    body = Body()
    assert body.patience(60) == 60
    body.waited = 30
    assert body.patience(60) == 30
    body.put(bytes(500 * 20))
    assert body.patience(60) == 50
    body.put(bytes(500 * 100))
    assert body.patience(60) == 60


def test_an_input_asks_for_more_only_where_the_app_has_to_wait() -> None:
    body, pieces = Body(), [b"two\n", b"three"]
    body.put(b"one\n")

    def more() -> None:
        if pieces:
            body.put(pieces.pop(0))
        else:
            body.end()

    with input_of(body, more) as file:
        assert file.readline() == b"one\n"
        assert len(pieces) == 2
        assert file.readlines() == [b"two\n", b"three"]
        assert file.read() == b""


def test_an_input_without_a_body_never_asks() -> None:
    with input_of(NO_BODY, lambda: pytest.fail("asked for more")) as file:
        assert file.read() == b""


def test_a_pipe_reports_room_when_the_thread_has_read() -> None:
    pipe, has_room = Pipe(None, Options(spool=4)), threading.Event()
    pipe.put(b"12345")
    assert not pipe.has_room
    pipe.when_room(has_room.set)
    assert not has_room.is_set()
    assert read(pipe, 2) == b"12"
    assert has_room.is_set()
    assert pipe.has_room


@pytest.mark.parametrize("end", [Pipe.abandon, lambda pipe: pipe.fail(BODY_CUT_OFF)], ids=["abandoned", "failed"])
def test_a_loop_that_waits_for_room_goes_on_when_nothing_is_read_any_more(end: Callable[[Pipe], None]) -> None:
    pipe, has_room = Pipe(None, Options(spool=4)), threading.Event()
    pipe.put(b"12345")
    pipe.when_room(has_room.set)
    end(pipe)
    assert has_room.is_set()


def test_an_abandoned_pipe_holds_nothing() -> None:
    pipe = Pipe(None, Options(spool=4))
    pipe.put(b"12345")
    pipe.abandon()
    pipe.put(b"6" * 1000)
    assert pipe.backlog.size == 0
    assert pipe.has_room


def test_a_thread_waits_for_data_and_not_longer_than_its_time() -> None:
    pipe = Pipe(None, Options(body_timeout=DEADLINE))
    found: list[bytes] = []

    def app() -> None:
        with input_of(pipe, pipe.wait) as file:
            found.append(file.read())

    thread = threading.Thread(target=app)
    thread.start()
    pipe.put(b"data")
    pipe.end()
    thread.join(DEADLINE)
    assert found == [b"data"]

    slow = Pipe(None, Options(body_timeout=0.01))
    with pytest.raises(BodyError) as raised, input_of(slow, slow.wait) as file:
        file.read()
    assert (raised.value.status, str(raised.value)) == BODY_TOO_SLOW
