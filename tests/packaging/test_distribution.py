"""The package as it is built and installed: the links in the tree, the wheel, the source distribution, the metadata."""

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

import flask_embed

ROOT = Path(__file__).parents[2]
LINKED = ("adapters", "middleware")
FOLDERS = ("flask_embed", "adapters", "middleware", "tests", "examples", "docs", ".ci")
PAGES = ("README.md", "CHANGES.md", "SECURITY.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "pyproject.toml")
VERSION = flask_embed.__version__


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
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "build", "dist", "*.egg-info", "*.db")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored, dirs_exist_ok=True)
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
    assert {name.split("/", 1)[0] for name in names} == {"flask_embed", f"flask_embed-{VERSION}.dist-info"}
    assert f"flask_embed-{VERSION}.dist-info/licenses/LICENSE" in names


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


@pytest.fixture(scope="module")
def unpacked(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the source distribution."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(build("sdist", tree, folder / "sdist")) as archive:
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # not before 3.11.4
        archive.extractall(folder, **safely)
    return folder / f"flask_embed-{VERSION}"


def test_a_wheel_built_from_the_source_distribution_is_the_same(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    again = build("wheel", unpacked, tmp_path / "wheel")

    assert members(again) == members(wheel)


def test_the_source_distribution_holds_all_files_of_the_tree(tree: Path, unpacked: Path) -> None:
    links = [tree / "flask_embed" / name for name in LINKED]
    files = [path for folder in FOLDERS for path in (tree / folder).rglob("*") if path.is_file()]
    names = {path.relative_to(tree).as_posix() for path in files if not any(map(path.is_relative_to, links))}

    assert sorted(name for name in {*names, *PAGES} if not (unpacked / name).exists()) == []


def test_the_version_stands_in_one_place() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]

    assert "version" not in project
    assert project["dynamic"] == ["version"]


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
