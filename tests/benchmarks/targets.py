"""The targets: the share of others' time that ours may take. The best rounds count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.contenders import FALCON, FLASK, OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measuring import Figures

#: of Flask's time, by workload
OF_FLASK = {
    "hello": 0.10,
    "int rule": 0.10,
    "query argument": 0.10,
    "form": 0.5,
    "JSON": 0.5,
    "session, read": 0.30,
    "session, read and written": 0.30,
    "template from a string": 0.05,
    "url_for, three": 0.30,
    "redirect": 0.30,
    "404": 0.30,
    "404, own page": 0.30,
    "405": 0.30,
    "static file": 0.30,
    "static file, 304": 0.30,
    "static file, range": 0.30,
    "hooks, two each": 0.2,
}
#: of Falcon's
OF_FALCON = {"hello": 1.0, "int rule": 1.0, "query argument": 1.0}
#: of our own with one rule
OF_ONE_RULE = {
    "2,000 rules, first": ("1 rule", 1.3),
    "2,000 rules, last": ("1 rule", 1.3),
    "2,000 rules, miss": ("1 rule, miss", 1.3),
}
#: of what Flask spends above Jinja's own render()
ABOVE_RENDER = 0.35
#: microseconds that each level of mounting adds
A_LEVEL = 1.5


class Target(NamedTuple):
    """An aim and what was found."""

    #: the row of the table that it belongs to
    workload: str
    #: what is compared, as the table says it
    what: str
    limit: float
    found: float

    @property
    def kept(self) -> bool:
        """True if ours is within the limit."""
        return self.found <= self.limit

    def __str__(self) -> str:
        return f"{self.workload}: {self.found:.3g} {self.what}, at most {self.limit:g}"


def judged(figures: Figures) -> list[Target]:
    """The targets that can be judged by these figures, with what they say."""
    return [*_ratios(figures), *_differences(figures)]


def _ratios(figures: Figures) -> Iterator[Target]:
    ours = {workload: row[OURS].minimum for workload, row in figures.items()}
    for other, limits in ((FLASK, OF_FLASK), (FALCON, OF_FALCON)):
        for workload, limit in limits.items():
            if workload in figures:
                yield Target(workload, f"of {other}'s", limit, ours[workload] / figures[workload][other].minimum)
    for workload, (one, limit) in OF_ONE_RULE.items():
        if workload in figures and one in figures:
            yield Target(workload, f"of {one}", limit, ours[workload] / ours[one])


def _differences(figures: Figures) -> Iterator[Target]:
    page, alone = figures.get("template from a file"), figures.get("render() alone")
    if page is not None and alone is not None:
        above = {name: page[name].minimum - alone[name].minimum for name in (OURS, FLASK)}
        yield Target("template from a file", f"of {FLASK}'s above render()", ABOVE_RENDER, above[OURS] / above[FLASK])
    unmounted = figures.get("1 rule")
    for depth in (1, 3):
        mounted = figures.get(f"mounted, {depth} deep")
        if mounted is not None and unmounted is not None:
            added = (mounted[OURS].minimum - unmounted[OURS].minimum) / depth
            yield Target(f"mounted, {depth} deep", "µs a level", A_LEVEL, added)
