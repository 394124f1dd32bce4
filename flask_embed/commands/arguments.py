"""The command line of the runners: the table of their options, the readers of values, and the way to Options."""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import TYPE_CHECKING, Any, NoReturn

from flask_embed import __version__
from flask_embed.errors import UsageError
from flask_embed.grammar import size_in_bytes
from flask_embed.options import FIXES, LOG_LEVELS, Options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["is_server", "number_reader", "options_of", "parser_of", "read_mode", "read_seconds", "read_size"]

#: the runners that answer one request and end: without sockets, without workers
_ONE_REQUEST = ("cgi",)
#: the runners whose environment variable SCRIPT_NAME means ``--script-name``; for the others it belongs to a request
_HTTP = ("gevent", "tornado")
#: seconds that --reload gives to running requests: an open stream must not hold up the new code
_GRACE_OF_RELOAD = 2.0


# The readers of values, which argparse calls: it puts the name of the option before their messages


def read_seconds(value: str) -> float:
    """A number of seconds between 0 and 86399."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86400:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of seconds between 0 and 86399")
    return seconds


def number_reader(noun: str, least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers between *least* and *most*; *noun* names in its message what they count."""

    def read_number(value: str) -> int:
        if not value.isascii() or not value.isdigit() or len(value) > 15 or not least <= int(value) <= most:
            raise argparse.ArgumentTypeError(f"{value!r} is not a number of {noun} between {least} and {most}")
        return int(value)

    return read_number


def read_size(value: str) -> int:
    """A number of bytes from 1 on, written as ``65536`` or ``64k``."""
    size = size_in_bytes(value)
    if size is None:
        raise argparse.ArgumentTypeError(f"{value!r} is not a size: write a number of bytes from 1 on, or 64k, 16m, 1g")
    return size


def read_mode(value: str) -> int:
    """Permissions of a file in octal digits, written as ``0660``."""
    if not value.isascii() or not value.isdigit() or len(value) > 4 or set(value) & set("89") or int(value, 8) > 0o777:
        raise argparse.ArgumentTypeError(f"{value!r} is not a file mode: write octal digits up to 0777, such as 0660")
    return int(value, 8)


def _read_size_or_none(value: str) -> int | None:
    if value == "none":
        return None
    try:
        return read_size(value)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or none for no limit") from None


# The table of options


def is_server(runner: str) -> bool:
    """True if the runner listens, and answers requests until it is stopped."""
    return runner not in _ONE_REQUEST


def _any(runner: str) -> bool:
    return True


def _only(*runners: str) -> Callable[[str], bool]:
    return lambda runner: runner in runners


class _Option:
    """An option of the command line. One that is a field of Options has the default of that field."""

    # Not a NamedTuple or a dataclass: making one takes half a millisecond of each CGI request.
    def __init__(
        self,
        names: str,
        help: str,
        metavar: str | None = None,
        read: Callable[[str], Any] | None = None,
        *,
        choices: tuple[str, ...] | None = None,
        action: str = "store",
        exists: Callable[[str], bool] = _any,
    ) -> None:
        #: how it is written, the long name last: ``"-w --workers"``
        self.names = names
        self.help = help
        self.metavar = metavar
        #: from the text of a value to the value
        self.read = read
        self.choices = choices
        #: ``store_true`` for a switch, ``append`` for an option that may be repeated
        self.action = action
        #: True for the runners that have it
        self.exists = exists


_ADDRESS = "HOST:PORT ([::1]:PORT; port 0 takes a free one), unix:PATH or fd://N (default: the socket of systemd, or "

_GENERAL = (
    _Option("--chdir", "change to this folder first; modules are imported from it", "DIR"),
    _Option(
        "-b --bind",
        f"{_ADDRESS}{Options.bind})",
        exists=lambda runner: is_server(runner) and runner != "fastcgi",
    ),
    _Option("-b --bind", f"{_ADDRESS}the one that the web server passes)", exists=_only("fastcgi")),
    _Option(
        "--mount",
        "another app at /PREFIX, HOST/PREFIX or *.DOMAIN/PREFIX; may be repeated, the longest prefix wins",
        "KEY=APP",
        action="append",
    ),
)
_FRONT = (
    _Option("--prefix", "it sends all paths with this prefix", "/PREFIX"),
    _Option(
        "--script-name",
        "it removes this prefix from all paths (gevent, tornado: default $SCRIPT_NAME)",
        "/PREFIX",
        exists=is_server,
    ),
    _Option(
        "--web-server-addrs",
        "web servers that may connect: addresses, networks, any (default: $FCGI_WEB_SERVER_ADDRS, or those of this "
        "machine)",
        "LIST",
        exists=_only("fastcgi"),
    ),
    _Option(
        "--fix",
        "correct its SCRIPT_NAME and PATH_INFO; may be repeated",
        choices=FIXES,
        action="append",
    ),
    _Option(
        "--trust-proxy",
        "proxies in front that set or clear X-Forwarded-For, -Proto, -Host, -Port, -Prefix (default: none)",
        "N",
        number_reader("proxies", 0, 100),
    ),
    _Option(
        "--forwarded-allow-ips",
        "peers whose headers --trust-proxy uses: addresses, networks, unix "
        f"(default: {','.join(Options.forwarded_allow_ips)})",
        "LIST",
    ),
)
_PROCESSES = (
    _Option(
        "-w --workers",
        "number of processes that answer (default: %(default)s)",
        "N",
        number_reader("processes", 1, 1000),
        exists=is_server,
    ),
    _Option(
        "--threads",
        "requests that a process answers at the same time (default: %(default)s)",
        "N",
        number_reader("threads", 1, 10_000),
        exists=_only("tornado", "fastcgi"),
    ),
    _Option(
        "--max-requests",
        "replace a worker after about N requests (default: never)",
        "N",
        number_reader("requests", 0, 10**12),
        exists=is_server,
    ),
    _Option(
        "--reload",
        "for development: restart when a file of the app changes; running requests then have 2 seconds",
        action="store_true",
        exists=is_server,
    ),
    _Option(
        "--allow-debug",
        "serve an app with debug = True where other machines reach it",
        action="store_true",
        exists=is_server,
    ),
    _Option("--no-patch", "leave the standard library unpatched", action="store_true", exists=_only("gevent")),
    _Option("--pid", "write the process id to this file", "FILE", exists=is_server),
)
_WAITS = tuple(
    _Option(name, f"{about} (default: %(default)g)", "SECONDS", read_seconds, exists=is_server)
    for name, about in (
        ("--graceful-timeout", "for running requests to end after SIGTERM or Ctrl-C"),
        ("--timeout", "until a worker that does not respond is replaced, 0 for never"),
        ("--header-timeout", "for the head of a request"),
        ("--body-timeout", "for the next data of a body"),
        ("--keep-alive", "for the next request on a connection"),
        ("--write-timeout", "for a client to read the next data of an answer"),
    )
)
_LIMITS = (
    _Option("--limit-line", "of the request line (default: %(default)s)", "SIZE", read_size, exists=is_server),
    _Option("--limit-headers", "of the headers together (default: %(default)s)", "SIZE", read_size, exists=is_server),
    _Option(
        "--spool",
        "of the data of a body that waits in memory for an app that reads slowly (default: %(default)s)",
        "SIZE",
        read_size,
        exists=is_server,
    ),
    _Option(
        "--limit-header-count",
        "number of headers (default: %(default)s)",
        "N",
        number_reader("headers", 1, 100_000),
        exists=is_server,
    ),
    _Option(
        "--limit-body", "of a body; the app's own limit applies as well (default: none)", "SIZE", _read_size_or_none
    ),
)
_FILES = (
    _Option(
        "--socket-mode",
        f"of a unix socket (default: {Options.socket_mode:04o})",
        "MODE",
        read_mode,
        exists=is_server,
    ),
    _Option("--socket-group", "of a unix socket (default: that of the process)", "GROUP", exists=is_server),
    _Option("--umask", "for files that the app creates", "MASK", read_mode),
    _Option("--access-logfile", "one line for each request; - is stderr (default: none)", "FILE"),
    _Option("--error-logfile", "warnings and errors (default: -, stderr)", "FILE"),
    _Option("--log-level", "the lowest level that is logged (default: %(default)s)", choices=LOG_LEVELS),
)
#: the options in the order of ``--help``, by the titles of its groups; those without a title come first
_GROUPS = (
    ("", _GENERAL),
    ("the web server in front", _FRONT),
    ("processes", _PROCESSES),
    ("waits, in seconds", _WAITS),
    ("limits, in bytes (64k, 16m, 1g)", _LIMITS),
    ("files", _FILES),
)

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Options)}
#: None where the command line does not name them: the environment, or the server, has the default
_DEFAULTS |= dict.fromkeys(("bind", "forwarded_allow_ips", "web_server_addrs"))


# From the table to a parser, and from its result to Options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        from flask_embed.environ import escape_controls

        super().error(escape_controls(message))  # it quotes the command line


def parser_of(runner: str) -> argparse.ArgumentParser:
    """The parser of ``python -m flask_embed.RUNNER``."""
    command = f"python -m flask_embed.{runner}"
    serves = is_server(runner)
    parser = _Parser(
        prog=command,
        usage=f"{command} APP [options]",
        description=f"Serve a WSGI app with {runner}." if serves else "Answer one request, as a CGI script does.",
        epilog=f"example: {command} shop:app {'--bind 127.0.0.1:8000 ' if serves else ''}--mount /blog=blog:app",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"flask_embed {__version__}")
    parser.add_argument("app", metavar="APP", help="module:attribute, or module:factory() for what a factory returns")
    for title, options in _GROUPS:
        existing = [option for option in options if option.exists(runner)]
        if existing:
            group = parser.add_argument_group(title) if title else parser
            for option in existing:
                group.add_argument(*option.names.split(), **_settings(option))
    return parser


def _settings(option: _Option) -> dict[str, Any]:
    """The keyword arguments of argparse's ``add_argument`` for an option."""
    field = option.names.rpartition("--")[2].replace("-", "_")
    settings: dict[str, Any] = {"help": option.help, "action": option.action}
    if option.action == "append":
        settings["default"] = []
    elif field in _DEFAULTS:
        settings["default"] = _DEFAULTS[field]
    for name, value in (("metavar", option.metavar), ("type", option.read), ("choices", option.choices)):
        if value is not None:
            settings[name] = value
    return settings


def options_of(runner: str, arguments: argparse.Namespace) -> Options:
    """The options of a command line and of the environment, in the folder where the runner serves.

    :exc:`~flask_embed.errors.UsageError` for two that exclude each other. The prefixes are as they were typed:
    :func:`~flask_embed.commands.composing.compose` checks them.
    """
    given = vars(arguments)
    fields = {name: given[name] for name in _DEFAULTS if name in given}
    fields |= {"fix": tuple(arguments.fix), "title": arguments.app}
    for name in ("forwarded_allow_ips", "web_server_addrs"):
        addresses = fields.pop(name, None)
        if addresses is not None:
            fields[name] = tuple(filter(None, addresses.replace(" ", "").split(",")))
    for name in ("access_logfile", "error_logfile"):
        if fields[name] not in (None, "-"):  # it is opened again on SIGHUP, when the app may have changed the folder
            fields[name] = os.path.abspath(fields[name])
    if is_server(runner):
        fields |= _server_fields(runner, arguments)
    return Options(**fields)


def _server_fields(runner: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a runner that listens, as far as they depend on one another or on the environment."""
    from flask_embed.adapters.serving.listeners import activated

    if arguments.reload and arguments.workers > 1:
        raise UsageError(f"--reload serves with one worker: leave out --workers {arguments.workers}")
    if arguments.socket_mode & 0o002:
        raise UsageError(
            f"--socket-mode {arguments.socket_mode:04o} lets every user of this machine connect: write 0660, and give "
            "the web server's group to --socket-group"
        )
    fields: dict[str, Any] = {"bind": arguments.bind or activated() or _default_bind(runner)}
    if runner in _HTTP:
        fields["script_name"] = arguments.script_name or os.environ.get("SCRIPT_NAME", "")
    if arguments.reload:
        fields["graceful_timeout"] = min(arguments.graceful_timeout, _GRACE_OF_RELOAD)
    return fields


def _default_bind(runner: str) -> str:
    if runner != "fastcgi":
        return Options.bind
    from flask_embed.adapters.serving.listeners import is_listening

    if not is_listening(0):
        raise UsageError(
            "--bind is missing: write the address that the web server connects to, unix:PATH or 127.0.0.1:PORT (only "
            "a process that a web server starts, and passes a socket to, needs none)"
        )
    return "fd://0"
