"""The table that a run prints: microseconds of each contender, how many times theirs ours take, and the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.contenders import MODULES, OURS

if TYPE_CHECKING:
    from tests.benchmarks.results import Results

_OTHERS = [name for name in MODULES if name != OURS]


def table(results: Results) -> str:
    """Two lines per workload: the best round and the median one; a ratio is of ours, so below 1 ours is faster."""
    headings = "".join(f"{name:>9}{'ours':>7}" for name in _OTHERS)
    lines = [f"{'µs of processor time':<26}{'':>8}{OURS:>12}{headings}  targets"]
    for workload, row in results.figures.items():
        targets = "  ".join(
            f"{'' if target.kept else 'MISSED '}≤ {target.limit:g} {target.what} ({target.found:.3g})"
            for target in results.targets
            if target.workload == workload
        )
        best = {name: figure.minimum for name, figure in row.items()}
        median = {name: figure.median for name, figure in row.items()}
        lines.append(f"{workload:<26}{'best':>8}{_cells(best)}  {targets}".rstrip())
        lines.append(f"{'':<26}{'median':>8}{_cells(median)}".rstrip())
    return "\n".join(lines)


def _cells(row: dict[str, float]) -> str:
    """The columns of the contenders: ours, and of each other the figure and the ratio; empty where there is none."""
    ours = row[OURS]
    cells = [f"{ours:>12.1f}"]
    for name in _OTHERS:
        took = row.get(name)
        cells.append(f"{'':>16}" if took is None else f"{took:>9.1f}{f'{ours / took:.2f}':>7}")
    return "".join(cells)
