"""Serve an app with Tornado: ``python -m flask_embed.tornado app:app``; ``--help`` lists the options."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flask_embed.commands.run import main as run

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from flask_embed.commands.run import Serve

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return run("tornado", ("tornado",), _start, argv)


def _start(arguments: Namespace) -> Serve:
    from flask_embed.adapters.tornado_server import serve

    return serve


if __name__ == "__main__":
    sys.exit(main())
