"""The output and the exit status of ``flask-embed doctor``."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import click

from flask_embed.doctor import NEEDS, UnreachableError, examine
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from flask_embed.doctor import Diagnosis

__all__ = ["run_doctor"]

_COLOURS = {"ok": "green", "note": "yellow", "fault": "red"}


def run_doctor(url: str, timeout: float, needs: Collection[str], *, as_json: bool) -> int:
    """Examine *url* and print the diagnosis; returns the exit status: 1 if there is a fault, else 0.

    :exc:`~flask_embed.errors.UsageError` for a mistyped command and for a probe that does not answer; with *as_json*
    the object that reports it is printed before.
    """
    try:
        for need in needs:
            if need not in NEEDS:
                raise UsageError(f"--needs {need!r} is unknown: write one of {', '.join(NEEDS)}")
        diagnosis = examine(url, timeout, needs)
    except UsageError as error:
        if as_json:
            kind = error.kind if isinstance(error, UnreachableError) else "usage"
            click.echo(json.dumps({"url": url, "ok": False, "error": kind, "message": str(error)}))
        raise
    if as_json:
        click.echo(json.dumps(diagnosis.as_json(), indent=2))
    else:
        _print_lines(diagnosis)
    return 1 if diagnosis.faults else 0


def _print_lines(diagnosis: Diagnosis) -> None:
    width = min(shutil.get_terminal_size((100, 0)).columns, 110)
    for line in diagnosis.lines(width, lambda text, level: click.style(text, fg=_COLOURS[level], bold=True)):
        click.echo(line)
