"""tests/conftest.py: a skip counts as a failure in CI, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TESTS = """
import pytest

@pytest.mark.skip(reason="no such server")
def test_marked(): ...

def test_called():
    pytest.skip("no such library")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected(): raise ValueError

def test_passes(): ...
"""
FILE = 'import pytest; pytest.importorskip("no_such_library_of_this_name")'


@pytest.fixture
def house(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(test_some=TESTS, test_file=FILE)
    return pytester


def test_ci_fails_on_skipped_tests_with_their_reason(house: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    result = house.runpytest_subprocess("test_some.py")

    result.assert_outcomes(errors=1, failed=1, xfailed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "CI allows no skip, and test_some.py::test_marked was skipped: Skipped: no such server",
            "CI allows no skip, and test_some.py::test_called was skipped: Skipped: no such library",
        ]
    )


def test_ci_fails_on_a_file_that_is_skipped_whole(house: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")

    result = house.runpytest_subprocess("test_file.py")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_file.py was skipped: Skipped: could not import 'no_such_library*"])


@pytest.mark.parametrize("ci", [None, "false"])
def test_a_skip_is_a_skip_elsewhere(house: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str | None) -> None:
    if ci is None:
        monkeypatch.delenv("CI", raising=False)
    else:
        monkeypatch.setenv("CI", ci)

    result = house.runpytest_subprocess()

    result.assert_outcomes(skipped=3, xfailed=1, passed=1)
