"""The command line that all runners share: ``python -m flask_embed.gevent app:app [options]`` and its twins."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from flask_embed import __version__
from flask_embed.errors import PrefixError, UsageError
from flask_embed.grammar import size_in_bytes
from flask_embed.options import FIXES, LOG_LEVELS, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.adapters.serving.workers import Worker

__all__ = ["HTTP_RUNNERS", "Serve", "enter", "main", "main_once", "mounted"]

#: the runners whose environment variable SCRIPT_NAME means ``--script-name``; for the others it belongs to a request
HTTP_RUNNERS = ("gevent", "tornado")
#: seconds that --reload gives to running requests: an open stream may not keep the new code from being served
_GRACE_OF_RELOAD = 2.0


class Serve(Protocol):
    """What every adapter has: serves an app until the process is told to end."""

    def __call__(self, app: WSGIApplication, options: Options, worker: Worker | None = None, /) -> None: ...


def main(
    runner: str,
    libraries: Collection[str],
    start: Callable[[argparse.Namespace], Serve],
    argv: Sequence[str] | None,
) -> int:
    """Serve what the command line says; returns the exit status.

    *libraries* are those of the runner's extra. *start* prepares the process (patches it, where that is needed) and
    imports the adapter's ``serve``; it runs in the process that is going to serve, before the app is imported there.
    A fault of whoever typed the command is one line on stderr and the status 2; what the app's own module raises is
    passed on with its traceback.
    """
    parser = _parser(runner)
    arguments = parser.parse_args(argv)

    def run(worker: Worker | None = None) -> int:
        from flask_embed.adapters.serving.logs import logging_to
        from flask_embed.adapters.serving.workers import AGAIN

        changes = None
        if arguments.reload:
            from flask_embed.adapters.serving.reload import FileWatcher

            changes = FileWatcher()
        try:
            serve = _imported(lambda: start(arguments), runner, libraries)
            app, served = _composed(arguments, options, runner)
        except (Exception, SystemExit) as error:
            mistyped = isinstance(error, UsageError | PrefixError)
            if changes is None or worker is None or (mistyped and worker.is_first):
                raise
            _tell(parser.prog, error)
            changes.wait(error, worker.beat)
            return AGAIN
        if changes is not None and worker is not None:
            changes.watch(worker.stop)
        with logging_to(served):
            serve(app, served, worker)
        return AGAIN if changes is not None and changes.path is not None else 0

    def told(worker: Worker) -> int:
        try:
            return run(worker)
        except (UsageError, PrefixError) as error:
            _tell(parser.prog, error)
            return 2

    try:
        enter(arguments.chdir)
        options = _options(runner, arguments)
        if arguments.umask is not None:
            os.umask(arguments.umask)
        from flask_embed.adapters.serving.workers import supervise

        with _pid_file(arguments.pid):
            if options.workers > 1 or options.max_requests or options.reload:
                return supervise(options, told)
            return run()
    except (UsageError, PrefixError) as error:
        _tell(parser.prog, error)
        return 2


def main_once(runner: str, start: Callable[[argparse.Namespace], Serve], argv: Sequence[str] | None) -> int:
    """:func:`main` where the process is for one request: without sockets, supervisor and what only they need."""
    parser = _parser(runner)
    arguments = parser.parse_args(argv)
    try:
        enter(arguments.chdir)
        options = Options(**_fields(arguments))
        if arguments.umask is not None:
            os.umask(arguments.umask)
        serve = start(arguments)
        app, served = _composed(arguments, options, runner)
        from flask_embed.adapters.serving.logs import logging_to

        with logging_to(served):
            serve(app, served)
        return 0
    except (UsageError, PrefixError) as error:
        _tell(parser.prog, error)
        return 2


def _tell(prog: str, error: BaseException) -> None:
    """Say what went wrong: in a line if whoever typed the command is at fault, with the traceback if the app is."""
    if isinstance(error, UsageError | PrefixError):
        print(f"{prog}: {_on_one_line(str(error))}", file=sys.stderr, flush=True)
    else:
        traceback.print_exception(error)


def _on_one_line(message: str) -> str:
    """*message*, which may quote the command line, so that a terminal writes all of it and does nothing else."""
    from flask_embed.environ import escape_controls

    return escape_controls(message)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(_on_one_line(message))


def _parser(runner: str) -> argparse.ArgumentParser:
    serves = runner != "cgi"
    parser = _Parser(
        prog=f"python -m flask_embed.{runner}",
        usage=f"python -m flask_embed.{runner} APP [options]",
        description=f"Serve a WSGI app with {runner}." if serves else "Answer one request, as a CGI script does.",
        epilog=f"example: python -m flask_embed.{runner} shop:app {'--bind 127.0.0.1:8000 ' if serves else ''}"
        "--mount /blog=blog:app",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"flask_embed {__version__}")
    parser.add_argument("app", metavar="APP", help="module:attribute, or module:factory() for what a factory returns")
    parser.add_argument("--chdir", metavar="DIR", help="change to this folder first; modules are looked for in it")
    if serves:
        parser.add_argument(
            "-b",
            "--bind",
            help="HOST:PORT ([::1]:PORT; port 0 takes a free one), unix:PATH or fd://N (default: the socket of "
            + (
                "systemd, or the one that the web server hands over)"
                if runner == "fastcgi"
                else f"systemd, or {Options.bind})"
            ),
        )
    parser.add_argument(
        "--mount",
        action="append",
        default=[],
        metavar="KEY=APP",
        help="another app at /PREFIX, HOST/PREFIX or *.DOMAIN/PREFIX, may be repeated; the longest prefix wins",
    )

    front = parser.add_argument_group("what the web server in front does")
    front.add_argument("--prefix", default="", metavar="/PREFIX", help="it sends all paths below this prefix, whole")
    if serves:
        front.add_argument(
            "--script-name",
            default="",
            metavar="/PREFIX",
            help="it has taken this prefix off all paths (gevent, tornado: so says $SCRIPT_NAME, too)",
        )
        if runner == "fastcgi":
            front.add_argument(
                "--web-server-addrs",
                metavar="LIST",
                help="web servers that may connect: addresses, networks, any (default: $FCGI_WEB_SERVER_ADDRS, or "
                "those of this machine)",
            )
    front.add_argument("--fix", action="append", default=[], choices=FIXES, help="mend what it sends; may be repeated")
    front.add_argument(
        "--trust-proxy",
        type=_number("proxies", 0, 100),
        metavar="N",
        help="proxies that set or clear X-Forwarded-For, -Proto, -Host, -Port, -Prefix (default: none)",
    )
    front.add_argument(
        "--forwarded-allow-ips",
        metavar="LIST",
        help="peers that --trust-proxy is about: addresses, networks, unix "
        f"(default: {','.join(Options.forwarded_allow_ips)})",
    )

    if serves:
        _add_processes_and_waits(parser, runner)

    limits = parser.add_argument_group("limits, in bytes (64k, 16m, 1g)")
    if serves:
        for option, about in (
            ("--limit-line", "of the request line"),
            ("--limit-headers", "of the headers together"),
            ("--spool", "of a body that waits in memory for an app that is slow to read it"),
        ):
            limits.add_argument(option, type=_size, metavar="SIZE", help=f"{about} (default: %(default)s)")
        limits.add_argument(
            "--limit-header-count",
            type=_number("headers", 1, 100_000),
            metavar="N",
            help="of headers (default: %(default)s)",
        )
    limits.add_argument(
        "--limit-body",
        type=_size_or_none,
        metavar="SIZE",
        help="of a body; an app's own counts besides (default: none)",
    )

    files = parser.add_argument_group("files")
    if serves:
        files.add_argument(
            "--socket-mode", type=_mode, metavar="MODE", help=f"of a unix socket (default: {Options.socket_mode:04o})"
        )
        files.add_argument("--socket-group", metavar="GROUP", help="of a unix socket (default: that of the process)")
    files.add_argument("--umask", type=_mode, metavar="MASK", help="for files that the app makes")
    files.add_argument("--access-logfile", metavar="FILE", help="a line for each request; - is stderr (default: none)")
    files.add_argument("--error-logfile", metavar="FILE", help="warnings and errors (default: -, stderr)")
    files.add_argument("--log-level", choices=LOG_LEVELS, help="the least important lines (default: %(default)s)")

    known = {field.name: field.default for field in dataclasses.fields(Options)}
    parser.set_defaults(
        **{
            action.dest: known[action.dest]
            for action in parser._actions
            if action.dest in known
            and action.default is None
            and action.dest not in ("bind", "forwarded_allow_ips", "web_server_addrs")
        }
    )
    return parser


def _add_processes_and_waits(parser: argparse.ArgumentParser, runner: str) -> None:
    processes = parser.add_argument_group("processes")
    processes.add_argument(
        "-w",
        "--workers",
        type=_number("processes", 1, 1000),
        metavar="N",
        help="how many answer (default: %(default)s)",
    )
    if runner in ("tornado", "fastcgi"):
        processes.add_argument(
            "--threads",
            type=_number("threads", 1, 10_000),
            metavar="N",
            help="requests that a process answers at once (default: %(default)s)",
        )
    processes.add_argument(
        "--max-requests",
        type=_number("requests", 0, 10**12),
        metavar="N",
        help="replace a worker after about so many (default: never)",
    )
    processes.add_argument(
        "--reload",
        action="store_true",
        help="for development: start again when a file of the app changes; running requests then have 2 seconds",
    )
    processes.add_argument(
        "--allow-debug", action="store_true", help="serve an app with debug = True where others reach it"
    )
    if runner == "gevent":
        processes.add_argument("--no-patch", action="store_true", help="leave the standard library as it is")
    processes.add_argument("--pid", metavar="FILE", help="write the process id to this file")

    waits = parser.add_argument_group("waits, in seconds")
    for option, about in (
        ("--graceful-timeout", "for running requests to end after SIGTERM or Ctrl-C"),
        ("--timeout", "until a worker that stands still is replaced, 0 for never"),
        ("--header-timeout", "for the head of a request"),
        ("--body-timeout", "for the next part of a body"),
        ("--keep-alive", "for the next request on a connection"),
        ("--write-timeout", "for a client to take the next part of an answer"),
    ):
        waits.add_argument(option, type=_seconds, metavar="SECONDS", help=f"{about} (default: %(default)g)")


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86400:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of seconds from 0 to 86399")
    return seconds


def _number(what: str, least: int, most: int) -> Callable[[str], int]:
    def number(value: str) -> int:
        if not value.isascii() or not value.isdigit() or len(value) > 15 or not least <= int(value) <= most:
            raise argparse.ArgumentTypeError(f"{value!r} is no number of {what} from {least} to {most}")
        return int(value)

    return number


def _size(value: str) -> int:
    size = size_in_bytes(value)
    if size is None:
        raise argparse.ArgumentTypeError(f"{value!r} is no size: write a number of bytes, or 64k, 16m, 1g")
    return size


def _size_or_none(value: str) -> int | None:
    return None if value == "none" else _size(value)


def _mode(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 4 or set(value) & set("89") or int(value, 8) > 0o777:
        raise argparse.ArgumentTypeError(f"{value!r} is no mode: write it like 0660")
    return int(value, 8)


def _options(runner: str, arguments: argparse.Namespace) -> Options:
    """What the command line says, as far as that is known without the app; in the folder where it counts."""
    from flask_embed.adapters.serving.listeners import activated

    if arguments.reload and arguments.workers > 1:
        raise UsageError(f"--reload is for one worker, not for {arguments.workers}")
    if arguments.socket_mode & 0o002:
        raise UsageError(
            f"--socket-mode {arguments.socket_mode:04o} lets everybody on this machine in; give the web server's group "
            "access with --socket-group and 0660"
        )
    fields = _fields(arguments)
    fields["bind"] = arguments.bind or activated() or _default_bind(runner)
    if arguments.reload:
        fields["graceful_timeout"] = min(arguments.graceful_timeout, _GRACE_OF_RELOAD)
    return Options(**fields)


def _fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of the options that all runners have, and those of its own that need no looking at."""
    given = vars(arguments)
    fields = {field.name: given[field.name] for field in dataclasses.fields(Options) if field.name in given}
    for name in ("forwarded_allow_ips", "web_server_addrs"):
        addresses = given.get(name)
        if addresses is None:
            fields.pop(name, None)
        else:
            fields[name] = tuple(filter(None, addresses.replace(" ", "").split(",")))
    for name in ("access_logfile", "error_logfile"):
        if fields[name] not in (None, "-"):  # opened once more on SIGHUP, when the app may have changed the folder
            fields[name] = os.path.abspath(fields[name])
    return {**fields, "fix": tuple(arguments.fix), "title": arguments.app}


def _default_bind(runner: str) -> str:
    if runner != "fastcgi":
        return Options.bind
    from flask_embed.adapters.serving.listeners import is_listening

    if not is_listening(0):
        raise UsageError(
            "say with --bind where the web server finds it: unix:PATH or 127.0.0.1:PORT (it may be left out where a "
            "web server starts this, and hands its socket over)"
        )
    return "fd://0"


@contextlib.contextmanager
def _pid_file(path: str | None) -> Iterator[None]:
    """Within the block the file says which process this is; what another process has written is left alone."""
    if path is None:
        yield
        return
    path = os.path.abspath(path)
    own = f"{os.getpid()}\n"
    try:
        _check_pid_file(path)
        with open(path, "w", encoding="ascii", opener=_not_following) as file:
            file.write(own)
    except OSError as error:
        raise UsageError(f"--pid {path}: {error.strerror}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            with open(path, encoding="ascii", errors="replace") as file:
                is_own = file.read(20) == own
            if is_own:
                os.unlink(path)


def _not_following(path: str, flags: int) -> int:
    """A file opened without following a symbolic link, which could lead from a user's folder to a file of root."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _check_pid_file(path: str) -> None:
    """:exc:`~flask_embed.errors.UsageError` if the file is no pid file, or that of a process that lives."""
    try:
        with open(path, encoding="ascii", errors="replace", opener=_not_following) as file:
            found = file.read(20).strip()
    except FileNotFoundError:
        return
    if not found:
        return
    if not found.isdigit() or len(found) > 9:
        raise UsageError(f"--pid {path}: there is a file that holds no process id; name another one, or remove it")
    if int(found) == os.getpid():
        return  # left by a process that was killed: in a container each one is process 1
    try:
        os.kill(int(found), 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass  # somebody else's
    raise UsageError(f"--pid {path}: the process {found} in it is still running; if that is no server, remove the file")


def _imported(start: Callable[[], Serve], extra: str, libraries: Collection[str]) -> Serve:
    try:
        return start()
    except ModuleNotFoundError as error:
        if error.name not in libraries:
            raise
        missing = error.name
    raise UsageError(f'{missing} is not installed: pip install "flask-embed[{extra}]"')


def _composed(arguments: argparse.Namespace, options: Options, runner: str) -> tuple[WSGIApplication, Options]:
    """The app with its mounts around it, and the options with what is known of them now."""
    from flask_embed.middleware.prefix import normalize_prefix

    if runner == "cgi":
        script_name = ""
    else:
        script_name = arguments.script_name or (os.environ.get("SCRIPT_NAME", "") if runner in HTTP_RUNNERS else "")
    stripped, prefix = (normalize_prefix(value).encode("latin-1").decode() for value in (script_name, arguments.prefix))
    if prefix and stripped.endswith(prefix):
        raise UsageError(
            f"--prefix {arguments.prefix} and SCRIPT_NAME {script_name} both name {prefix}: the front either sends it "
            "(--prefix) or has taken it off (--script-name), so drop one of them"
        )
    app, mounts = mounted(arguments.app, arguments.mount, stripped + prefix)
    if runner != "cgi":  # it would be said with each request
        warn_of_shadowed_rules(app)
    if script_name == "/" and "nginx-path-info" in options.fix:
        stripped = script_name  # at the root: the fixer is not to find out where the path begins
    return app, dataclasses.replace(options, prefix=prefix, script_name=stripped, mounts=mounts)


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

    app = load_app(target, prefix)
    if not mounts and "flask_embed.middleware.dispatcher" not in sys.modules:
        return app, ()  # without the module, the app is none of its objects
    from flask_embed.middleware.dispatcher import DispatcherMiddleware

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
