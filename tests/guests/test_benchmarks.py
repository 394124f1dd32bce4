"""The benchmarks: every contender answers every workload alike, other work is found out, and results can be read."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks import targets
from tests.benchmarks.checking import check
from tests.benchmarks.contenders import FALCON, FLASK, MODULES, OURS, started
from tests.benchmarks.measuring import Figure, measure
from tests.benchmarks.readme import performance
from tests.benchmarks.results import Results, read, results_here, write
from tests.benchmarks.table import table
from tests.benchmarks.targets import judged
from tests.benchmarks.worker import Contender
from tests.benchmarks.workloads import BY_NAME, WORKLOADS, Right, Workload, many_rules

if TYPE_CHECKING:
    from pathlib import Path

#: More rules are the same request to an app that takes seconds to make; mounts beside each other, too.
LARGEST = 200
ASKED = [workload for workload in BY_NAME.values() if workload.size is None or workload.size <= LARGEST]


@cache
def contender(name: str) -> Contender:
    return Contender(import_module(MODULES[name]))


@pytest.mark.parametrize(
    ("name", "workload"),
    [
        pytest.param(name, workload, id=f"{name}-{workload.name}")
        for name in MODULES
        for workload in ASKED
        if contender(name).has(workload)
    ],
)
def test_every_contender_answers_every_workload_alike(name: str, workload: Workload) -> None:
    contender(name).check(workload)


def test_no_cell_of_ours_and_of_flask_is_empty() -> None:
    for name in (OURS, FLASK):
        assert [one.name for one in BY_NAME.values() if not contender(name).has(one)] == []


def test_what_a_contender_lacks_is_a_workload_of_its_apps_or_a_trait() -> None:
    for name in MODULES:
        for lack in contender(name).lacks:
            assert lack in BY_NAME or lack in ("vary", "teardown"), (name, lack)


def differing(name: str, **other: object) -> Workload:
    """The workload with this name, with something else for the right answer."""
    workload = BY_NAME[name]
    return workload._replace(right=lambda number: workload.right(number)._replace(**other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("workload", "wrong"),
    [
        (differing("hello", body=b"Hello!"), "the body b'Hello World!', not b'Hello!'"),
        (differing("hello", status=201), "the status 200, not 201"),
        (differing("hello", content_type="text/html; charset=latin-1"), "the type 'text/html; charset=utf-8'"),
        (differing("static file", content_type="text/plain"), "the type 'text/css; charset=utf-8'"),
        (differing("hello", sized=False), "the length '12'"),
        (differing("redirect", location="/user/1"), "the location '/user/7', not '/user/1'"),
        (differing("405", allow="POST"), "Allow '"),
        (differing("static file, range", content_range="bytes 0-999/10240"), "the range 'bytes 7-1006/10240'"),
        (differing("hello", varies=True), "Vary ''"),
        (differing("JSON", body=b'{"id": 7}'), "the body b'"),
        (differing("hello", then=b"Hello World!"), "the cookies {}"),
        (differing("session, read and written", then=b"3"), "the body b'2'"),
        (differing("session, read and written", then=None), "the cookies {'session'"),
        (BY_NAME["hello"]._replace(hooks=1), r"(0, 0, 0) hooks before, after and at the end, not (1, 1, 1)"),
    ],
)
def test_other_work_is_found_out(workload: Workload, wrong: str) -> None:
    app = contender(OURS).app(workload)

    with pytest.raises(AssertionError) as error:
        check(app, workload)

    assert wrong in str(error.value)


@pytest.fixture(scope="module")
def results() -> Results:
    """A short run of three processes."""
    names = ["hello", "1 rule", "session, read", "mounted, 1 deep"]
    with started({name: MODULES[name] for name in (OURS, FLASK, FALCON)}) as contenders:
        return results_here(measure(contenders, names, rounds=2, round_=0.001), 2)


def test_processes_measure_what_each_contender_has(results: Results) -> None:
    assert {workload: list(row) for workload, row in results.figures.items()} == {
        "hello": [OURS, FLASK, FALCON],
        "1 rule": [OURS, FLASK, FALCON],
        "session, read": [OURS, FLASK],
        "mounted, 1 deep": [OURS, FLASK],
    }
    for row in results.figures.values():
        for figure in row.values():
            assert 0 < figure.minimum <= figure.median


def test_results_are_written_and_read_again(results: Results, tmp_path: Path) -> None:
    file = tmp_path / "results.json"

    write(results, file)

    assert read(file) == results
    assert [target.workload for target in read(file).targets] == ["hello", "session, read", "hello", "mounted, 1 deep"]


def test_a_contender_that_does_other_work_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "LACKS = frozenset()",
        "def site():",
        "    return lambda environ, start_response: start_response('200 OK', []) and [] or [b'Hello']",
    ]
    (tmp_path / "other_work.py").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with started({"other": "other_work"}) as contenders, pytest.raises(AssertionError) as error:
        measure(contenders, ["hello"])

    assert "other does other work than the others: hello, GET /: the body b'Hello'" in str(error.value)


def test_a_contender_whose_process_ends_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="the process of none has ended"), started({"none": "no_such_module"}):
        pass


def made_up(**figures: float) -> Results:
    """Results with these best rounds of ours for some workloads, of which the others take 100 µs."""
    rows = {
        name.replace("__", ", ").replace("_", " "): {OURS: Figure(ours, ours), FLASK: Figure(100, 100)}
        for name, ours in figures.items()
    }
    if "hello" in rows:
        rows["hello"][FALCON] = Figure(8, 8.5)
    return Results("3.11.7", "a processor", {"flask-embed": "0.1.0", "flask": "3.1.3"}, 25, rows)


@pytest.mark.parametrize(
    ("results", "missed"),
    [
        (made_up(hello=8), []),
        (made_up(hello=9), ["hello: 1.12 of Falcon's, at most 1"]),
        (made_up(form=50.0), []),
        (made_up(form=50.1), ["form: 0.501 of Flask's, at most 0.5"]),
    ],
)
def test_a_target_is_missed_above_its_limit(results: Results, missed: list[str]) -> None:
    assert [str(target) for target in results.missed] == missed


def figures(best: dict[str, dict[str, float]]) -> dict[str, dict[str, Figure]]:
    return {workload: {name: Figure(took, took) for name, took in row.items()} for workload, row in best.items()}


def test_a_template_is_judged_by_what_is_spent_above_its_rendering() -> None:
    (target,) = judged(
        figures(
            {
                "template from a file": {OURS: 80, FLASK: 250},
                "render() alone": {OURS: 60, FLASK: 50},
            }
        )
    )

    assert target.found == pytest.approx(0.1)


def test_mounting_is_judged_by_what_a_level_adds() -> None:
    found = judged(figures({"1 rule": {OURS: 10}, "mounted, 1 deep": {OURS: 12}, "mounted, 3 deep": {OURS: 13}}))

    assert [(target.found, target.kept) for target in found] == [(2, False), (1, True)]


def test_many_rules_are_judged_by_one() -> None:
    found = judged(figures({"1 rule": {OURS: 10}, "2,000 rules, last": {OURS: 12}}))

    assert [str(target) for target in found] == ["2,000 rules, last: 1.2 of 1 rule, at most 1.3"]


def test_every_target_is_a_row_of_the_table() -> None:
    rows = {workload.name for workload in WORKLOADS}
    named = {*targets.OF_FLASK, *targets.OF_FALCON, *targets.OF_ONE_RULE}
    named |= {one for one, _ in targets.OF_ONE_RULE.values()}
    named |= {"template from a file", "render() alone", "mounted, 1 deep", "mounted, 3 deep"}

    assert named <= rows


def test_the_table_has_figures_ratios_and_targets() -> None:
    lines = [" ".join(line.split()) for line in table(made_up(hello=9, session__read=25)).splitlines()]

    assert lines[1:] == [
        "hello best 9.0 100.0 0.09 8.0 1.12 ≤ 0.1 of Flask's (0.09) MISSED ≤ 1 of Falcon's (1.12)",
        "median 9.0 100.0 0.09 8.5 1.06",
        "session, read best 25.0 100.0 0.25 ≤ 0.3 of Flask's (0.25)",
        "median 25.0 100.0 0.25",
    ]


def test_the_readme_has_a_table_in_markdown() -> None:
    lines = performance(made_up(hello=9, session__read=25)).splitlines()

    assert lines[0].startswith("| request | flask_embed | Flask | Bottle |")
    assert lines[2:4] == [
        "| hello | 9.0 | 100.0 |  | 8.0 |  |  |  | 9% |",
        "| session, read | 25.0 | 100.0 |  |  |  |  |  | 25% |",
    ]
    assert "Python 3.11.7 on a processor; flask_embed 0.1.0, Flask 3.1.3." in lines[-1]


def test_the_command_tells_by_its_status_whether_a_target_is_missed(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--rounds", "1", "--json", str(file), "hello"]

    process = subprocess.run(command, capture_output=True, text=True, check=False)

    assert process.returncode in (0, 1), process.stderr
    missed = [f"missed: {target}" for target in read(file).missed]
    assert [line for line in process.stdout.splitlines() if line.startswith("missed")] == missed
    assert process.returncode == bool(missed)


def test_a_miss_is_no_rule_of_the_app() -> None:
    assert many_rules(2000, 9999, "miss").right(1) == Right(None, 404, None)
