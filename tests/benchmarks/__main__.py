"""``python -m tests.benchmarks``: what the framework itself takes of a request, beside other frameworks.

One table of microseconds, ratios and targets; the exit status is 1 where a target is missed. ``--json FILE`` writes the
figures to a file as well, of which ``python -m tests.benchmarks.readme FILE`` makes a table for people.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks.contenders import started
from tests.benchmarks.measuring import ROUNDS, measure
from tests.benchmarks.results import results_here, write
from tests.benchmarks.table import table
from tests.benchmarks.workloads import BY_NAME, WORKLOADS


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Benchmarks in process.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file, too")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="rounds of each (%(default)s)")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="those rows alone (all)")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.workloads if name not in BY_NAME]:
        parser.error(f"there is no workload {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    with started() as contenders:
        names = arguments.workloads or [workload.name for workload in WORKLOADS]
        results = results_here(measure(contenders, names, arguments.rounds), arguments.rounds)
    print(table(results))
    if arguments.json is not None:
        write(results, arguments.json)
    for target in results.missed:
        print(f"missed: {target}")
    return 1 if results.missed else 0


if __name__ == "__main__":
    sys.exit(main())
