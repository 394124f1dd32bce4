"""The command flask-embed: its answers, the examples of its help, mistakes reported on one line."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import DEADLINE, environment

APPS = """
from flask_embed import Flask

app = Flask("shop")
app.add_url_rule("/cart", "cart", view_func=lambda: "", methods=["GET", "POST"])
app.add_url_rule("/blog/old/<int:number>", "old", view_func=lambda number: "")


def create_app():
    return app
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPS)
    for name in ("blog", "api", "home"):
        (tmp_path / f"{name}.py").write_text(f"from flask_embed import Flask\napp = Flask({name!r})\n")
    return tmp_path


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "flask_embed", *arguments],
        cwd=folder,
        env={**environment(), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_routes_lists_public_paths_and_marks_hidden_rules(folder: Path) -> None:
    ended = run(folder, "routes", "shop:app", "--mount", "/blog=blog:app", "--mount", "api.example.com/v1=api:app")

    assert (ended.returncode, ended.stderr) == (0, "")
    rows = [re.split(" {2,}", line) for line in ended.stdout.splitlines()]
    assert rows == [
        ["path", "methods", "endpoint", "mount"],
        ["/static/<path:filename>", "GET, HEAD", "static", "/"],
        ["/cart", "GET, HEAD, POST", "cart", "/"],
        ["/blog/old/<int:number>", "GET, HEAD", "old", "/", "(hidden by the mount /blog)"],
        ["/blog/static/<path:filename>", "GET, HEAD", "static", "/blog"],
        ["api.example.com/v1/static/<path:filename>", "GET, HEAD", "static", "api.example.com/v1"],
    ]


def test_explain_shows_the_answering_app_and_the_reason_for_each_other(folder: Path) -> None:
    ended = run(folder, "explain", "/front/cart?x=1", "shop:app", "--mount", "/blog=blog:app", "--prefix", "/front")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "GET /front/cart?x=1",
        "  mount        /",
        "  SCRIPT_NAME  /front",
        "  PATH_INFO    /cart",
        "  answer       endpoint 'cart' of 'shop'",
        "  not          /blog: the path is not below it",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["routes", "nothing:app"], "there is no module 'nothing'"),
        (["routes", "shop"], "'shop' names no app: write 'module:app'"),
        (["routes", "shop:app", "--mount", "blog=blog:app"], "the key 'blog' has no slash"),
        (["routes", "shop:app", "--prefix", "//x"], "the prefix '//x' starts with '//'"),
        (["routes", "shop:app", "--chdir", "nowhere"], "--chdir nowhere: No such file or directory"),
        (["explain", "cart", "shop:app"], "'cart' is neither a path nor a URL; write '/shop/cart'"),
        (["explain", "ftp://x/", "shop:app"], "is neither a path nor a URL"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line(folder: Path, arguments: list[str], message: str) -> None:
    ended = run(folder, *arguments)

    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_a_fault_of_the_module_is_shown_whole(folder: Path) -> None:
    (folder / "broken.py").write_text("1 / 0\n")

    ended = run(folder, "routes", "broken:app")

    assert ended.returncode == 1
    assert "broken.py" in ended.stderr
    assert "ZeroDivisionError" in ended.stderr


@pytest.mark.parametrize("command", ["", "routes", "explain", "completion"])
def test_the_examples_of_the_help_work(folder: Path, command: str) -> None:
    shown = run(folder, *command.split(), "--help")
    examples = re.findall(r"^ +flask-embed ((?:routes|explain|completion) .+?)(?: >.*)?$", shown.stdout, re.MULTILINE)

    assert shown.returncode == 0
    assert examples
    for example in examples:
        ended = run(folder, *shlex.split(example))
        assert (ended.returncode, ended.stderr) == (0, ""), example


def test_words_are_completed(folder: Path) -> None:
    asked = {"_FLASK_EMBED_COMPLETE": "bash_complete", "COMP_WORDS": "flask-embed exp", "COMP_CWORD": "1"}

    ended = subprocess.run(
        [Path(sys.executable).with_name("flask-embed")],
        cwd=folder,
        env={**environment(), **asked},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert ended.stdout == "plain,explain\n"


def test_the_version_is_printed(folder: Path) -> None:
    from flask_embed import __version__

    assert run(folder, "--version").stdout == f"flask_embed {__version__}\n"
