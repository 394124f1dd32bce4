"""The tools of the tests: make's first step, the choice of Pythons, and skips, which fail in CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pythons import find

ROOT = Path(__file__).parents[2]


def executable(path: Path, *lines: str) -> Path:
    """A shell script, in the place of a Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("line", ["exit 1", "exit 127"], ids=["too old", "a shim that refuses"])
def test_make_names_a_python_that_is_too_old_in_one_line(tmp_path: Path, line: str) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    executable(tmp_path / "python2", line)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}

    run = subprocess.run(
        ["make", "test", "PYTHON=./python2"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )

    assert run.returncode == 2
    assert [line for line in run.stderr.splitlines() if not line.startswith("make: ***")] == [
        "flask_embed needs Python 3.11 or later, which './python2' is not: name one with PYTHON=python3.N"
    ]
    assert not (tmp_path / ".venv").exists()


def test_each_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    entries = {"test", "test-servers", "test-hosts", "coverage", "lint", "docs", "fuzz", "bench", "demo", "clean"}

    assert entries <= set(re.findall(r"^([a-z-]+):.*  ## ", makefile, re.MULTILINE))


def test_of_each_minor_version_the_newest_python_that_runs_is_found(tmp_path: Path) -> None:
    executable(tmp_path / "a/python3.12", "echo 12 2 /py/3.12.2")
    executable(tmp_path / "b/python3.12", "echo '12 10 /with space/3.12.10'")
    executable(tmp_path / "b/python3.13", "exit 127")  # a shim that refuses
    executable(tmp_path / "b/python3.14", "exit 0")  # a pre-release
    executable(tmp_path / "b/python3.12-config", "echo 15 1 /py/config")
    (tmp_path / "a/python3.16").write_text("not a program")

    assert find([tmp_path / "a", tmp_path / "b", tmp_path / "absent"]) == {12: "/with space/3.12.10"}


def test_the_running_python_is_found(tmp_path: Path) -> None:
    python = executable(tmp_path / "python3.99", f'exec "{sys.executable}" "$@"')

    assert find([python.parent]) == {sys.version_info.minor: sys.executable}


SKIPPED = """
import pytest

@pytest.mark.skip(reason="no such server")
def test_marked(): ...

def test_called():
    pytest.skip("no such library")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected(): raise ValueError
"""
SKIPPED_WHOLE = 'import pytest; pytest.importorskip("no_such_library_of_this_name")'


@pytest.mark.parametrize("in_ci", [True, False])
def test_ci_fails_on_each_skip_with_its_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, in_ci: bool
) -> None:
    monkeypatch.setenv("CI", "true" if in_ci else "false")
    pytester.makeconftest((ROOT / "tests/conftest.py").read_text("utf-8"))
    pytester.makepyfile(test_some=SKIPPED, test_whole=SKIPPED_WHOLE)

    result = pytester.runpytest_subprocess("--continue-on-collection-errors")

    if not in_ci:
        result.assert_outcomes(skipped=3, xfailed=1)
        return
    result.assert_outcomes(errors=2, failed=1, xfailed=1)
    result.stdout.fnmatch_lines_random(
        [
            "CI allows no skip, and test_some.py::test_marked was skipped: Skipped: no such server",
            "CI allows no skip, and test_some.py::test_called was skipped: Skipped: no such library",
            "*test_whole.py was skipped: Skipped: could not import 'no_such_library*",
        ]
    )


def test_a_folder_whose_libraries_are_missing_is_skipped_with_one_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    conftest = (ROOT / "tests/conftest.py").read_text("utf-8")
    conftest = conftest.replace('"guests": (("bottle"', '"guests": (("no_such_one"')
    tests = pytester.mkdir("tests")
    (tests / "conftest.py").write_text(conftest)
    (tests / "guests").mkdir()
    for name in ("test_one.py", "test_two.py"):
        (tests / "guests" / name).write_text("import no_such_one\ndef test(): ...\n")
    (tests / "test_other.py").write_text("def test(): ...\n")

    result = pytester.runpytest_subprocess("-ra")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * tests/guests needs no_such_one*: make test-servers"])


def test_a_checkout_without_symbolic_links_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "flask_embed").mkdir()
    (tmp_path / "flask_embed/__init__.py").write_text("")
    (tmp_path / "flask_embed/adapters").write_text("../adapters")  # git's text file in the place of a link
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    # An editable installation of the project, which would find the adapters, is hidden.
    script = (
        "import sys, pytest; sys.meta_path[:] = [one for one in sys.meta_path if 'editable' not in repr(one)]\n"
        "pytest.main(['tests'])"
    )

    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "flask_embed/adapters is not a folder but a text file" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
