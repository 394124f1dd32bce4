"""Times of many workloads, round by round: in each round every contender runs every workload once, in turn.

So the rounds of one workload lie all over the time of the whole run, and what slows the machine for a while slows a
few rounds of all. The figures are the best round and the median one.
"""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.contenders import check

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.benchmarks.contenders import Contender

ROUNDS = 25
#: seconds of a round of one contender with one workload, about
ROUND = 0.01
MOST_REQUESTS = 1000


class Figure(NamedTuple):
    """Microseconds that a request takes."""

    minimum: float
    median: float


#: the figures by workload and contender; what a contender does not have is not there
Figures = dict[str, dict[str, Figure]]


def measure(
    contenders: Collection[Contender], workloads: Collection[str], rounds: int = ROUNDS, round_: float = ROUND
) -> Figures:
    """The figures of all that the contenders have of these workloads; checked before."""
    check(contenders, workloads)
    cells = [
        (workload, contender) for workload in workloads for contender in contenders if workload in contender.workloads
    ]
    requests = {(workload, one.name): _requests(one, workload, round_) for workload, one in cells}
    times: dict[tuple[str, str], list[float]] = {cell: [] for cell in requests}
    for number in range(rounds):
        if sys.stderr.isatty():
            print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr)
        for workload, contender in cells:
            cell = (workload, contender.name)
            times[cell].append(contender.run(workload, requests[cell]) / requests[cell] * 1e6)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    figures: Figures = {workload: {} for workload in workloads}
    for (workload, name), took in times.items():
        figures[workload][name] = Figure(min(took), statistics.median(took))
    return figures


def _requests(contender: Contender, workload: str, round_: float) -> int:
    """The requests of a round: as many as take so long, found by runs that warm the contender up."""
    contender.run(workload, 20)
    one = min(contender.run(workload, 50) / 50 for _ in range(2))
    return max(20, min(MOST_REQUESTS, int(round_ / one)))
