"""The set-up that every target of the Makefile begins with, as far as it goes without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person would, not as a part of the make that these tests may run in."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=project, env=environ, capture_output=True, text=True, check=False)


def test_without_a_target_make_lists_the_targets(project: Path) -> None:
    run = make(project)

    assert run.returncode == 0
    listed = [line.split()[1] for line in run.stdout.splitlines()]
    assert listed == [
        "help",
        "demo",
        "test",
        "test-servers",
        "fuzz",
        "lint",
        "bench",
        "plots",
        "bench-servers",
        "clean",
    ]


@pytest.mark.parametrize("target", ["demo", "test", "test-servers", "fuzz", "lint", "bench", "plots", "bench-servers"])
@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo 'python: not known here' >&2; exit 127"],
    ids=["too old", "a shim that refuses"],
)
def test_a_python_that_will_not_do_is_named_in_one_line(project: Path, target: str, script: str) -> None:
    python = project / "python2"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)

    run = make(project, target, "PYTHON=./python2")

    assert run.returncode == 2
    assert [line for line in run.stderr.splitlines() if not line.startswith("make: ***")] == [
        "flask_embed needs Python 3.11 or later, which './python2' is not: name one with PYTHON=python3.N"
    ]
    assert not (project / ".venv").exists()
