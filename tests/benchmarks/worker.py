"""``python -m tests.benchmarks.worker MODULE``: a contender in a process of its own, which does what it is told.

A line of JSON on its stdin is a command, a line on its stdout the answer::

    {"check": "int rule"}                    null, or what is wrong as a text
    {"run": "int rule", "requests": 2000}    the seconds of processor time that they took

The first line on its stdout tells which workloads it has. It ends with its stdin.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.benchmarks.asking import Visitor, answer_all
from tests.benchmarks.checking import check
from tests.benchmarks.workloads import BY_NAME, IDS, Workload

if TYPE_CHECKING:
    from collections.abc import Collection

    from _typeshed.wsgi import WSGIApplication

#: requests before each run, so that caches hold this workload and not the one before
WARM_UP = 30


class Contender:
    """The apps of a module of :mod:`tests.guests.contenders`, each made when it is first asked for."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._apps: dict[tuple[str, int | None], WSGIApplication] = {}
        self._visitors: dict[tuple[str, int | None], Visitor] = {}
        self._next = 0

    @property
    def lacks(self) -> Collection[str]:
        """The workloads that the framework has no means for."""
        lacks: frozenset[str] = self._module.LACKS
        return lacks

    def has(self, workload: Workload) -> bool:
        """True if the framework has the means for the workload."""
        return hasattr(self._module, workload.kind) and workload.name not in self.lacks

    def app(self, workload: Workload) -> WSGIApplication:
        """The app that answers the workload."""
        key = (workload.kind, workload.size)
        if key not in self._apps:
            make = getattr(self._module, workload.kind)
            self._apps[key] = make() if workload.size is None else make(workload.size)
            self._visitors[key] = Visitor(self._apps[key])
            # A server has one app and not all of these. It hardly ever walks over it either: a full collection comes
            # when a quarter as many objects are new. So apps are put where none looks, or each round begins with one.
            gc.collect()
            gc.freeze()
        return self._apps[key]

    def check(self, workload: Workload) -> None:
        """AssertionError if the workload is not answered as it should be."""
        check(self.app(workload), workload, self.lacks)

    def run(self, workload: Workload, requests: int) -> float:
        """Seconds of processor time that so many requests take, with the garbage that they leave and no older."""
        app = self.app(workload)
        visitor = self._visitors[workload.kind, workload.size]
        # A stride that has no factor in common with the number of ids visits all of them, neighbours far apart.
        numbers = [(self._next + place) * 7919 % IDS for place in range(requests + WARM_UP)]
        self._next += requests
        environs = [workload.request(number, visitor).environ() for number in numbers]
        answer_all(app, [environs.pop() for _ in range(WARM_UP)])
        gc.collect()
        begun = time.process_time()
        answer_all(app, environs)
        return time.process_time() - begun


def main() -> int:
    """Do what stdin says until it ends."""
    # What a framework prints goes where people look, not between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr
    contender = Contender(import_module(sys.argv[1]))

    def answer(value: object) -> None:
        print(json.dumps(value), file=answers, flush=True)

    answer([name for name, workload in BY_NAME.items() if contender.has(workload)])
    for line in sys.stdin:
        command = json.loads(line)
        if "check" in command:
            try:
                contender.check(BY_NAME[command["check"]])
            except AssertionError as error:
                answer(str(error))
            else:
                answer(None)
        else:
            answer(contender.run(BY_NAME[command["run"]], command["requests"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
