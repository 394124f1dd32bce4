"""The code and the commands of the documents run, and do what stands beside them.

The README's are tested one by one. Of the other pages each python block runs, all of a page in one namespace, and each
command is checked: a target of make exists, a pytest line runs (in the first file of each folder), a runner starts.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from tornado.web import RequestHandler
from werkzeug.test import Client

from flask_embed import Flask
from tests.adapters.records import Peer
from tests.serving import DEADLINE, ROOT, environment, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (ROOT / "README.md").read_text("utf-8")
#: where pip puts it into the environment of the tests
UV = Path(sys.executable).parent / "uv"
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "tests/README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def block(heading: str, language: str = "python", number: int = 0) -> str:
    """A fenced block of the section below *heading*."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert section is not None
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", section[1], re.DOTALL)
    return blocks[number]


def test_ten_lines_are_an_app() -> None:
    code = block("Ten lines")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names: dict[str, Any] = {"__name__": "hello"}
    exec(code, names)
    client = Client(names["app"])
    assert client.get("/").text == "Hello World!"
    assert client.get("/hello/ada", environ_overrides={"REMOTE_ADDR": "192.0.2.1"}).json == {
        "hello": "ada",
        "from": "192.0.2.1",
    }


def test_mounting_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("blog", "shop", "site_app"):
        app = Flask(name)
        app.route("/")(lambda name=name: name)
        module = ModuleType(name)
        module.app = app  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    names: dict[str, Any] = {}
    exec(block("Mounting"), names)
    client = Client(names["application"])
    assert [client.get(path).text for path in ("/shop/", "/shop/blog/", "/")] == ["shop", "blog", "site_app"]
    assert client.get("/shopping").status_code == 404


def test_an_app_is_put_beside_the_handlers_of_tornado() -> None:
    class NativeHandler(RequestHandler):
        """A handler of the host."""

    names: dict[str, Any] = {"NativeHandler": NativeHandler, "shop": Flask("shop")}
    exec(block("Tornado"), names)
    assert [rule.matcher.regex.pattern for rule in names["application"].wildcard_router.rules] == [
        "/native$",
        "/shop(?:/.*)?$",
    ]


def test_the_runners_commands_serve(tmp_path: Path) -> None:
    for name in ("shop", "blog", "wiki"):
        (tmp_path / f"{name}.py").write_text(
            "from flask_embed import Flask, request\n"
            "app = Flask(__name__)\n"
            "app.add_url_rule('/', 'index', view_func=lambda: __name__ + ' ' + request.script_root)\n"
            "def create_app():\n    return app\n"
        )
    (tmp_path / "hello.py").write_text(block("Ten lines"))
    expected = {
        "hello:app": {"/": b"Hello World!"},
        "shop:app --bind 127.0.0.1": {"/": b"shop "},
        "shop:app --workers": {"/": b"shop "},
        '"shop:create_app()"': {"/": b"shop ", "/blog/": b"blog /blog", "/wiki/": b"wiki /wiki"},
        "shop:app --bind unix": {"/shop/": b"shop /shop"},
    }
    commands = re.findall(r"^python -m flask_embed\.(gevent|tornado) (.+)$", README, re.MULTILINE)
    commands = [(runner, command) for runner, command in commands if command != "--help"]
    assert len(commands) == len(expected) + 1
    for runner_name, command in commands:
        answers = next(answers for start, answers in expected.items() if command.startswith(start))
        # The ports and paths of the README may be taken on this machine.
        arguments = command.replace('"', "").replace("/run/shop", str(tmp_path)).split()
        if "--bind" not in arguments:
            arguments += ["--bind", "127.0.0.1:0"]
        arguments = [re.sub(r"^127\.0\.0\.1:\d+$", "127.0.0.1:0", argument) for argument in arguments]
        with serving(runner_name, *arguments, cwd=tmp_path) as runner:
            for path, body in answers.items():
                assert runner.get(path)[2] == body


def test_the_commands_of_fastcgi_serve(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(block("Ten lines"))
    commands = re.findall(r"^python -m flask_embed\.fastcgi (.+)$", block("FastCGI", "sh"), re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        arguments = command.replace("/run/shop", str(tmp_path)).replace("www-data", str(os.getgid())).split()
        # An address of this machine: the README's belongs to another one.
        arguments = [re.sub(r"^(127\.0\.0\.1|10\.0\.0\.2):\d+$", "127.0.0.1:0", argument) for argument in arguments]
        arguments = [argument.replace("10.0.0.1", "127.0.0.1") for argument in arguments]
        with serving("fastcgi", *arguments, cwd=tmp_path) as runner:
            with Peer(runner.path or (runner.host, runner.port)) as peer:
                assert peer.ask("/").body == b"Hello World!"
            assert runner.stop() == 0


def test_the_commands_that_look_into_mounts_answer(tmp_path: Path) -> None:
    for name in ("shop", "blog"):
        (tmp_path / f"{name}.py").write_text(
            "from flask_embed import Flask\n"
            "app = Flask(__name__)\n"
            "app.add_url_rule('/<int:year>', 'year', view_func=lambda year: '')\n"
        )
    commands = re.findall(r"^flask-embed ((?:routes|explain) .+?)(?: +#.*)?$", README, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["routes", "explain"]
    for command, answer in zip(commands, ("/blog/<int:year>", "endpoint 'year' of 'blog'"), strict=True):
        ended = subprocess.run(
            [sys.executable, "-m", "flask_embed", *command.split()],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=True,
        )
        assert answer in ended.stdout


def test_the_files_it_names_are_there() -> None:
    for path in ("SECURITY.md", "examples/flaskr", "examples/portal.py", "tests/security", ".ci/run"):
        assert path in README
    for path in re.findall(r"`((?:examples|tests|\.ci)/[\w/.]+)`", README) + re.findall(r"\]\(([\w/.]+)\)", README):
        assert (ROOT / path).exists(), path
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= TARGETS


# The other pages


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str, language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_python_of_a_page_runs(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "document"}
    for code in blocks(page.read_text("utf-8"), "python"):
        exec(compile(code, name_of(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    for line in "".join(blocks(page.read_text("utf-8"), "sh")).splitlines():
        command = shlex.split(line, comments=True)
        if command:
            checked(command, tmp_path)


def narrowed(arguments: list[str]) -> list[str]:
    """The arguments of a pytest, with the first file of each folder in its place."""
    return [
        str(min((ROOT / argument).glob("test_*.py"))) if (ROOT / argument).is_dir() else argument
        for argument in arguments
    ]


def checked(command: list[str], folder: Path) -> None:
    """Fail unless the command does what a page promises, as far as that can be tried in seconds."""
    match command:
        case ["make", *targets]:
            assert {target for target in targets if "=" not in target} <= TARGETS, command
        case ["uv", "run", "pytest", *arguments] | [".venv/bin/python", "-m", "pytest", *arguments]:
            subprocess.run(
                [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *narrowed(arguments)],
                cwd=ROOT,
                env=environment(),
                capture_output=True,
                timeout=DEADLINE * 3,
                check=True,
            )
        case ["python", "-m", module, target, *arguments] if module.startswith("flask_embed."):
            bind = f"unix:{folder}/page.sock" if module.endswith(".fastcgi") else "127.0.0.1:0"
            with serving(module.partition(".")[2], target, *arguments, "--bind", bind):
                pass
        case ["flask-embed", *arguments]:
            subprocess.run([sys.executable, "-m", "flask_embed", *arguments], cwd=ROOT, env=environment(), check=True)
        case _:
            raise AssertionError(f"no rule says how to try {shlex.join(command)!r}: add one here")


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=name_of)
def test_the_targets_of_make_that_a_page_names_exist(page: Path) -> None:
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text("utf-8"))) <= TARGETS


# uv


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tree without environments, as after a clone."""
    if shutil.which("uv") is None and not UV.exists():
        pytest.skip("uv is not installed: pip install --group servers")
    copy = tmp_path_factory.mktemp("fresh") / "flask_embed"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", "__pycache__", "build", "*.egg-info", "*.db", "uv.lock"
    )
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    yield copy
    shutil.rmtree(copy)


# Downloads the libraries of the group "test" where uv has them not yet.
@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_the_commands_for_uv_work_after_a_clone(fresh: Path) -> None:
    uv = str(UV) if UV.exists() else "uv"
    variables = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    serve, test = (shlex.split(line) for line in re.findall(r"^uv (run .+)$", README, re.MULTILINE))

    tested = subprocess.run(
        [uv, test[0], test[1], *(argument.replace(str(ROOT), str(fresh)) for argument in narrowed(test[2:]))],
        cwd=fresh,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout[-1000:] + tested.stderr[-3000:]

    process = subprocess.Popen(
        [uv, *serve, "--bind", "127.0.0.1:0"], cwd=fresh, env=variables, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if " at http://127.0.0.1:" in line:
                break
        process.terminate()
        process.stderr.read()
    assert " at http://127.0.0.1:" in lines[-1], "".join(lines)
