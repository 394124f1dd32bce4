"""The commands of the runners: ``python -m flask_embed.gevent app:app [options]`` and its twins."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Protocol

from flask_embed.commands.arguments import is_server, options_of, parser_of
from flask_embed.commands.composing import compose, enter, warn_of_hidden_rules
from flask_embed.errors import PrefixError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Sequence

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.adapters.serving.workers import Worker
    from flask_embed.options import Options

__all__ = ["Serve", "main", "main_once"]

#: the exit status of a command that is mistyped: its user gets one line, without a traceback
_MISTYPED = 2


class Serve(Protocol):
    """The ``serve`` of every adapter: serves an app until the process is asked to end."""

    def __call__(self, app: WSGIApplication, options: Options, worker: Worker | None = None, /) -> None: ...


def main(
    runner: str,
    libraries: Collection[str],
    start: Callable[[argparse.Namespace], Serve],
    argv: Sequence[str] | None,
) -> int:
    """Serve the app that the command line names; returns the exit status.

    *libraries* are those of the runner's extra. *start* prepares the process (patches it, where that is needed) and
    imports the adapter's ``serve``; it runs in the process that is going to serve, before the app is imported there.
    A mistake on the command line is one line on stderr and the status 2; an exception of the app's own module is
    passed on with its traceback.
    """

    def serve(command: _Command) -> int:
        from flask_embed.adapters.serving.pidfile import pid_file

        with pid_file(command.arguments.pid):
            return command.supervise() if command.has_supervisor else command.run()

    return _execute(runner, libraries, start, argv, serve)


def main_once(runner: str, start: Callable[[argparse.Namespace], Serve], argv: Sequence[str] | None) -> int:
    """:func:`main` of a process that answers one request: without sockets, supervisor and pid file."""
    return _execute(runner, (), start, argv, _Command.run)


def _execute(
    runner: str,
    libraries: Collection[str],
    start: Callable[[argparse.Namespace], Serve],
    argv: Sequence[str] | None,
    serve: Callable[[_Command], int],
) -> int:
    """Parse the command line, prepare the process and call *serve*; returns the exit status."""
    parser = parser_of(runner)
    arguments = parser.parse_args(argv)
    try:
        enter(arguments.chdir)
        options = options_of(runner, arguments)
        if arguments.umask is not None:
            os.umask(arguments.umask)
        return serve(_Command(runner, parser.prog, libraries, start, arguments, options))
    except (UsageError, PrefixError) as error:
        _print_error(parser.prog, error)
        return _MISTYPED


class _Command:
    """A parsed command line, and the steps from it to a served app."""

    def __init__(
        self,
        runner: str,
        prog: str,
        libraries: Collection[str],
        start: Callable[[argparse.Namespace], Serve],
        arguments: argparse.Namespace,
        options: Options,
    ) -> None:
        self.runner = runner
        self.prog = prog
        self.libraries = libraries
        self.start = start
        self.arguments = arguments
        #: without what is known of the app: :meth:`_load` adds that
        self.options = options

    @property
    def has_supervisor(self) -> bool:
        """True if the app runs in workers, which are replaced."""
        return self.options.workers > 1 or self.options.max_requests > 0 or self.options.reload

    def supervise(self) -> int:
        """Keep workers running until the process is asked to end; returns the exit status."""
        from flask_embed.adapters.serving.supervisor import supervise

        return supervise(self.options, self._run_worker)

    def run(self, worker: Worker | None = None) -> int:
        """Serve in this process; returns the exit status."""
        self._serve(*self._load(), worker)
        return 0

    def _run_worker(self, worker: Worker) -> int:
        try:
            return self._run_reloading(worker) if self.options.reload else self.run(worker)
        except (UsageError, PrefixError) as error:
            _print_error(self.prog, error)
            return _MISTYPED

    def _run_reloading(self, worker: Worker) -> int:
        """Serve until a file of the app changes. An app that cannot be loaded is loaded again after a change, too."""
        from flask_embed.adapters.serving.reload import FileWatcher
        from flask_embed.adapters.serving.workers import AGAIN

        watcher = FileWatcher()
        try:
            serve, app, options = self._load()
        except (Exception, SystemExit) as error:
            if worker.is_first and isinstance(error, UsageError | PrefixError):
                raise
            _print_error(self.prog, error)
            watcher.wait(error, worker.beat)
            return AGAIN
        watcher.watch(worker.stop)
        self._serve(serve, app, options, worker)
        return AGAIN if watcher.path is not None else 0

    def _load(self) -> tuple[Serve, WSGIApplication, Options]:
        """The server, the app with its mounts, and the options with what is known of the app."""
        serve = self._import_server()
        app, options = compose(self.arguments.app, self.arguments.mount, self.options)
        if is_server(self.runner):  # else each request would repeat it
            warn_of_hidden_rules(app)
        return serve, app, options

    def _import_server(self) -> Serve:
        try:
            return self.start(self.arguments)
        except ModuleNotFoundError as error:
            if error.name not in self.libraries:
                raise
            missing = error.name
        raise UsageError(f'{missing} is not installed: pip install "flask-embed[{self.runner}]"')

    def _serve(self, serve: Serve, app: WSGIApplication, options: Options, worker: Worker | None) -> None:
        from flask_embed.adapters.serving.logs import logging_to

        with logging_to(options):
            serve(app, options, worker)


def _print_error(prog: str, error: BaseException) -> None:
    """Write a mistake of the user on one line of stderr, any other exception with its traceback."""
    if isinstance(error, UsageError | PrefixError):
        from flask_embed.environ import escape_controls

        print(f"{prog}: {escape_controls(str(error))}", file=sys.stderr, flush=True)
    else:
        traceback.print_exception(error)
