"""The diagnosis: an object for scripts, and lines for a person."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask_embed.doctor.known import CONFIGURATIONS, front_of, recognized, speaks_cgi
from flask_embed.environ import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flask_embed.config import Snippet
    from flask_embed.doctor.questions import Seen
    from flask_embed.doctor.verdict import Verdict

__all__ = ["Diagnosis"]

_INDENT = " " * 4
_HEADINGS = {"fault": "What is wrong", "note": "Worth knowing"}


@dataclass(frozen=True)
class Diagnosis:
    """The verdicts on an address, and the answers that they are about."""

    seen: Seen
    verdicts: Mapping[str, Verdict]

    @property
    def faults(self) -> int:
        """The number of checks that found a fault."""
        return sum(verdict.level == "fault" for verdict in self.verdicts.values())

    @property
    def notes(self) -> int:
        """The number of checks that have something to note."""
        return sum(verdict.level == "note" for verdict in self.verdicts.values())

    def as_json(self) -> dict[str, Any]:
        """The object for scripts, as :mod:`flask_embed.doctor` describes it."""
        name = recognized(self.seen)
        return {
            "url": self.seen.address.url,
            "prefix": readable(self.seen.address.prefix),
            "front": front_of(self.seen),
            "server": self._server(),
            "gateway": speaks_cgi(self.seen),
            "ok": not self.faults,
            "faults": self.faults,
            "notes": self.notes,
            "configuration": None if name is None else {"row": CONFIGURATIONS[name].row, "name": name},
            "checks": [
                {
                    "check": check,
                    "level": verdict.level,
                    "text": verdict.text,
                    "why": verdict.why,
                    "detail": list(verdict.detail),
                    "changes": [{"where": change.where, "lines": list(change.lines)} for change in verdict.changes],
                }
                for check, verdict in self.verdicts.items()
            ],
        }

    def lines(self, width: int = 100, mark: Callable[[str, str], str] = lambda text, level: text) -> Iterator[str]:
        """The text for a person: a line for each check, then what to change. *mark* colours a text by its level."""
        way = "FastCGI or the like" if speaks_cgi(self.seen) else "HTTP"
        yield f"{self.seen.address.url}: {self._server() or 'some server'}, which reaches the app by {way}"
        yield ""
        column = max(map(len, self.verdicts))
        for name, verdict in self.verdicts.items():
            wrapped = _wrapped(verdict.text, width - column - 12)
            level = verdict.level.upper() if verdict.level == "fault" else verdict.level
            yield f"  {mark(f'{level:<5}', verdict.level)}  {name:<{column}}  {wrapped[0]}"
            yield from (" " * (column + 11) + line for line in wrapped[1:])
        printed: set[Snippet] = set()
        for level, heading in _HEADINGS.items():
            chosen = {name: verdict for name, verdict in self.verdicts.items() if verdict.level == level}
            # A fault without lines of its own follows from one that has some; a note without them is complete above.
            shown = {name: verdict for name, verdict in chosen.items() if verdict.changes or verdict.why}
            if shown:
                yield ""
                yield mark(heading, level)
            for name, verdict in shown.items():
                yield ""
                yield from _wrapped(f"{name}: {verdict.text}", width - 2, "  ")
                yield from _wrapped(verdict.why, width - 4, _INDENT) if verdict.why else ()
                yield from (f"{_INDENT}{line}" for line in verdict.detail)
                for change in verdict.changes:
                    if change not in printed:
                        printed.add(change)
                        yield f"  -> {change.where}:"
                        yield from (f"{_INDENT}   {line}" for line in change.lines)
            follow = [name for name in chosen if name not in shown]
            if level == "fault" and follow and shown:
                yield ""
                yield f"  {' and '.join(follow)}: see above"
        yield ""
        yield mark(self._summary(), "fault" if self.faults else "ok")

    def _summary(self) -> str:
        notes = f"{self.notes} note{'s' * (self.notes != 1)}" if self.notes else "no notes"
        if not self.faults:
            return f"No fault, {notes}."
        return f"{self.faults} fault{'s' * (self.faults != 1)}, {notes}. Correct the first, then run the doctor again."

    def _server(self) -> str:
        for answer in self.seen.answers.values():
            software = answer.environ.get("SERVER_SOFTWARE", "") if speaks_cgi(self.seen) else ""
            if software or "server" in answer.headers:
                return readable(software or answer.headers["server"])[:60]
        return ""


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, max(width, 30), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    ) or [indent]
