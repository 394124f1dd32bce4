"""The name of an app on the command line: missing modules, other objects, injected code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flask_embed.commands.run import main
from tests.security.checks import absent, check, equal, present

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.commands.run import Serve

ROOT = Path(__file__).parents[3]

MODULE = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"app"]

def create():
    return app

def create_with(setting):
    return app

def fail():
    raise LookupError("of the factory")

number = 5
text = "app"
nothing = None

class Namespace:
    inner = staticmethod(app)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with modules to serve; changes of the process are undone after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "good_site.py").write_text(MODULE)
    (tmp_path / "broken_import.py").write_text("import no_such_module_of_this_name")
    (tmp_path / "broken_name.py").write_text("from good_site import no_such_name")
    (tmp_path / "broken_raise.py").write_text("raise ImportError('of the module itself')")
    (tmp_path / "broken_syntax.py").write_text("def (")
    (tmp_path / "broken_exit.py").write_text("1 / 0")
    (tmp_path / "package_site").mkdir()
    (tmp_path / "package_site" / "__init__.py").write_text("")
    (tmp_path / "package_site" / "inner.py").write_text("import package_site.missing")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition("_")[0] in ("good", "broken", "package"):
            del sys.modules[name]


def served(*argv: str) -> tuple[int, list[WSGIApplication]]:
    """The exit status of a command, and the apps that it would serve."""
    apps: list[WSGIApplication] = []

    def start(arguments: Namespace) -> Serve:
        return lambda app, options, worker=None: apps.append(app)

    return main("test", "test", start, argv), apps


def refusal_of(capsys: pytest.CaptureFixture[str], target: str, *argv: str) -> str:
    """Check that the command is refused with one line on stderr; returns it."""
    status, apps = served(*(argv or (target,)))

    output = capsys.readouterr()
    equal((status, apps, output.out), (2, [], ""))
    equal(len(output.err.splitlines()), 1, "the number of lines on stderr")
    return output.err


@pytest.mark.parametrize("target", ["good_site:app", "good_site:create()", "good_site:Namespace.inner"])
def test_what_can_be_served_is_served(folder: Path, target: str) -> None:
    status, apps = served(target)

    equal((status, len(apps)), (0, 1))


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        ("no_such_site:app", "no_such_site"),
        ("good_site.inner:app", "good_site.inner"),
        ("package_site.none:app", "package_site.none"),
        ("no_such.package.module:app", "no_such"),
        ("good_site:application", "application"),
        ("good_site:create.app", "create.app"),
        ("good_site:nothing.app", "nothing.app"),
        ("good_site:__missing__", "__missing__"),
        ("good_site:application()", "application"),
    ],
)
def test_promise_130_what_is_missing_is_named_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str, missing: str
) -> None:
    line = refusal_of(capsys, target)

    present(missing, line)
    present(target, line)


@pytest.mark.parametrize("target", ["no_such_site:app", "good_site:application", "good_site:number"])
def test_promise_130_also_for_a_mount(folder: Path, capsys: pytest.CaptureFixture[str], target: str) -> None:
    line = refusal_of(capsys, target, "good_site:app", "--mount", f"/x={target}")

    present(target, line)


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        ("broken_import:app", ModuleNotFoundError, "no_such_module_of_this_name"),
        ("broken_name:app", ImportError, "no_such_name"),
        ("broken_raise:app", ImportError, "of the module itself"),
        ("broken_syntax:app", SyntaxError, "invalid syntax"),
        ("broken_exit:app", ZeroDivisionError, "division"),
        ("package_site.inner:app", ModuleNotFoundError, "package_site.missing"),
        ("good_site:fail()", LookupError, "of the factory"),
    ],
)
def test_promise_130_a_module_s_own_fault_is_shown_as_it_is(
    folder: Path, target: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        served(target)

    present(text, str(caught.value))


INJECTIONS = [
    "os:system",
    "os:getcwd",
    "os:environ",
    "sys:path",
    "good_site:number",
    "good_site:text",
    "good_site:nothing",
    "good_site:create",
    "good_site:create_with",
    "good_site:create_with()",
    "good_site:number()",
    "good_site:Namespace",
    "good_site:app('x')",
    "good_site:create()()",
    "good_site:create().x",
    "good_site:create( )",
    "good_site:create()x",
    "good_site:__import__('os').mkdir('made')",
    "good_site:app if __import__('os').mkdir('made') else app",
    "os:mkdir('made')",
    "good_site:create_with(setting='x')",
    "good_site:app;import os",
    "good_site:app\nimport os",
    "good_site:app\n",
    "good_site\n:app",
    "good_site;x:app",
    "import os;os.mkdir('made'):app",
    "good_site:[app][0]",
    "good_site:app or x",
    "good_site:lambda e, s: []",
    "good_site:\u202eppa",
    "good_site:",
    ":app",
    ":",
    "",
    "good_site",
    "good_site:app:app",
    "./good_site.py:app",
    "/etc/passwd:app",
    "../good_site:app",
    "..good_site:app",
    ".good_site:app",
    "good_site.:app",
    "good_site/../x:app",
    "good_site.py:app",
    "good_site:app.",
    "good_site:.app",
    "good_site:1",
    "good_site:app%0a",
    "good_site:$(mkdir made)",
    "good_site:`mkdir made`",
    "good_site:app\0",
]


@pytest.mark.parametrize("target", INJECTIONS)
def test_promise_131_another_target_is_reported_and_never_evaluated(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    status, apps = served(target)

    output = capsys.readouterr()
    equal((status, apps), (2, []))
    check(output.err.strip(), "nothing is reported")
    absent("Traceback", output.err)
    check(not (folder / "made").exists(), "the target was evaluated")


@pytest.mark.parametrize("target", ["os:system", "good_site:number", "good_site:nothing", "good_site:create"])
def test_promise_131_what_is_no_app_is_called_so(folder: Path, capsys: pytest.CaptureFixture[str], target: str) -> None:
    line = refusal_of(capsys, target)

    present("is not a WSGI callable", line)


@pytest.mark.parametrize(
    "mount",
    [
        "/x",
        "x=good_site:app",
        "//x=good_site:app",
        "/x=",
        "=good_site:app",
        "/x=os:system",
        "/a b=good_site:app",
        "/..=good_site:app",
        "/=good_site:app",
    ],
)
def test_promise_131_a_malformed_mount_is_reported(
    folder: Path, capsys: pytest.CaptureFixture[str], mount: str
) -> None:
    refusal_of(capsys, "", "good_site:app", "--mount", mount)


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *(["-O"] if sys.flags.optimize else []), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("target", ["no_such_site:app", "good_site:application", "os:system"])
def test_promise_130_131_the_command_ends_with_2_and_one_line(folder: Path, target: str) -> None:
    pytest.importorskip("gevent")

    run = python("-m", "flask_embed.gevent", target, cwd=folder)

    equal((run.returncode, run.stdout, len(run.stderr.splitlines())), (2, "", 1))
    present(target, run.stderr)


def test_promise_130_the_command_shows_the_traceback_of_the_module(folder: Path) -> None:
    pytest.importorskip("gevent")

    run = python("-m", "flask_embed.gevent", "broken_raise:app", cwd=folder)

    equal(run.returncode, 1)
    present("Traceback", run.stderr)
    present("broken_raise.py", run.stderr)
    present("of the module itself", run.stderr)


NOT_INSTALLED = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "MISSING":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder())
"""
WITHOUT = "import sys; sys.modules[{missing!r}] = None; "


@pytest.mark.parametrize(
    ("runner", "missing", "extra"),
    [
        ("gevent", "gevent", "gevent"),
        ("gevent", "httptools", "gevent"),
        ("tornado", "tornado", "tornado"),
        ("fastcgi", "flup", "fastcgi"),
    ],
)
def test_promise_132_a_missing_server_is_reported_on_one_line(
    folder: Path, runner: str, missing: str, extra: str
) -> None:
    command = "main(['good_site:app', '--bind', '127.0.0.1:0'])"
    script = f"{NOT_INSTALLED}from flask_embed.{runner} import main; sys.exit({command})"

    run = python("-c", script.replace("MISSING", missing), cwd=folder)

    equal((run.returncode, run.stdout, len(run.stderr.splitlines())), (2, "", 1))
    present(f"{missing} is not installed", run.stderr)
    present(f"flask-embed[{extra}]", run.stderr)


@pytest.mark.parametrize("missing", ["gevent", "tornado", "flup", "sqlalchemy", "httptools"])
def test_promise_132_the_package_works_without_it(folder: Path, missing: str) -> None:
    script = WITHOUT + (
        "from flask_embed import *; import flask_embed; from flask_embed.middleware import DispatcherMiddleware; "
        "app = Flask('x'); app.add_url_rule('/', 'index', lambda: 'fine'); "
        "print(app.test_client().get('/').text, sorted(flask_embed.__all__)[0])"
    )

    run = python("-c", script.format(missing=missing), cwd=folder)

    equal((run.returncode, run.stdout, run.stderr), (0, "fine Flask\n", ""))
