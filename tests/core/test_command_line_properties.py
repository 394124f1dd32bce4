"""Random command lines: an app is served, or one line on stderr reports the mistake and the status is 2."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from flask_embed.cli import main as cli_main
from flask_embed.commands.arguments import options_of, parser_of
from flask_embed.commands.run import main, main_once
from flask_embed.environ import escape_controls
from flask_embed.errors import LoadError, UsageError
from flask_embed.loading import check_target, load_app
from flask_embed.options import Options

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.commands.run import Serve

MODULE = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"app"]

def create(prefix=""):
    return app

def with_arguments(one, two, three):
    return app

number, text, nothing = 5, "app", None

class Namespace:
    inner = staticmethod(app)

    def __getattr__(self, name):
        raise AttributeError(name)

lazy = Namespace()
"""
NAME = "site_of_any_command_line"
RUNNERS = ["gevent", "tornado", "fastcgi", "cgi"]
TARGETS = st.sampled_from(
    [
        *(f"{NAME}:{name}" for name in ("app", "create()", "create", "number", "Namespace.inner", "lazy.x", "no", "")),
        *(
            f"{NAME}:{name}"
            for name in ("with_arguments()", "app.__class__", "app ", "create( )", "create()()", "app;x")
        ),
        *(
            NAME,
            ":",
            ":app",
            "no_such_module:app",
            "os:system",
            f"{NAME}.x:a",
            "../x:app",
            "a\u00b2:b",
            f"{NAME}:\u1d43pp",
        ),
    ]
)
PIECES = [
    *(
        "/",
        "//",
        "a",
        "-",
        "--",
        "=",
        ":",
        ".",
        "..",
        "0",
        "1",
        "9" * 20,
        "k",
        "g",
        "%",
        "*",
        "\n",
        "\x1b[2J",
        " ",
        "é",
    ),
    *(
        "\udcff",
        "unix:",
        "fd://",
        "127.0.0.1",
        "[::1]",
        "none",
        "nan",
        "inf",
        "1e999",
        "-1",
        "0o7",
        "660",
        "\u0661",
        "@x",
    ),
]
#: the arguments that a system can pass: without NUL, undecodable bytes as surrogates
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
)
#: without those that start several processes: other tests have them
OPTIONS = [
    *("--bind", "-b", "--mount", "--prefix", "--script-name", "--fix", "--trust-proxy", "--forwarded-allow-ips"),
    *("--threads", "--timeout", "--graceful-timeout", "--header-timeout", "--body-timeout", "--keep-alive"),
    *("--limit-line", "--limit-headers", "--limit-header-count", "--limit-body", "--spool", "--socket-mode", "--umask"),
    *("--socket-group", "--log-level", "--web-server-addrs", "--no-patch", "--allow-debug", "--chdir", "--pid"),
    *("--access-logfile", "--error-logfile", "--version", "--help", "-h", "--no-such", "-x", "--", "-", ""),
]
#: the options that name a file or a folder; the tests keep them within the current folder
FILES = ["--chdir", "--pid", "--access-logfile", "--error-logfile"]
PROCESSES = ["--workers", "-w", "--reload", "--max-requests", "--workers=2", "-w3"]
VALUES = (
    TEXTS | TARGETS | TARGETS.map(lambda target: f"/a={target}") | st.sampled_from(["nginx-path-info", "lighttpd-root"])
)


@st.composite
def words(draw: Callable[[Any], Any], options: list[str]) -> list[str]:
    """Command lines; most name an app and give values to options."""
    found = [f"{NAME}:app"] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 4))):
        option = draw(st.sampled_from(options))
        value = draw(
            VALUES if option not in FILES else st.sampled_from(["", "-", "a", "a\nb", "é", "\udcff", "no/such"])
        )
        found += draw(st.sampled_from([[option, value], [f"{option}={value}"], [value]]))
    return found


class Ended(NamedTuple):
    """The result of a command line."""

    status: int
    served: list[tuple[WSGIApplication, Options]]
    out: str
    err: str


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty current folder, with a module on sys.path."""
    path = tmp_path_factory.mktemp("modules")
    (path / f"{NAME}.py").write_text(MODULE)
    empty = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(empty)
        patch.setattr(sys, "path", [str(path), *sys.path])
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.delenv("SCRIPT_NAME", raising=False)
        yield empty


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Undo the changes of the process at the end of the block."""
    folder, path, environ, umask = os.getcwd(), sys.path[:], dict(os.environ), os.umask(0o22)
    os.umask(umask)
    try:
        yield
    finally:
        os.chdir(folder)
        os.umask(umask)
        sys.path[:] = path
        if dict(os.environ) != environ:
            os.environ.clear()
            os.environ.update(environ)


def ended(runner: str, argv: list[str]) -> Ended:
    """Run a command up to the call of ``serve``."""
    served: list[tuple[WSGIApplication, Options]] = []

    def start(arguments: Namespace) -> Serve:
        return lambda app, options, worker=None: served.append((app, options))

    out, err = io.StringIO(), io.StringIO()
    with unchanged(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main_once("cgi", start, argv) if runner == "cgi" else main(runner, ("x",), start, argv)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 0
    return Ended(status, served, out.getvalue(), err.getvalue())


def is_reported(err: str, runner: str) -> bool:
    """True if *err* is one line, perhaps after the usage, without control characters."""
    usage, colon, message = err.rpartition(f"python -m flask_embed.{runner}: ")
    is_harmless = message.endswith("\n") and escape_controls(message[:-1]) == message[:-1]
    return bool(colon) and is_harmless and (not usage or usage.startswith("usage: "))


@pytest.mark.parametrize("runner", RUNNERS)
@given(argv=words(OPTIONS))
@example(argv=["a:b", "--no-such\n\x1b[2J"])
@example(argv=[f"{NAME}:app", "--fix", "a\nb"])
@example(argv=[f"{NAME}:app", "--chdir", "a\nb"])
@example(argv=[f"{NAME}:app", "--error-logfile", "no/such\nfolder/log"])
@example(argv=[f"{NAME}:app", "--pid", "no/such\nfolder/pid"])
def test_an_app_is_served_or_one_line_reports_the_mistake(runner: str, argv: list[str]) -> None:
    found = ended(runner, argv)

    if found.served:
        ((app, options),) = found.served
        assert callable(app)
        assert found.status == 0
        assert any(options.title in word for word in argv)
        assert options.limit_line > 0
        assert 0 <= options.keep_alive < 86400
    elif found.status == 0:
        assert found.out
    else:
        assert found.status == 2
        assert is_reported(found.err, runner), found.err


@pytest.mark.parametrize("runner", RUNNERS[:3])
@given(argv=words([*PROCESSES, *PROCESSES, *OPTIONS]))
def test_options_of_processes_are_in_range_or_refused(runner: str, argv: list[str]) -> None:
    err = io.StringIO()
    found: Options | UsageError | SystemExit
    with unchanged(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        try:
            found = options_of(runner, parser_of(runner).parse_args(argv))
        except (UsageError, SystemExit) as error:
            found = error
    if isinstance(found, Options):
        assert 1 <= found.workers <= 1000
        assert not (found.reload and found.workers > 1)
        assert 0 <= found.max_requests <= 10**12
    elif isinstance(found, SystemExit):
        assert found.code == (2 if err.getvalue() else 0)
        assert not err.getvalue() or is_reported(err.getvalue(), runner)


@given(
    st.sampled_from(["routes", "explain", "config", "doctor", "completion", ""]),
    words(["--mount", "--prefix", "--chdir", "--method", "--json"]),
)
@example("explain", ["/\n", f"{NAME}:app"])
@example("routes", [f"{NAME}:app", "--mount", "a\nb=x:y"])
def test_flask_embed_ends_with_an_answer_or_a_line(command: str, argv: list[str]) -> None:
    with unchanged():
        done = CliRunner().invoke(cli_main, [command, *argv], prog_name="flask-embed")

    assert done.exit_code in (0, 1, 2)
    assert isinstance(done.exception, SystemExit | None), argv
    assert "Traceback" not in done.output
    if done.exit_code == 2:
        assert done.stderr.splitlines()


@given(TARGETS | st.text(max_size=12) | st.text("a.:()_\u00b2 \n1", max_size=10))
def test_a_target_is_parsed_or_refused_on_one_line(target: str) -> None:
    found: tuple[str, str, bool] | LoadError
    try:
        found = check_target(target)
    except LoadError as error:
        found = error
    if isinstance(found, LoadError):
        assert repr(target) in str(found)
        assert str(found).isprintable()
        return
    module, attribute, is_factory = found
    assert f"{module}:{attribute}{'()' * is_factory}" == target
    assert all(part for part in [*module.split("."), *attribute.split(".")])
    assert not set(" \n\t/\\;'\"()[]{}").intersection(module + attribute)


@given(TARGETS)
def test_a_target_loads_an_app_or_raises_load_error(target: str) -> None:
    found: Any
    try:
        found = load_app(target, "/p")
    except LoadError as error:
        found = error
    assert callable(found) or str(found).isprintable()
