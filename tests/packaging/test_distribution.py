"""What is built and installed: the links in the tree, the wheel, the source distribution, the metadata."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINKED = ("adapters", "middleware")


def modules(folder: str) -> set[str]:
    """The modules in a folder, by their paths within it; links are not followed."""
    top = ROOT / folder
    links = [path for path in top.iterdir() if path.is_symlink()]
    return {
        file.relative_to(top).as_posix()
        for file in top.rglob("*.py")
        if not any(file.is_relative_to(link) for link in links)
    }


def build(kind: str, tree: Path, into: Path) -> Path:
    """Run a hook of the build backend, the one that an installer would run, and return what it built."""
    into.mkdir(exist_ok=True)
    hook = f"from setuptools import build_meta; build_meta.build_{kind}({str(into)!r})"
    run = subprocess.run([sys.executable, "-c", hook], cwd=tree, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, so that the build leaves nothing here and takes nothing that an old one left."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("flask_embed", "adapters", "middleware", "tests", "examples"):
        if (ROOT / name).exists():
            ignored = shutil.ignore_patterns("__pycache__", "*.db")
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tree, tmp_path_factory.mktemp("wheel"))


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("name", LINKED)
def test_the_links_are_relative(name: str) -> None:
    link = ROOT / "flask_embed" / name

    assert link.is_symlink()
    assert os.readlink(link) == f"../{name}"
    assert (link / "__init__.py").samefile(ROOT / name / "__init__.py")


def test_the_wheel_holds_the_linked_folders_below_the_package_and_nothing_beside_it(wheel: Path) -> None:
    names = members(wheel)

    for folder, installed in (
        ("flask_embed", "flask_embed"),
        ("adapters", "flask_embed/adapters"),
        ("middleware", "flask_embed/middleware"),
    ):
        assert {f"{installed}/{file}" for file in modules(folder)} <= names
    assert "flask_embed/py.typed" in names
    assert {name.split("/", 1)[0] for name in names} == {"flask_embed", "flask_embed-0.1.0.dist-info"}
    assert "flask_embed-0.1.0.dist-info/licenses/LICENSE" in names


def test_an_installed_wheel_imports_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import flask_embed.adapters, flask_embed.middleware\n"
        "print(flask_embed.adapters.__file__, flask_embed.middleware.__file__, sep='\\n')"
    )

    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)

    assert run.stdout.splitlines() == [f"{tmp_path}/flask_embed/{name}/__init__.py" for name in LINKED], run.stderr


def test_a_wheel_built_from_the_source_distribution_is_the_same(tree: Path, wheel: Path, tmp_path: Path) -> None:
    source = build("sdist", tree, tmp_path / "sdist")
    with tarfile.open(source) as archive:
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # not before 3.11.4
        archive.extractall(tmp_path / "unpacked", **safely)

    again = build("wheel", tmp_path / "unpacked/flask_embed-0.1.0", tmp_path / "wheel")

    assert members(again) == members(wheel)


def requirements(key: str, group: str) -> set[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        configuration: dict[str, Any] = tomllib.load(file)
    table = configuration["project"] if key == "optional-dependencies" else configuration
    found: set[str] = set()
    for entry in table[key][group]:
        if isinstance(entry, str) and entry.startswith("flask-embed["):
            for extra in entry.removeprefix("flask-embed[").removesuffix("]").split(","):
                found |= requirements(key, extra)
        elif isinstance(entry, str):
            found.add(entry)
    return found


def test_the_test_group_repeats_the_requirements_of_all_extras() -> None:
    extras = requirements("optional-dependencies", "all")

    names = {entry.split(">", 1)[0] for entry in extras}
    assert names == {"gevent", "httptools", "tornado", "flup", "sqlalchemy"}
    assert extras <= requirements("dependency-groups", "test")


def test_flup_is_another_name_for_the_fastcgi_extra() -> None:
    assert requirements("optional-dependencies", "flup") == requirements("optional-dependencies", "fastcgi")
