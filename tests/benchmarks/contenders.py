"""The contenders: each a process of its own that answers what it is told to, see :mod:`tests.benchmarks.worker`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

OURS = "flask_embed"
FLASK = "Flask"
FALCON = "Falcon"

#: the module of each, in the order of the table
MODULES = {
    OURS: "tests.guests.contenders.flask_embed_app",
    FLASK: "tests.guests.contenders.flask_app",
    "Bottle": "tests.guests.contenders.bottle_app",
    FALCON: "tests.guests.contenders.falcon_app",
    "Pyramid": "tests.guests.contenders.pyramid_app",
    "Werkzeug": "tests.guests.contenders.werkzeug_app",
    "bare": "tests.guests.contenders.bare_app",
}
DEADLINE = 30.0


class Contender:
    """A worker process; made by :func:`started`."""

    def __init__(self, name: str, module: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.worker", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        #: the names of the workloads that it has
        self.workloads: frozenset[str] = frozenset()

    def _tell(self, **command: object) -> None:
        if self._process.stdin is None:
            raise AssertionError("the worker was started without a pipe")
        print(json.dumps(command), file=self._process.stdin, flush=True)

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"the process of {self.name} has ended; what it said is above")
        return json.loads(line)

    def wait_until_ready(self) -> None:
        """Return when the process is there, and :attr:`workloads` known."""
        self.workloads = frozenset(self._answer())

    def begin_check(self, workload: str) -> None:
        """Have it check how it answers the workload; :meth:`end_check` waits for the result."""
        self._tell(check=workload)

    def end_check(self) -> None:
        """AssertionError if the workload that is checked is not answered as it should be."""
        wrong = self._answer()
        if wrong is not None:
            raise AssertionError(f"{self.name} does other work than the others: {wrong}")

    def run(self, workload: str, requests: int) -> float:
        """The seconds of processor time that so many requests take."""
        self._tell(run=workload, requests=requests)
        return float(self._answer())

    def end(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError), self._process:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self._process.kill()


@contextlib.contextmanager
def started(modules: Mapping[str, str] = MODULES) -> Iterator[list[Contender]]:
    """The contenders of these modules, in that order; ended with the block."""
    with contextlib.ExitStack() as stack:
        contenders = []
        for name, module in modules.items():
            contender = Contender(name, module)
            stack.callback(contender.end)
            contenders.append(contender)
        for contender in contenders:
            contender.wait_until_ready()
        yield contenders


def check(contenders: Collection[Contender], workloads: Collection[str]) -> None:
    """Build and check all that is to be measured, the contenders side by side; AssertionError for other work."""
    for workload in workloads:
        checked = [contender for contender in contenders if workload in contender.workloads]
        for contender in checked:
            contender.begin_check(workload)
        for contender in checked:
            contender.end_check()
