"""The results of a run: what was measured, where, and what that says of the targets; written as JSON and read again."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.measuring import Figure
from tests.benchmarks.targets import Target, judged

if TYPE_CHECKING:
    from tests.benchmarks.measuring import Figures

#: the distributions whose versions belong to the result
DISTRIBUTIONS = ("flask-embed", "flask", "bottle", "falcon", "pyramid", "werkzeug", "jinja2")


@dataclass
class Results:
    """The results of a run."""

    python: str
    processor: str
    versions: dict[str, str]
    rounds: int
    figures: Figures

    @property
    def targets(self) -> list[Target]:
        """The targets, judged."""
        return judged(self.figures)

    @property
    def missed(self) -> list[Target]:
        """The targets that are not kept."""
        return [target for target in self.targets if not target.kept]


def results_here(figures: Figures, rounds: int) -> Results:
    """The results of a run in this environment, on this machine."""
    versions = {name: version(name) for name in DISTRIBUTIONS}
    return Results(platform.python_version(), _processor(), versions, rounds, figures)


def _processor() -> str:
    """The model of the processor, as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write(results: Results, path: Path) -> None:
    """Put the results into a file, the targets among them."""
    figures = {
        workload: {name: figure._asdict() for name, figure in row.items()} for workload, row in results.figures.items()
    }
    targets = [{**target._asdict(), "kept": target.kept} for target in results.targets]
    content = {**asdict(results), "figures": figures, "targets": targets}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> Results:
    """The results in a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["targets"]  # they follow from the rest
    figures = {
        workload: {name: Figure(**figure) for name, figure in row.items()}
        for workload, row in content.pop("figures").items()
    }
    return Results(**content, figures=figures)
