"""The examples behind a real nginx that passes a prefix on, whole."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, portal_files, serving, unix_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  merge_slashes off;
  server {{
    listen unix:{folder}/nginx.sock;
    root {folder}/nothing;
    location /yourapplication {{
      proxy_pass http://unix:{folder}/app.sock;
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


class Browser:
    """Sends requests over a unix socket and keeps the cookies by path, as a browser does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cookies: dict[tuple[str, str], str] = {}

    def open(self, target: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, Location and text of the answer."""
        connection = http.client.HTTPConnection("localhost", timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.sock = unix_socket(str(self.path))
            headers = {"Host": "site.example"}
            if sent := [f"{name}={value}" for (name, path), value in self.cookies.items() if target.startswith(path)]:
                headers["Cookie"] = "; ".join(sent)
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("GET" if form is None else "POST", target, urllib.parse.urlencode(form or {}), headers)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                match = re.match(r"(\w+)=([^;]*).*Path=([^;]*)", cookie)
                assert match is not None
                self.cookies[match[1], match[3]] = match[2]
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if NGINX is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    user = "user root;" if os.geteuid() == 0 else ""  # its workers have to reach the socket of the app
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, user=user))
    with serving(
        "gevent",
        "examples.portal:app",
        "--bind",
        f"unix:{folder}/app.sock",
        "--prefix",
        "/yourapplication",
        variables=portal_files(folder),
    ):
        nginx = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
        try:
            _wait_for(folder / "nginx.sock", nginx)
            yield Browser(folder / "nginx.sock")
        finally:
            nginx.terminate()
            nginx.wait(DEADLINE)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when *process* listens on the unix socket *path*."""
    for _ in range(int(DEADLINE / 0.05)):
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"nginx ended with {process.wait(0.05)}")
    raise AssertionError("nginx does not listen")


def test_links_redirects_styles_and_cookies_keep_the_prefix(browser: Browser) -> None:
    status, _, text = browser.open("/yourapplication/")
    assert status == 200
    assert 'href="/yourapplication/flaskr/"' in text
    assert browser.open("/yourapplication/flaskr")[:2] == (307, "/yourapplication/flaskr/")
    status, _, text = browser.open("/yourapplication/flaskr/")
    assert status == 200
    style = re.search(r'href="([^"]*\.css)"', text)
    assert style is not None
    assert style[1].startswith("/yourapplication/flaskr/static/")
    assert browser.open(style[1])[0] == 200


def test_a_login_works_behind_nginx(browser: Browser) -> None:
    status, _, text = browser.open("/yourapplication/flaskr/login")
    token = re.search(r'name="?([\w-]*csrf[\w-]*)"?[^>]*value="([^"]+)"', text)
    form = {"username": "admin", "password": "default"}
    if token is not None:
        form[token[1]] = token[2]
    status, location, _ = browser.open("/yourapplication/flaskr/login", form)
    assert (status, location) == (302, "/yourapplication/flaskr/")
    assert {path for _, path in browser.cookies} == {"/yourapplication/flaskr"}
    text = browser.open(location)[2]
    assert "You were logged in" in text


def test_other_paths_do_not_reach_the_app(browser: Browser) -> None:
    assert browser.open("/")[0] == 404
    assert browser.open("/yourapplicationx/")[0] == 404
    assert browser.open("/yourapplication//flaskr/")[0] == 404
