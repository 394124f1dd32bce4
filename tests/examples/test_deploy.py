"""The files of examples/deploy, each started the way its web server starts it."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client

from tests.reference import fastcgi_client
from tests.reference.fastcgi_client import parse_cgi
from tests.serving import DEADLINE, ROOT, environment

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "examples" / "deploy"
REQUEST = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "/shop",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "shop.example",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "shop.example",
}
EXPECTED = {"script_root": "/shop", "path": "/", "hello": "/shop/hello/you"}


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A copy of the folder, whose scripts are run by the Python of the tests."""
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for script in (folder / "yourapplication.cgi", folder / "yourapplication.fcgi"):
        shebang, _, code = script.read_text("utf-8").partition("\n")
        assert shebang == "#!/usr/bin/env python3"
        script.write_text(f"#!{sys.executable}\n{code}", "utf-8")
    return folder


@pytest.mark.parametrize("name", ["yourapplication.cgi", "yourapplication.fcgi"])
def test_a_script_answers_over_cgi(deployed: Path, name: str) -> None:
    ended = subprocess.run(
        [deployed / name],
        env={**environment(), **REQUEST},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(parse_cgi(ended.stdout).text) == EXPECTED


def test_the_fcgi_file_serves_the_socket_that_a_web_server_hands_it(deployed: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [deployed / "yourapplication.fcgi"], env=environment(), cwd="/", stdin=listener.fileno()
        )
        try:
            answer = fastcgi_client.request(listener.getsockname(), REQUEST)
        finally:
            process.terminate()
            process.wait(DEADLINE)

    assert (answer.status, json.loads(answer.text)) == (200, EXPECTED)
    assert process.returncode == 0


def test_the_wsgi_file_has_the_app(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "yourapplication", raising=False)
    application = runpy.run_path(str(deployed / "yourapplication.wsgi"))["application"]
    monkeypatch.delitem(sys.modules, "yourapplication")

    assert Client(application).get("/", environ_overrides={"SCRIPT_NAME": "/shop"}).json == EXPECTED


def test_scripts_can_be_executed() -> None:
    for name in ("yourapplication.cgi", "yourapplication.fcgi"):
        assert os.access(DEPLOY / name, os.X_OK)
