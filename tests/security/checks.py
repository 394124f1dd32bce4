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

    ``prepare(n)`` makes the input and returns what is measured. Quadratic work takes sixteen times as long at each
    fourfold step. Linear work takes more than six times as long at one of them, where its data outgrow the processor's
    cache: of what is too slow at the first step, two together are to take at most six times six times as long.
    """
    once, four_times = _shortest(prepare(size), prepare(4 * size))
    if four_times <= 6 * max(once, FLOOR):
        return
    again, sixteen_times = _shortest(prepare(size), prepare(16 * size))
    times = f"{once:.6f}, {four_times:.6f} and {sixteen_times:.6f} s ({again:.6f} when asked again)"
    check(sixteen_times <= 36 * max(again, FLOOR), f"{size}, four times and sixteen times as much take {times}")


def _shortest(*runs: Callable[[], object]) -> list[float]:
    """The shortest processor time of each of *runs*, which take turns, so that a busy machine slows all of them.

    There are at least three turns, and as many as a tenth of a second has room for, up to twenty.
    """
    for run in runs:
        run()
    shortest = [float("inf")] * len(runs)
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = process_time()
        turns = 0
        while turns < 3 or (turns < 20 and process_time() - started < 0.1):
            for place, run in enumerate(runs):
                before = process_time()
                run()
                shortest[place] = min(shortest[place], process_time() - before)
            turns += 1
    finally:
        if collecting:
            gc.enable()
    return shortest
