"""The chapter Installation: an environment of its own, and the package dropped next to an app."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from typing import TYPE_CHECKING

import pytest

from tests.reference.servers import PATIENCE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reference.project import Project

HELLO = """
    import flask_embed

    app = flask_embed.Flask(__name__)

    @app.route("/")
    def hello_world():
        return "Hello World!"

    print(flask_embed.__file__, app.test_client().get("/").text, sep="\\n")
"""


def copy_package(into: Path) -> Path:
    """Put the package there as it is installed: the folders that it links to are part of it."""
    copy = into / "flask_embed"
    shutil.copytree(ROOT / "flask_embed", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def printed(*command: str | Path) -> list[str]:
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.mark.section("Installation / virtualenv")
def test_an_environment_of_its_own_has_the_package_and_runs_an_app(project: Project) -> None:
    environment = project.folder / "myproject/env"
    venv.create(environment, symlinks=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    package = copy_package(site_packages)
    (site_packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    script = project.write("myproject/hello.py", HELLO)

    lines = printed(environment / "bin/python", "-I", script)

    assert lines == [str(package / "__init__.py"), "Hello World!"]


@pytest.mark.section("Installation / The Drop into Place Version")
def test_the_package_may_be_dropped_next_to_an_app(project: Project) -> None:
    package = copy_package(project.folder)
    script = project.write("hello.py", HELLO)

    lines = printed(sys.executable, script)

    assert lines == [str(package / "__init__.py"), "Hello World!"]
