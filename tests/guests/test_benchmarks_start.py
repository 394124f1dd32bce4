"""The benchmark of starting: what it starts does start, with either framework, and what CGI loads is known."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.contenders import FLASK, OURS

if TYPE_CHECKING:
    from collections.abc import Callable

# By name: it takes from the benchmark of the runners, whose stubs the environment of the guests does without.
start: Any = import_module("tests.benchmarks.start")


@pytest.mark.parametrize("takes", [start.first_request, start.cgi_request, start.memory])
@pytest.mark.parametrize("name", [OURS, FLASK])
def test_what_a_start_takes_is_measured_of_both(takes: Callable[[str], float], name: str) -> None:
    assert takes(name) > 0


def test_a_process_that_does_not_say_hello_is_not_measured() -> None:
    with pytest.raises(AssertionError, match="has failed: Hello"):
        start.run(["-c", "print('Hello')"])


def test_what_a_cgi_request_loads_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "SPARED", ("werkzeug", "sqlite3"))

    assert start.loaded_by_cgi() == ["werkzeug"]


def test_a_target_is_missed_above_its_limit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def takes(name: str) -> float:
        return {OURS: 8.0, FLASK: 10.0}[name]

    comparisons = [start.Comparison("kept", takes, 2, 0.8), start.Comparison("not kept", takes, 2, 0.7)]
    monkeypatch.setattr(start, "COMPARISONS", comparisons)
    monkeypatch.setattr(start, "loaded_by_cgi", lambda: [])

    assert start.main() == 1

    output = capsys.readouterr().out.splitlines()
    assert [line for line in output if line.startswith("missed")] == ["missed: not kept: at most 0.7 of Flask's"]
    assert "a CGI request loads neither jinja2 nor itsdangerous nor click" in output
