"""Answer one request over CGI: ``python -m flask_embed.cgi app:app``; ``--help`` lists the options."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from flask_embed.commands.run import main_once as run
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.adapters.cgi_handler import CGIHandler
    from flask_embed.commands.run import Serve
    from flask_embed.options import Options

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status. A command that fails before the app is called answers 500."""
    handlers: list[CGIHandler] = []

    def start(arguments: Namespace) -> Serve:
        handlers.append(_make_handler())  # before the app is imported: it takes the descriptors 0 and 1 away
        return serve

    def serve(app: WSGIApplication, options: Options, worker: object = None) -> None:
        handlers[0].options = options
        handlers[0].run(app)

    has_failed = True
    try:
        status = run("cgi", start, argv)
        has_failed = status != 0
        return status
    except SystemExit as ending:
        has_failed = bool(ending.code) or bool(handlers)  # the code of --help and --version is 0
        raise
    finally:
        if has_failed and "REQUEST_METHOD" in os.environ:
            (handlers[0] if handlers else _make_handler()).refuse()


def _make_handler() -> CGIHandler:
    from flask_embed.adapters.cgi_handler import NO_REQUEST, CGIHandler

    if "REQUEST_METHOD" not in os.environ:
        raise UsageError(NO_REQUEST)
    return CGIHandler()


if __name__ == "__main__":
    sys.exit(main())
