"""The layers of the project: who imports whom, held over the whole tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packaging.imports import GROUND, violations

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A made-up tree that breaks no rule."""
    for folder in ("flask_embed", "adapters", "middleware"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "flask_embed/errors.py").write_text("class PrefixError(ValueError): ...\n")
    (tmp_path / "flask_embed/app.py").write_text("import json\nfrom werkzeug.routing import Map\n")
    (tmp_path / "adapters/serving").mkdir()
    (tmp_path / "adapters/gevent_server.py").write_text("from flask_embed.adapters.serving import http1\n")
    (tmp_path / "adapters/serving/http1.py").write_text("import httptools\n")
    return tmp_path


def write(tree: Path, file: str, *lines: str) -> None:
    (tree / file).parent.mkdir(parents=True, exist_ok=True)
    (tree / file).write_text("\n".join(lines) + "\n")


def test_the_project_keeps_its_layers() -> None:
    assert not violations(ROOT), "\n" + "\n".join(violations(ROOT))


def test_the_page_about_the_architecture_names_the_ground_floor() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| ground floor: ")]

    assert tuple(re.findall("`([a-z_]+)`", row.split("|")[1])) == GROUND


@pytest.mark.parametrize(
    ("file", "lines", "fault"),
    [
        pytest.param(
            "middleware/prefix.py",
            ["import os", "from flask_embed.app import Flask"],
            "middleware/prefix.py:2: imports flask_embed.app: middleware is pure WSGI",
            id="middleware that knows the framework",
        ),
        pytest.param(
            "middleware/strict.py",
            ["from flask_embed import Flask"],
            "middleware/strict.py:1: imports flask_embed: middleware is pure WSGI",
            id="the framework by its public name",
        ),
        pytest.param(
            "middleware/strict.py",
            ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", "    import tornado.web"],
            "middleware/strict.py:3: imports tornado.web: middleware is pure WSGI",
            id="middleware that names a server's types",
        ),
        pytest.param(
            "flask_embed/ctx.py",
            ["def push():", "    from flask_embed import app"],
            "flask_embed/ctx.py:2: imports flask_embed.app: ctx never loads app",
            id="ctx that loads app inside a function",
        ),
        pytest.param(
            "flask_embed/app.py",
            ["from flask_embed.adapters.gevent_server import serve"],
            "flask_embed/app.py:1: imports flask_embed.adapters.gevent_server: the core may",
            id="core that loads a server",
        ),
        pytest.param(
            "flask_embed/registry.py",
            ["from flask_embed.middleware import prefix"],
            "flask_embed/registry.py:1: imports flask_embed.middleware: the core may",
            id="core that loads middleware",
        ),
        pytest.param(
            "flask_embed/helpers.py",
            ["import importlib", "def f():", "    return importlib.import_module('gevent.local')"],
            "flask_embed/helpers.py:3: imports gevent.local: the core may",
            id="an import by import_module",
        ),
        pytest.param(
            "flask_embed/wrappers.py",
            ["from .errors import PrefixError"],
            "flask_embed/wrappers.py:1: imports .errors: imports are absolute",
            id="a relative import",
        ),
        pytest.param(
            "adapters/serving/boundary.py",
            ["import middleware.prefix"],
            "adapters/serving/boundary.py:1: imports middleware.prefix: it is installed as flask_embed.middleware",
            id="a folder by its name in the tree",
        ),
        pytest.param(
            "flask_embed/__init__.py",
            ["from flask_embed.app import Flask"],
            "flask_embed/__init__.py:1: imports flask_embed.app: the public names are loaded on first use",
            id="an eager public name",
        ),
        pytest.param(
            "flask_embed/gevent.py",
            ["from flask_embed.adapters.gevent_server import serve"],
            "flask_embed/gevent.py:1: imports flask_embed.adapters.gevent_server: commands may import "
            "click and all below them; adapters and servers in functions; this one is at the top",
            id="a shim that loads its server at the top",
        ),
        pytest.param(
            "flask_embed/commands/run.py",
            ["def main():", "    from flask_embed.app import Flask"],
            "flask_embed/commands/run.py:2: imports flask_embed.app: commands may",
            id="a command that knows the framework",
        ),
        pytest.param(
            "adapters/tornado_server.py",
            ["from flask_embed.adapters.gevent_server import serve"],
            "adapters/tornado_server.py:1: imports flask_embed.adapters.gevent_server: an adapter may",
            id="an adapter that loads another's server",
        ),
        pytest.param(
            "adapters/nginx.py",
            ["async def f():", "    class C:", "        import tornado"],
            "adapters/nginx.py:3: imports tornado: an adapter may",
            id="a foreign library, deep inside",
        ),
        pytest.param(
            "adapters/serving/http1.py",
            ["import socket"],
            "adapters/serving/http1.py:1: imports socket: a protocol is bytes in and events out",
            id="a protocol with a socket",
        ),
        pytest.param(
            "adapters/sqlalchemy_session.py",
            ["from sqlalchemy import orm", "from flask_embed.app import Flask"],
            "adapters/sqlalchemy_session.py:2: imports flask_embed.app: an adapter may import serving",
            id="the adapter of SQLAlchemy that loads app",
        ),
        pytest.param(
            "adapters/proxy.py",
            ["import sqlalchemy"],
            "adapters/proxy.py:1: imports sqlalchemy: an adapter may",
            id="SQLAlchemy in another adapter",
        ),
        pytest.param(
            "flask_embed/errors.py",
            ["from werkzeug.exceptions import NotFound"],
            "flask_embed/errors.py:1: imports werkzeug.exceptions: the ground floor is the standard library",
            id="a library on the ground floor",
        ),
        pytest.param(
            "flask_embed/routing/matcher.py",
            ["from flask_embed.config import render"],
            "flask_embed/routing/matcher.py:1: imports flask_embed.config: the core may",
            id="a folder of the core that loads the tools",
        ),
        pytest.param(
            "adapters/serving/workers.py",
            ["import gevent"],
            "adapters/serving/workers.py:1: imports gevent: the machinery of the servers may",
            id="machinery with a library",
        ),
    ],
)
def test_an_import_against_the_rules_is_named_with_its_rule(
    tree: Path, file: str, lines: list[str], fault: str
) -> None:
    write(tree, file, *lines)

    found = violations(tree)

    assert [line[: len(fault)] for line in found] == [fault]


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        pytest.param(
            "flask_embed/ctx.py",
            ["import typing as t", "if t.TYPE_CHECKING:", "    from flask_embed.app import Flask"],
            id="ctx that names the type of app",
        ),
        pytest.param(
            "flask_embed/registry.py",
            ["from flask_embed.helpers import url_for", "import markupsafe"],
            id="one more module of the core",
        ),
        pytest.param(
            "flask_embed/environ.py",
            ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", "    import _typeshed.wsgi"],
            id="typeshed for types",
        ),
        pytest.param(
            "flask_embed/gevent.py",
            ["import flask_embed.commands.run", "def f():", "    from flask_embed.adapters import gevent_server"],
            id="a shim that loads its adapter late",
        ),
        pytest.param(
            "middleware/dispatcher.py",
            ["from flask_embed.middleware.prefix import split", "from flask_embed.errors import PrefixError"],
            id="middleware beside middleware",
        ),
        pytest.param(
            "adapters/sqlalchemy_session.py",
            [
                "from typing import TYPE_CHECKING",
                "import sqlalchemy.orm",
                "import flask_embed.ctx, flask_embed.composition",
                "if TYPE_CHECKING:",
                "    from flask_embed.app import Flask",
            ],
            id="the adapter of SQLAlchemy that names the type of app",
        ),
        pytest.param(
            "adapters/gevent_server.py",
            ["import socket", "import gevent.monkey", "from flask_embed.adapters.serving.supervisor import supervise"],
            id="an adapter with its library",
        ),
    ],
)
def test_an_import_within_the_rules_is_no_fault(tree: Path, file: str, lines: list[str]) -> None:
    write(tree, file, *lines)

    assert violations(tree) == []
