"""Changes of an app's files, and files that do not count."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.serving import reload
from flask_embed.adapters.serving.reload import FileWatcher
from tests.serving import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules can be imported; they are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reload, "_INTERVAL", 0.01)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def written(path: Path, text: str, age: float = 100) -> Path:
    """A file that was changed so many seconds ago."""
    path.write_text(text)
    now = time.time()
    os.utime(path, (now - age, now - age))
    return path


@contextlib.contextmanager
def watching(changes: FileWatcher) -> Iterator[threading.Event]:
    """An event that is set when a file has changed; the thread has ended after the block."""
    changed = threading.Event()
    changes.watch(changed.set)
    yield changed
    assert changed.wait(DEADLINE)


def failure(name: str) -> BaseException:
    """The exception of the import of this module."""
    importlib.invalidate_caches()
    try:
        importlib.import_module(name)
    except BaseException as error:
        return error
    raise AssertionError(f"{name} can be imported")


def test_a_module_that_changes_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(folder / "reload_one.py", "x = 1")
    changes = FileWatcher()
    importlib.import_module("reload_one")
    with watching(changes) as changed:
        assert not changed.is_set()
        assert changes.path is None
        written(path, "x = 2", age=50)
    assert changes.path == str(path)
    assert capsys.readouterr().err == "flask_embed: reload_one.py has changed, starting again\n"


def test_a_module_that_changed_while_it_was_loaded_is_told(folder: Path) -> None:
    changes = FileWatcher()
    path = written(folder / "reload_two.py", "x = 1", age=0)
    importlib.import_module("reload_two")
    with watching(changes):
        pass
    assert changes.path == str(path)


def test_a_module_that_goes_is_a_change(folder: Path) -> None:
    path = written(folder / "reload_three.py", "x = 1")
    changes = FileWatcher()
    importlib.import_module("reload_three")
    with watching(changes):
        path.unlink()
    assert changes.path == str(path)


def test_a_module_that_is_loaded_later_is_watched_too(folder: Path) -> None:
    path = written(folder / "reload_four.py", "x = 1")
    changes = FileWatcher()
    with watching(changes):
        importlib.import_module("reload_four")
        written(path, "x = 2", age=0)
    assert changes.path == str(path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("this is no Python", SyntaxError),
        ("1 / 0", ZeroDivisionError),
        ("import sys; sys.exit()", SystemExit),
        ("import reload_missing", ModuleNotFoundError),
        ("try:\n    1 / 0\nexcept ArithmeticError as error:\n    raise LookupError from error", LookupError),
    ],
)
def test_a_module_that_failed_is_waited_for(folder: Path, text: str, error: type[BaseException]) -> None:
    path = written(folder / "reload_broken.py", text)
    changes = FileWatcher()
    raised = failure("reload_broken")
    assert isinstance(raised, error)
    asked = 0

    def is_needed() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            written(path, "x = 1", age=50)
        assert asked < 10
        return True

    changes.wait(raised, is_needed)
    assert changes.path == str(path)


def test_a_module_that_was_missing_is_waited_for(folder: Path) -> None:
    (folder / "package").mkdir()
    written(folder / "package" / "__init__.py", "import package.missing")
    changes = FileWatcher()
    raised = failure("package")
    asked = 0

    def is_needed() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            (folder / "package" / "missing.py").write_text("")
        assert asked < 10
        return True

    changes.wait(raised, is_needed)
    assert changes.path == str(folder / "package" / "missing.py")


def test_nobody_waits_for_a_change_when_that_is_not_needed_any_more(capsys: pytest.CaptureFixture[str]) -> None:
    changes = FileWatcher()
    changes.wait(ValueError(), lambda: False)
    assert (changes.path, capsys.readouterr().err) == (None, "")
