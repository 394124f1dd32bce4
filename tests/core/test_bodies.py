"""Whole bodies, and the body with a step of its own at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flask_embed.bodies import ClosingBody, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FileWrapper:
    def __iter__(self) -> Iterator[bytes]:
        yield b"x"


class Recorded(ClosingBody):
    """A body that records how it ends."""

    __slots__ = ("events",)

    def __init__(self, body: Iterable[bytes], events: list[Any]) -> None:
        super().__init__(body)
        self.events = events

    def ended(self, error: BaseException | None) -> None:
        self.events.append(error)

    def abandoned(self) -> None:
        self.events.append("abandoned")


class Closing:
    """A body of an app that records its close(), or raises in it."""

    def __init__(self, events: list[Any], failure: Exception | None = None) -> None:
        self.events = events
        self.failure = failure

    def __iter__(self) -> Iterator[bytes]:
        self.events.append("iter")
        return iter([b"a", b"b"])

    def close(self) -> None:
        self.events.append("close")
        if self.failure is not None:
            raise self.failure


class Items(list[bytes]):
    """A list whose iteration may run code."""


@pytest.mark.parametrize(
    ("body", "environ", "expected"),
    [
        ([b"x"], {}, True),
        ((b"x",), {}, True),
        (Items([b"x"]), {}, False),
        (iter([b"x"]), {}, False),
        (FileWrapper(), {}, False),
        (FileWrapper(), {"wsgi.file_wrapper": FileWrapper}, True),
        (FileWrapper(), {"wsgi.file_wrapper": lambda file: FileWrapper()}, False),
    ],
)
def test_lists_tuples_and_the_servers_files_are_whole(body: Any, environ: dict[str, Any], expected: bool) -> None:
    assert is_whole(body, environ) is expected


def test_the_apps_body_is_iterated_with_the_first_step_and_closed_before_the_end() -> None:
    events: list[Any] = []
    body = Recorded(Closing(events), events)

    assert iter(body) is body
    assert events == []
    assert list(body) == [b"a", b"b"]
    body.close()
    body.close()

    assert events == ["iter", "close", None]


def test_the_end_gets_the_error_of_close_which_the_server_gets_too() -> None:
    events: list[Any] = []
    failure = BlockingIOError()
    body = Recorded(Closing(events, failure), events)

    with pytest.raises(BlockingIOError):
        body.close()

    assert events == ["close", failure]


def test_an_error_in_the_body_goes_before_that_of_its_close() -> None:
    events: list[Any] = []
    error = KeyError()
    body = Recorded(Closing(events, BlockingIOError()), events)

    with pytest.raises(BlockingIOError):
        body.close_after(error)

    assert events == ["close", error]


def test_a_body_that_is_collected_unclosed_was_abandoned() -> None:
    events: list[Any] = []
    body = Recorded([b"x"], events)

    del body

    assert events == ["abandoned"]
