"""The command line that all runners share: ``python -m flask_embed.gevent app:app [options]`` and its twins."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from flask_embed import __version__
from flask_embed.errors import PrefixError, UsageError
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed.wsgi import WSGIApplication

__all__ = ["main"]


def main(
    runner: str, extra: str, start: Callable[[], Callable[[WSGIApplication, Options], None]], argv: Sequence[str] | None
) -> int:
    """Serve what the command line says; returns the exit status.

    *start* prepares the process (patches it, where that is needed) and imports the adapter's ``serve``; it runs
    before the app is imported. A fault of whoever typed the command is one line on stderr and the status 2; what
    the app's own module raises is passed on with its traceback.
    """
    parser = _parser(runner)
    arguments = parser.parse_args(argv)
    try:
        serve = _imported(start, extra)
        app, options = _composed(arguments)
        serve(app, options)
    except UsageError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser(runner: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m flask_embed.{runner}",
        description=f"Serve a WSGI app with {runner}.",
        epilog=f"example: python -m flask_embed.{runner} shop:app --bind 127.0.0.1:8000 --mount /blog=blog:app",
        allow_abbrev=False,
    )
    parser.add_argument("app", metavar="APP", help="module:attribute, or module:factory() for what a factory returns")
    parser.add_argument(
        "-b",
        "--bind",
        default=Options.bind,
        help="HOST:PORT ([::1]:PORT; port 0 takes a free one), unix:PATH or fd://N (default: %(default)s)",
    )
    parser.add_argument(
        "--mount",
        action="append",
        default=[],
        metavar="/PREFIX=APP",
        help="another app below a prefix, may be repeated; the longest prefix wins",
    )
    parser.add_argument(
        "--prefix", default="", metavar="/PREFIX", help="the front sends all paths below this prefix, whole"
    )
    parser.add_argument("--chdir", metavar="DIR", help="change to this folder first; modules are looked for in it")
    parser.add_argument(
        "--graceful-timeout",
        type=_seconds,
        default=Options.graceful_timeout,
        metavar="SECONDS",
        help="time for running requests to end after SIGTERM or Ctrl-C (default: %(default)g)",
    )
    parser.add_argument("--version", action="version", version=f"flask_embed {__version__}")
    return parser


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86400:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of seconds from 0 to 86399")
    return seconds


def _imported(
    start: Callable[[], Callable[[WSGIApplication, Options], None]], extra: str
) -> Callable[[WSGIApplication, Options], None]:
    try:
        return start()
    except ModuleNotFoundError as error:
        if error.name != extra:
            raise
    raise UsageError(f'{extra} is not installed: pip install "flask-embed[{extra}]"')


def _composed(arguments: argparse.Namespace) -> tuple[WSGIApplication, Options]:
    """The app with its mounts and its prefix around it, and the options for the server."""
    from flask_embed.loading import load_app
    from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
    from flask_embed.middleware.prefix import normalize_prefix

    folder = arguments.chdir or "."
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(f"--chdir {folder}: {error.strerror}") from None
    sys.path.insert(0, os.getcwd())
    app = load_app(arguments.app)
    try:
        if arguments.mount:
            dispatcher = DispatcherMiddleware(app)
            for mount in arguments.mount:
                key, equals, target = mount.partition("=")
                if not equals:
                    raise UsageError(f"--mount {mount!r}: write /PREFIX=module:app")
                dispatcher.mount(key, load_app(target))
            app = dispatcher
        mounts = tuple(app.mounts) if isinstance(app, DispatcherMiddleware) else ()
        prefix = normalize_prefix(arguments.prefix)
        if prefix:
            app = PrefixMiddleware(app, arguments.prefix)
    except PrefixError as error:
        raise UsageError(str(error)) from None
    options = Options(
        bind=arguments.bind,
        graceful_timeout=arguments.graceful_timeout,
        title=arguments.app,
        mounts=mounts,
        prefix=prefix.encode("latin-1").decode(),
    )
    return app, options
