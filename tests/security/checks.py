"""Checks that also hold under ``python -O``, where an ``assert`` is nothing."""

from __future__ import annotations

import gc
from time import process_time
from typing import TYPE_CHECKING, AnyStr

if TYPE_CHECKING:
    from collections.abc import Callable, Container

__all__ = ["absent", "check", "equal", "linear", "one_of", "present"]

#: A time shorter than this, in seconds, is taken for this long: it says nothing about growth.
FLOOR = 0.0005


def check(condition: object, message: str) -> None:
    """Raise AssertionError with *message* unless *condition* is true."""
    if not condition:
        raise AssertionError(message)


def equal(actual: object, expected: object, what: str = "the value") -> None:
    """Raise AssertionError unless *actual* equals *expected*."""
    check(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")


def one_of(actual: object, allowed: Container[object], what: str = "the value") -> None:
    """Raise AssertionError unless *actual* is among *allowed*."""
    check(actual in allowed, f"{what}: expected one of {allowed!r}, got {actual!r}")


def present(part: AnyStr, whole: AnyStr) -> None:
    """Raise AssertionError unless *part* stands in *whole*."""
    check(part in whole, f"{part!r} is missing in {whole!r}")


def absent(part: AnyStr, whole: AnyStr) -> None:
    """Raise AssertionError if *part* stands in *whole*."""
    check(part not in whole, f"{part!r} stands in {whole!r}")


def linear(prepare: Callable[[int], Callable[[], object]], size: int) -> None:
    """Raise AssertionError unless four times the input takes at most six times as long.

    ``prepare(n)`` makes the input and returns what is measured. Quadratic work would take sixteen times as long.
    The shortest of many runs counts, and a machine that was busy then gets two more chances.
    """
    once, four_times = prepare(size), prepare(4 * size)
    times: list[tuple[float, float]] = []
    for _ in range(3):
        times.append((max(_shortest(once), FLOOR), _shortest(four_times)))
        if times[-1][1] <= 6 * times[-1][0]:
            return
    raise AssertionError(f"{4 * size} takes more than six times as long as {size}, in seconds: {times}")


def _shortest(run: Callable[[], object]) -> float:
    """The shortest processor time of at least three runs, and of as many as a twentieth of a second has room for."""
    run()
    shortest = float("inf")
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = process_time()
        runs = 0
        while runs < 3 or (runs < 20 and process_time() - started < 0.05):
            before = process_time()
            run()
            shortest = min(shortest, process_time() - before)
            runs += 1
    finally:
        if collecting:
            gc.enable()
    return shortest
