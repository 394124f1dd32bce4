"""The promises under ``python -O``: they hold, and their tests can fail there."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.security import checks
from tests.security.checks import check, equal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PROMISES = (ROOT / "tests/security", HERE)


def optimized(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``-O``, from the root of the project."""
    return subprocess.run(
        [sys.executable, "-O", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )


def vanishing(file: Path) -> Iterator[str]:
    """Where *file* does something that ``python -O`` leaves out."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Assert) or (isinstance(node, ast.Name) and node.id == "__debug__"):
            yield f"{file.relative_to(ROOT)}:{node.lineno}"


def test_promise_079_no_check_is_left_out_of_optimized_code() -> None:
    files = [file for folder in ("flask_embed", "adapters", "middleware") for file in (ROOT / folder).rglob("*.py")]

    check(len(files) > 20, f"only {len(files)} files were found")
    equal([place for file in files for place in vanishing(file)], [])


def test_promise_079_nor_is_one_of_these_tests() -> None:
    equal([place for folder in PROMISES for file in folder.rglob("*.py") for place in vanishing(file)], [])


@pytest.mark.parametrize(
    "call",
    [
        "check(0, 'x')",
        "equal(1, 2)",
        "one_of(1, (2,))",
        "present('a', 'b')",
        "absent('a', 'a')",
        "linear(lambda n: lambda: [0 for _ in range(n * n)], 300)",
    ],
)
def test_promise_079_each_check_can_fail_under_it(call: str) -> None:
    script = "\n".join(
        ["from tests.security.checks import *", "try:", f"    {call}", "except AssertionError:", "    print('failed')"]
    )

    run = optimized("-c", script)

    equal((run.returncode, run.stdout, run.stderr), (0, "failed\n", ""))


@pytest.mark.parametrize("work", [lambda n: sum(range(n)), lambda n: None, lambda n: sorted(range(n, 0, -1))])
def test_what_is_linear_is_found_so(work: Callable[[int], object]) -> None:
    checks.linear(lambda size: lambda: work(size), 20_000)


# What compares times runs alone here as well.
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("which", "least"),
    [
        pytest.param("not timing", 3_000, marks=pytest.mark.thorough),
        pytest.param("timing", 80, marks=pytest.mark.timing),
    ],
)
def test_promise_079_all_of_these_tests_pass_under_it(which: str, least: int) -> None:
    run = optimized(
        *("-m", "pytest", *map(str, PROMISES), f"--ignore={Path(__file__).relative_to(ROOT)}"),
        *("-m", which),
        *("-q", "--tb=line", "-p", "no:cacheprovider", "-W", "error", "-W", "ignore::pytest.PytestConfigWarning"),
    )

    end = run.stdout[-3_000:]
    equal(run.returncode, 0, f"the exit status of {end}")
    passed = re.search(r"([0-9]+) passed", end)
    check(passed is not None and int(passed[1]) > least, end)
