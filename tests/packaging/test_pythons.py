"""tests/pythons.py: which interpreters it finds, and which it passes over."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.pythons import Python, candidates, find, probe


def stub(path: Path, prints: str = "", exits: int = 0) -> Path:
    """A script in the place of an interpreter that prints what the probe would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\nexit {exits}\n")
    path.chmod(0o755)
    return path


def test_candidates_are_looked_for_on_path_and_under_pyenv_and_uv(tmp_path: Path) -> None:
    on_path = stub(tmp_path / "bin/python3.12")
    stub(tmp_path / "bin/python3.12-config")
    stub(tmp_path / "bin/python3")
    pyenv = stub(tmp_path / ".pyenv/versions/3.13.0/bin/python3.13")
    uv = stub(tmp_path / ".local/share/uv/python/cpython-3.14.1-linux/bin/python3.14")

    found = list(candidates({"PATH": f"{tmp_path}/absent:{tmp_path}/bin:"}, tmp_path))

    assert found == [on_path, pyenv, uv]


def test_folders_of_pyenv_and_uv_can_be_named_by_the_environment(tmp_path: Path) -> None:
    pyenv = stub(tmp_path / "p/versions/3.13.0/bin/python3.13")
    uv = stub(tmp_path / "u/cpython-3.14.1-linux/bin/python3.14")

    found = list(candidates({"PYENV_ROOT": f"{tmp_path}/p", "UV_PYTHON_INSTALL_DIR": f"{tmp_path}/u"}, tmp_path))

    assert found == [pyenv, uv]


def test_the_running_interpreter_is_recognised() -> None:
    python = probe(Path(sys.executable))

    assert python is not None
    assert python.version == sys.version_info[:3]
    assert python.path.samefile(sys.executable)


@pytest.mark.parametrize(
    ("prints", "exits"),
    [
        pytest.param("", 127, id="a shim that refuses"),
        pytest.param("", 0, id="a pre-release or no CPython"),
        pytest.param("3 12 1 /usr/bin/python3.12", 1, id="one without venv"),
    ],
)
def test_what_does_not_run_the_tests_is_no_python(tmp_path: Path, prints: str, exits: int) -> None:
    assert probe(stub(tmp_path / "python3.12", prints, exits)) is None


def test_a_file_that_cannot_be_run_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "python3.12").write_text("no program")

    assert probe(tmp_path / "python3.12") is None


def test_one_python_for_each_minor_version_and_the_newest_patch_of_it(tmp_path: Path) -> None:
    paths = [
        stub(tmp_path / "a", "3 13 9 /py/3.13.9"),
        stub(tmp_path / "b", "3 12 2 /py/3.12.2"),
        stub(tmp_path / "c", "3 12 10 /with space/3.12.10"),
        stub(tmp_path / "d", "3 12 3 /py/3.12.3"),
        stub(tmp_path / "e", "3 11 7 /py/own"),
        stub(tmp_path / "f", "3 10 1 /py/too-old"),
        tmp_path / "absent",
    ]

    found = find(paths, without=(3, 11))

    assert found == [
        Python((3, 12, 10), Path("/with space/3.12.10")),
        Python((3, 13, 9), Path("/py/3.13.9")),
    ]
