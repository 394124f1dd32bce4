"""The matrix of behaviours and ways: ``python -m tests.servers.matrix`` writes it into README.md.

It is made of what :mod:`tests.servers.deviations` lists, and the tests hold that this is what happens.
"""

from __future__ import annotations

import re
import string
import sys
from typing import TYPE_CHECKING

from tests.servers.behaviours import BEHAVIOURS
from tests.servers.deviations import NOTES, deviation
from tests.servers.ways import WAYS
from tests.serving import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "replaced", "table"]

README = ROOT / "README.md"
BEGIN = "<!-- matrix: written by python -m tests.servers.matrix -->"
END = "<!-- end of the matrix -->"


def table() -> str:
    """The matrix as Markdown: which ways there are, a line for each behaviour, and the notes."""
    columns: dict[str, dict[str, str]] = {}
    for way, (column, _, prefix) in WAYS.items():
        columns.setdefault(column, {})["prefix" if prefix else "root"] = way
    letters = dict(zip(string.ascii_lowercase, columns, strict=False))
    numbers = {note: str(number) for number, note in enumerate(NOTES, 1)}
    lines = [", ".join(f"**{letter}** {column.replace(', ', ': ')}" for letter, column in letters.items()) + ".", ""]
    lines.append("| | " + " | ".join(letters) + " |")
    lines.append("|---" * (len(letters) + 1) + "|")
    for name, behaviour in BEHAVIOURS.items():
        title = (behaviour.__doc__ or name).partition("\n")[0]
        cells = [_cell(name, ways, numbers) for ways in columns.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines.append("")
    lines += [f"{numbers[note]}. {text}" for note, text in NOTES.items()]
    return "\n".join(lines) + "\n"


def _cell(behaviour: str, ways: dict[str, str], numbers: dict[str, str]) -> str:
    """A tick, the number of a note, or that with where it counts alone: at a prefix, or at the root."""
    found = {}
    for place, way in ways.items():
        listed = deviation(behaviour, way)
        if listed is not None:
            found[place] = numbers[listed.note]
    if not found:
        return "✓"
    if len(set(found.values())) == 1 and len(found) == len(ways):
        return next(iter(found.values()))
    return " ".join(f"{number} {place}" for place, number in found.items())


def replaced(text: str) -> str:
    """*text* with the matrix between its markers made anew; ValueError if there are none."""
    changed, number = re.subn(
        f"({re.escape(BEGIN)}\n).*?({re.escape(END)})",
        lambda match: f"{match[1]}{table()}{match[2]}",
        text,
        flags=re.DOTALL,
    )
    if number != 1:
        raise ValueError(f"there are {number} places for the matrix, marked {BEGIN} … {END}")
    return changed


def main(arguments: Sequence[str] = ()) -> int:
    """Write the matrix into README.md; with ``-`` print it."""
    if list(arguments) == ["-"]:
        print(table(), end="")
    else:
        README.write_text(replaced(README.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
