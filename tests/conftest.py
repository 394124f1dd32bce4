"""Shared by all tests: folders whose libraries are missing are skipped, and in CI a skip is a failure."""

from __future__ import annotations

import gc
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

TESTS = Path(__file__).parent
#: by folder, the libraries that its tests import, and how to get them
NEEDS = {
    "guests": (("bottle", "django", "falcon", "flask", "pyramid"), "make test-servers"),
    "hosts": (("bottle", "django", "falcon", "flask", "pyramid"), "make test-hosts"),
    "servers": (("a2wsgi", "axe_playwright_python", "playwright", "psycopg"), "pip install --group servers"),
}

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

# The 200 ms that an example may take by default are lost to a busy machine now and then; the time limit of
# the whole test stays. The examples are the same in each run: few for every day, many with THOROUGH set.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, derandomize=True, max_examples=1000)
hypothesis.settings.load_profile("thorough" if os.environ.get("THOROUGH") else "house")


class FolderWithoutLibraries(pytest.Directory):
    """A folder of tests that is skipped as one, with one reason."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """No test: the folder is skipped."""
        libraries, command = NEEDS[self.path.name]
        missing = ", ".join(name for name in libraries if find_spec(name) is None)
        pytest.skip(f"tests/{self.path.name} needs {missing}: {command}")


def pytest_configure() -> None:
    """Stop where git or an archive has written the links of the tree as text files."""
    if find_spec("flask_embed.adapters") is None:
        pytest.exit(
            "flask_embed/adapters is not a folder but a text file, because this checkout has no symbolic links: "
            "run 'pip install -e .', or 'git config core.symlinks true' and 'git checkout flask_embed'",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Skip a folder of tests as one if libraries that it needs are missing."""
    if path.parent != TESTS or path.name not in NEEDS or all(map(find_spec, NEEDS[path.name][0])):
        return None
    folder: pytest.Collector = FolderWithoutLibraries.from_parent(parent, path=path)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that compare times: they run alone, or the load of the other core decides."""
    for item in items:
        if isinstance(item, pytest.Function) and "linear" in item.function.__code__.co_names:
            item.add_marker(pytest.mark.timing)


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI allows no skip, and {report.nodeid} was skipped: {reason}"


def pytest_runtest_setup() -> None:
    """Update gevent's clock: if its loop last ran minutes ago, a time-out of one minute would be over at once."""
    local = sys.modules.get("gevent._hub_local")
    hub = None if local is None else local.get_hub_if_exists()
    if hub is not None:
        hub.loop.update_now()


def pytest_collection_finish() -> None:
    """Exclude the thousands of collected tests from garbage collection, which would walk over them each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure."""
    report = yield
    _fail_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file (``importorskip``) into a failure."""
    report = yield
    _fail_skipped(report)
    return report
