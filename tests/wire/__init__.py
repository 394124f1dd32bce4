r"""Streams of requests, one in each file ``*.http`` of this folder.

On top of a file stand ``# key: value`` lines, below them the bytes. Line ends of the file do not count; ``\r``, ``\n``,
``\t``, ``\0``, ``\xNN`` and ``\\`` are escapes, and ``<<text*count>>`` is the text so many times. The keys:

- ``promise``: the number of the promise that it tests, of tests/security/promises.py
- ``expect``: the statuses that a runner answers, and ``close`` or ``open`` for what becomes of the connection
- ``tornado``: the same for the runner on Tornado, where that is not the same
- ``ends``: ``yes`` if the client ends its side behind the bytes
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["CASES", "DIFFERENCES", "Case"]

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([rnt0\\]))")
_CHARACTERS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_REPEAT = re.compile(r"<<(.*?)\*(\d+)>>")


class Case(NamedTuple):
    """One file."""

    name: str
    raw: bytes
    keys: dict[str, str]

    @property
    def ends(self) -> bool:
        """True if the client closes its side after the stream."""
        return self.keys.get("ends") == "yes"

    def expected(self, runner: str) -> tuple[list[int], bool]:
        """The statuses, and whether the connection is closed then."""
        *statuses, end = (self.keys.get(runner) or self.keys["expect"]).split()
        return [int(status) for status in statuses], end == "close"


def _read(file: Path) -> Case:
    lines = file.read_text("ascii").splitlines()
    keys = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    if not keys.keys() <= {"promise", "expect", "tornado", "ends"}:
        raise ValueError(f"{file.name}: unknown keys in {keys}")
    text = "".join(line for line in lines if not line.startswith("# "))
    text = _REPEAT.sub(lambda match: match[1] * int(match[2]), text)
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _CHARACTERS[match[2]], text)
    return Case(file.stem, text.encode("latin-1"), keys)


CASES = [_read(file) for file in sorted(Path(__file__).parent.glob("*.http"))]
#: the streams of which ours takes more than h11 does, and why
DIFFERENCES = dict(
    line.split(": ", 1)
    for line in (Path(__file__).parent / "differences.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
