"""``python -m tests.benchmarks.plots FOLDER``: measures, and draws how the time of a request grows with an app.

One PNG for each of :data:`~tests.benchmarks.workloads.PLOTTED`. The figure is the best round.
A framework that has no such thing has no line. Needs matplotlib.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.benchmarks.contenders import FALCON, FLASK, MODULES, OURS, started
from tests.benchmarks.measuring import measure
from tests.benchmarks.workloads import PLOTTED

if TYPE_CHECKING:
    from tests.benchmarks.measuring import Figures

ROUNDS = 25
COLORS = {OURS: "#0b6e4f", FLASK: "#b23a48", FALCON: "#30638e"}
MARKERS = {OURS: "o", FLASK: "s", FALCON: "^"}


class Plot(NamedTuple):
    """The texts of a plot."""

    title: str
    axis: str
    #: whether the sizes are multiples of each other rather than steps
    logarithmic: bool


PLOTS = {
    "rules": Plot("A request for the last of many rules", "rules", logarithmic=True),
    "mounts": Plot("A request for the last of many mounted apps", "mounts beside each other", logarithmic=True),
    "depth": Plot("A request for an app mounted in mounted apps", "levels of mounting", logarithmic=False),
    "hooks": Plot("A request with hooks", "hooks of each kind: before, after, at the end", logarithmic=False),
    "path": Plot("A request with a long path", "segments that one rule takes", logarithmic=True),
}


def draw(name: str, figures: Figures, folder: Path) -> None:
    """Draw the plot with this name into a file of the folder."""
    # By name, so that type checkers do without matplotlib, as all does that does not draw.
    figure: Any = import_module("matplotlib.figure").Figure(figsize=(7, 4.2), layout="constrained")
    plot, points, axes = PLOTS[name], PLOTTED[name], figure.subplots()
    for contender, color in COLORS.items():
        rows = {size: figures[point.name] for size, point in points.items()}
        times = {size: row[contender].minimum for size, row in rows.items() if contender in row}
        if times:
            axes.plot(times.keys(), times.values(), color=color, marker=MARKERS[contender], linewidth=2)
            end = max(times), times[max(times)]
            axes.annotate(contender, end, (8, 0), textcoords="offset points", color=color, va="center")
    axes.set_title(plot.title, loc="left")
    axes.set_xlabel(plot.axis)
    axes.set_ylabel("µs of processor time, log scale")
    plain: Any = import_module("matplotlib.ticker")
    if plot.logarithmic:
        axes.set_xscale("log")
    axes.set_xticks(list(points), [f"{size:,}" for size in points])
    axes.xaxis.set_minor_locator(plain.NullLocator())
    axes.set_yscale("log")
    axes.set_ylim(*_limits(figures))
    axes.yaxis.set_major_locator(plain.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(plain.FuncFormatter(lambda value, place: f"{value:g}"))
    axes.yaxis.set_minor_formatter(plain.NullFormatter())
    axes.grid(axis="y", color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.04)
    figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})


def _limits(figures: Figures) -> tuple[float, float]:
    """The axes that all plots share, so that they can be compared."""
    times = [figure.minimum for row in figures.values() for figure in row.values()]
    return min(times) / 1.3, max(times) * 1.3


def main() -> int:
    """The command; returns its exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m tests.benchmarks.plots FOLDER", file=sys.stderr)
        return 2
    if find_spec("matplotlib") is None:
        print("matplotlib is not installed: 'make plots' does both", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    # A workload that two plots have in common is measured once.
    names = list(dict.fromkeys(point.name for points in PLOTTED.values() for point in points.values()))
    with started({name: MODULES[name] for name in COLORS}) as contenders:
        figures = measure(contenders, names, ROUNDS)
    for name in PLOTS:
        draw(name, figures, folder)
        print(folder / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
