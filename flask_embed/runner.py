"""The command line that all runners share: ``python -m flask_embed.gevent app:app [options]`` and its twins."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from flask_embed import __version__
from flask_embed.errors import PrefixError, UsageError
from flask_embed.options import FIXES, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed.wsgi import WSGIApplication

__all__ = ["HTTP_RUNNERS", "enter", "main", "mounted"]

#: the runners whose environment variable SCRIPT_NAME means ``--script-name``; for the others it belongs to a request
HTTP_RUNNERS = ("gevent", "tornado")


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
        app, options = _composed(arguments, runner in HTTP_RUNNERS)
        serve(app, options)
    except (UsageError, PrefixError) as error:
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
        metavar="KEY=APP",
        help="another app at /PREFIX, HOST/PREFIX or *.DOMAIN/PREFIX, may be repeated; the longest prefix wins",
    )
    parser.add_argument(
        "--prefix", default="", metavar="/PREFIX", help="the front sends all paths below this prefix, whole"
    )
    parser.add_argument(
        "--script-name",
        default="",
        metavar="/PREFIX",
        help="the front has taken this prefix off all paths (gevent, tornado: so says $SCRIPT_NAME, too)",
    )
    parser.add_argument(
        "--fix", action="append", default=[], choices=FIXES, help="mend what a front sends; may be repeated"
    )
    parser.add_argument(
        "--trust-proxy",
        type=_hops,
        default=0,
        metavar="N",
        help="proxies in front that set or clear X-Forwarded-For, -Proto, -Host, -Port, -Prefix (default: none)",
    )
    parser.add_argument(
        "--forwarded-allow-ips",
        default=",".join(Options.forwarded_allow_ips),
        metavar="LIST",
        help="peers that --trust-proxy is about: addresses, networks, unix (default: %(default)s)",
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


def _hops(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > 100:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of proxies from 0 to 100")
    return int(value)


def _imported(
    start: Callable[[], Callable[[WSGIApplication, Options], None]], extra: str
) -> Callable[[WSGIApplication, Options], None]:
    try:
        return start()
    except ModuleNotFoundError as error:
        if error.name != extra:
            raise
    raise UsageError(f'{extra} is not installed: pip install "flask-embed[{extra}]"')


def _composed(arguments: argparse.Namespace, is_http: bool) -> tuple[WSGIApplication, Options]:
    """The app with its mounts around it, and the options for the server."""
    from flask_embed.middleware.prefix import normalize_prefix

    enter(arguments.chdir)
    script_name = arguments.script_name or (os.environ.get("SCRIPT_NAME", "") if is_http else "")
    stripped, prefix = (normalize_prefix(value).encode("latin-1").decode() for value in (script_name, arguments.prefix))
    if prefix and stripped.endswith(prefix):
        raise UsageError(
            f"--prefix {arguments.prefix} and SCRIPT_NAME {script_name} both name {prefix}: the front either sends it "
            "(--prefix) or has taken it off (--script-name), so drop one of them"
        )
    app, mounts = mounted(arguments.app, arguments.mount, stripped + prefix)
    warn_of_shadowed_rules(app)
    options = Options(
        bind=arguments.bind,
        graceful_timeout=arguments.graceful_timeout,
        prefix=prefix,
        script_name=stripped,
        fix=tuple(arguments.fix),
        trust_proxy=arguments.trust_proxy,
        forwarded_allow_ips=tuple(filter(None, arguments.forwarded_allow_ips.replace(" ", "").split(","))),
        title=arguments.app,
        mounts=mounts,
    )
    return app, options


def enter(folder: str | None) -> None:
    """Change to the folder that ``--chdir`` names, None for the current one, and look for modules in it."""
    try:
        os.chdir(folder or ".")
    except OSError as error:
        raise UsageError(f"--chdir {folder}: {error.strerror}") from None
    sys.path.insert(0, os.getcwd())


def mounted(target: str, mounts: Sequence[str], prefix: str) -> tuple[WSGIApplication, tuple[str, ...]]:
    """The app that *target* names, with the apps of ``KEY=APP`` texts mounted in it, and the keys of these.

    All are imported now; factories get *prefix*, where all of it will be, and their own.
    """
    from flask_embed.loading import load_app
    from flask_embed.middleware.dispatcher import DispatcherMiddleware

    app = load_app(target, prefix)
    if mounts:
        dispatcher = DispatcherMiddleware(app)
        for mount in mounts:
            key, equals, mounted_target = mount.partition("=")
            if not equals:
                raise UsageError(f"--mount {mount!r}: write /PREFIX=module:app")
            dispatcher.mount(key, mounted_target)
        dispatcher.preload(prefix)
        app = dispatcher
    return app, tuple(app.mounts) if isinstance(app, DispatcherMiddleware) else ()


def warn_of_shadowed_rules(app: WSGIApplication) -> None:
    """Say on stderr which rules no request will reach because a mount is in front of them."""
    from flask_embed.middleware.explain import iter_rules

    for rule in iter_rules(app):
        if rule.shadowed_by:
            print(
                f"flask_embed: no request reaches the rule {rule.path!r} (endpoint {rule.endpoint!r}): "
                f"the mount {rule.shadowed_by!r} gets its paths; change one of the two",
                file=sys.stderr,
            )
