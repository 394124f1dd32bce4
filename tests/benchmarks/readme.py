"""``python -m tests.benchmarks.readme FILE``: the README's table of what requests take, from the results of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.contenders import FLASK, MODULES, OURS
from tests.benchmarks.results import read

if TYPE_CHECKING:
    from tests.benchmarks.results import Results

#: what the columns are called, where that is not the contender's name
_HEADINGS = {"Werkzeug": "Werkzeug by hand", "bare": "bare callable"}


def performance(results: Results) -> str:
    """The table in Markdown, with a sentence on where its figures come from."""
    headings = ["request", *(_HEADINGS.get(name, name) for name in MODULES), f"of {FLASK}'s time"]
    lines = [_line(headings), _line(["---", *(["---:"] * (len(headings) - 1))])]
    for workload, row in results.figures.items():
        cells = [f"{row[name].minimum:.1f}" if name in row else "" for name in MODULES]
        lines.append(_line([workload, *cells, f"{row[OURS].minimum / row[FLASK].minimum:.0%}"]))
    names = {"flask-embed": "flask_embed", "jinja2": "Jinja2"}
    versions = ", ".join(f"{names.get(name, name.capitalize())} {number}" for name, number in results.versions.items())
    source = (
        f"Microseconds of processor time per request, the best of {results.rounds} rounds, without a server; "
        f"Python {results.python} on {results.processor}; {versions}. `make bench` measures it anew."
    )
    return "\n".join([*lines, "", source])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """The command; returns its exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m tests.benchmarks.readme FILE", file=sys.stderr)
        return 2
    print(performance(read(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
