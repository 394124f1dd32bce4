"""Serve an app with gevent: ``python -m flask_embed.gevent app:app``; ``--help`` lists the options."""

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
    return run("gevent", ("gevent", "httptools"), _start, argv)


def _start(arguments: Namespace) -> Serve:
    if not arguments.no_patch:
        from gevent import monkey

        monkey.patch_all()  # before the app is imported, and all that it imports
    from flask_embed.adapters.gevent_server import serve

    return serve


if __name__ == "__main__":
    sys.exit(main())
