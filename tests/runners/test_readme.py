"""The code and the commands of the README run, and do what its text says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from tornado.web import RequestHandler
from werkzeug.test import Client

from flask_embed import Flask
from tests.adapters.records import Peer
from tests.serving import DEADLINE, ROOT, environment, serving

if TYPE_CHECKING:
    from pathlib import Path

README = (ROOT / "README.md").read_text("utf-8")


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
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"make ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
