"""What all tests share: in CI a skip is a failure, so that no missing server or library goes unnoticed."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

# The 200 ms that an example may take by default are lost to a busy machine now and then; the time limit of
# the whole test stays. The examples are the same in each run: few for every day, many with THOROUGH set.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, derandomize=True, max_examples=1000)
hypothesis.settings.load_profile("thorough" if os.environ.get("THOROUGH") else "house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what compares times: it is run alone, or its neighbour on the other core decides."""
    for item in items:
        if isinstance(item, pytest.Function) and "linear" in item.function.__code__.co_names:
            item.add_marker(pytest.mark.timing)


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI allows no skip, and {report.nodeid} was skipped: {reason}"


def pytest_runtest_setup() -> None:
    """Let gevent look at the clock: where its loop has last run minutes ago, a time-out of one is over at once."""
    local = sys.modules.get("gevent._hub_local")
    hub = None if local is None else local.get_hub_if_exists()
    if hub is not None:
        hub.loop.update_now()


def pytest_collection_finish() -> None:
    """Take the thousands of collected tests out of the sight of the garbage collector, which walks over all it sees."""
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
