"""Each promise has its test."""

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

HERE = Path(__file__).parent
_ROWS = re.compile(r"test_row((?:_\d{3})+)_")


def numbers() -> Iterator[int]:
    """The numbers that tests of this folder carry in their names, and streams of bytes in their keys."""
    for file in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef) and (match := _ROWS.match(node.name)):
                yield from map(int, match[1].split("_")[1:])
    yield from (int(case.keys["row"]) for case in CASES if "row" in case.keys)


def test_each_promise_has_a_test() -> None:
    equal(sorted(PROMISES.keys() - set(numbers())), [])


def test_each_test_with_a_number_is_about_a_promise() -> None:
    equal(sorted(set(numbers()) - PROMISES.keys()), [])
