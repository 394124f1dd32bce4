"""``flask-embed doctor URL``: whether the web server in front hands requests to an app as it should.

The probe of :mod:`flask_embed.probe` stands in the place of the app; :func:`examine` asks it through the front, and
says what is wrong and which line to change. What is sent is in ``doctor_asking``, what is made of it in
``doctor_judging``.

``--json`` prints an object with these keys, of which new ones may come and none will go:

``url``, ``prefix``
    what was asked for.
``front``
    ``nginx``, ``lighttpd``, ``apache``, or ``""`` where it is not known. ``server`` is its own name for itself, and
    ``gateway`` whether it speaks CGI or FastCGI to the app (else HTTP).
``ok``, ``faults``, ``notes``
    whether there is no fault, and how many of both.
``configuration``
    null, or ``row`` and ``name`` of a configuration that is known to be wrong.
``checks``
    a list of ``check`` (its name), ``level`` (``ok``, ``note``, ``fault``), ``text``, ``why``, ``detail`` (a list of
    lines) and ``changes`` (a list of ``where`` and ``lines``).

Where the probe does not answer it has ``url``, ``ok`` (false), ``error`` (a word: see
:class:`~flask_embed.doctor.questions.UnreachableError`; ``usage`` for a mistyped command) and ``message``.
"""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask_embed.doctor.checks import CONFIGURATIONS, front_of, judge, recognized, speaks_cgi
from flask_embed.doctor.questions import Address, ask_all
from flask_embed.environ import readable
from flask_embed.errors import UsageError
from flask_embed.probe import VARIABLE, checked_token

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from flask_embed.doctor.checks import Change, Verdict
    from flask_embed.doctor.questions import Seen

__all__ = ["Diagnosis", "examine"]

_INDENT = " " * 4
_HEADINGS = {"fault": "What is wrong", "note": "Worth knowing"}


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor says of an address."""

    seen: Seen
    verdicts: Mapping[str, Verdict]

    @property
    def faults(self) -> int:
        """How many checks found a fault."""
        return sum(verdict.level == "fault" for verdict in self.verdicts.values())

    @property
    def notes(self) -> int:
        """How many checks have something to note."""
        return sum(verdict.level == "note" for verdict in self.verdicts.values())

    def as_json(self) -> dict[str, Any]:
        """For scripts: see the module."""
        row = recognized(self.seen)
        return {
            "url": self.seen.address.url,
            "prefix": readable(self.seen.address.prefix),
            "front": front_of(self.seen),
            "server": self._server(),
            "gateway": speaks_cgi(self.seen),
            "ok": not self.faults,
            "faults": self.faults,
            "notes": self.notes,
            "configuration": None if row is None else {"row": row, "name": CONFIGURATIONS[row].name},
            "checks": [
                {
                    "check": name,
                    "level": verdict.level,
                    "text": verdict.text,
                    "why": verdict.why,
                    "detail": list(verdict.detail),
                    "changes": [{"where": change.where, "lines": list(change.lines)} for change in verdict.changes],
                }
                for name, verdict in self.verdicts.items()
            ],
        }

    def lines(self, width: int = 100, mark: Callable[[str, str], str] = lambda text, level: text) -> Iterator[str]:
        """For a person: a line for each check, then what to change. *mark* colours a text by its level."""
        way = "FastCGI or the like" if speaks_cgi(self.seen) else "HTTP"
        yield f"{self.seen.address.url}: {self._server() or 'some server'}, which reaches the app by {way}"
        yield ""
        column = max(map(len, self.verdicts))
        for name, verdict in self.verdicts.items():
            wrapped = _wrapped(verdict.text, width - column - 12)
            level = verdict.level.upper() if verdict.level == "fault" else verdict.level
            yield f"  {mark(f'{level:<5}', verdict.level)}  {name:<{column}}  {wrapped[0]}"
            yield from (" " * (column + 11) + line for line in wrapped[1:])
        told: set[Change] = set()
        for level, heading in _HEADINGS.items():
            chosen = {name: verdict for name, verdict in self.verdicts.items() if verdict.level == level}
            # What has no lines of its own follows from what has, and lines that stand in the list say it all.
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
                    if change not in told:
                        told.add(change)
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
        return f"{self.faults} fault{'s' * (self.faults != 1)}, {notes}. Change the first, and ask again."

    def _server(self) -> str:
        for answer in self.seen.answers.values():
            told = answer.environ.get("SERVER_SOFTWARE", "") if speaks_cgi(self.seen) else ""
            if told or "server" in answer.headers:
                return readable(told or answer.headers["server"])[:60]
        return ""


def examine(url: str, timeout: float = 10.0, needs: Collection[str] = ()) -> Diagnosis:
    """Ask the probe behind *url*, with *timeout* seconds for each request, and judge what comes back.

    The token is taken from the environment variable FLASK_EMBED_PROBE_TOKEN. *needs* names checks whose notes are
    faults for this app. :exc:`~flask_embed.errors.UsageError` for a URL or token that is none; its subclass
    :exc:`~flask_embed.doctor.questions.UnreachableError` if the probe does not answer.
    """
    if not 0 < timeout <= 600:
        raise UsageError(f"--timeout {timeout:g}: write a number of seconds above 0, up to 600")
    address = Address.of(url)
    seen = ask_all(address, checked_token(os.environ.get(VARIABLE)), timeout)
    return Diagnosis(seen, judge(seen, needs))


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, max(width, 30), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    ) or [indent]
