"""Each promise has a test, and each number in the name of a test is one of a promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.security.checks import equal
from tests.security.promises import PROMISES
from tests.wire import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[1]
_NUMBERS = re.compile(r"test_promise((?:_\d{3})+)_")


def numbers() -> Iterator[int]:
    """The numbers that tests carry in their names, and streams of bytes in their keys."""
    for file in [*TESTS.glob("security/test_*.py"), *TESTS.glob("runners/security/test_*.py")]:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef) and (match := _NUMBERS.match(node.name)):
                yield from map(int, match[1].split("_")[1:])
    yield from (int(case.keys["promise"]) for case in CASES if "promise" in case.keys)


def test_each_promise_has_a_test() -> None:
    equal(sorted(PROMISES.keys() - set(numbers())), [])


def test_each_test_with_a_number_is_about_a_promise() -> None:
    equal(sorted(set(numbers()) - PROMISES.keys()), [])
