"""The configurations of ``flask-embed config`` in real servers."""

from __future__ import annotations

import configparser
import contextlib
import http.client
import json
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest

from flask_embed.config import commands, render
from tests.servers.deployed import deployed, deployment, free_address, script_of
from tests.servers.fronts import Front, nginx, open_folder
from tests.serving import DEADLINE, ROOT, serving, unix_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask_embed.config import Deployment

PREFIX = "/yourapplication"
WAYS = {
    "nginx": ("fastcgi", "http"),
    "lighttpd": ("fastcgi", "http", "spawn", "cgi"),
    "apache": ("fastcgi", "http", "spawn", "cgi", "wsgi"),
}
COMBINATIONS = [(server, via, prefix) for server, ways in WAYS.items() for via in ways for prefix in (PREFIX, "")]
#: those that make one slash of several
SQUEEZING = {("lighttpd", "*"), ("apache", "spawn"), ("apache", "cgi"), ("apache", "wsgi")}
#: those that send the path on as it was written
VERBATIM = {("nginx", "http"), ("apache", "http")}


class Reply(NamedTuple):
    status: int
    body: bytes

    @property
    def report(self) -> dict[str, Any]:
        """The report of the app on its request; AssertionError if something else answered."""
        assert self.status == 200, self
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def environ(self) -> dict[str, str]:
        found: dict[str, str] = self.report["environ"]
        return found

    @property
    def place(self) -> tuple[str, str] | None:
        """SCRIPT_NAME and PATH_INFO; None if the request did not reach the app."""
        if self.status != 200 or not self.body.startswith(b"{"):
            assert 400 <= self.status < 500, self
            return None
        return self.environ["SCRIPT_NAME"], self.environ["PATH_INFO"]


def ask(front: Front, target: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=DEADLINE)
    with contextlib.closing(connection):
        connection.request(method, target, body, {name.replace("__", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Reply(answer.status, answer.read())


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(
    scope="module", params=COMBINATIONS, ids=[f"{server} {via} {prefix or '/'}" for server, via, prefix in COMBINATIONS]
)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Deployment, str, Front]]:
    server, via, prefix = request.param
    with open_folder() as folder:
        files = folder / "files"
        files.mkdir()
        (files / "style.css").write_text("a { }")
        (folder / "other").write_text("of no business of clients")
        made = deployment(server, via, folder, prefix=prefix, static=str(files), max_body="64k")
        with deployed(server, made, folder) as front:
            yield made, server, front


def expected(server: str, via: str, prefix: str, target: str) -> tuple[str, str] | None:
    """SCRIPT_NAME and PATH_INFO that the app should get for a target; None if it should get none."""
    does_squeeze = (server, via) in SQUEEZING or (server, "*") in SQUEEZING
    below = {
        "/": "/",
        f"{PREFIX}": PREFIX,
        f"{PREFIX}/": f"{PREFIX}/",
        f"{PREFIX}/hello": f"{PREFIX}/hello",
        f"{PREFIX}/hello%20w%2Forld": f"{PREFIX}/hello w/orld",
        f"{PREFIX}//double//slash": f"{PREFIX}/double/slash" if does_squeeze else f"{PREFIX}//double//slash",
        f"{PREFIX}/%C3%BCml%C3%A4ut?x=%26": f"{PREFIX}/ümläut".encode().decode("latin-1"),
        f"{PREFIX}foo": f"{PREFIX}foo",
        f"{PREFIX}/a/../b": f"{PREFIX}/b",
        f"{PREFIX}/%2e%2e/b": "/b",
    }
    if (server, via) in VERBATIM and target in DOTS:
        return None  # the gate refuses it
    path = below[target]
    if not prefix:
        return "", path
    rest = path.removeprefix(prefix)
    return (prefix, rest) if path.startswith(prefix) and rest[:1] in ("", "/") else None


DOTS = (f"{PREFIX}/a/../b", f"{PREFIX}/%2e%2e/b")
TARGETS = ["/", PREFIX, f"{PREFIX}/", f"{PREFIX}/hello", f"{PREFIX}/hello%20w%2Forld", f"{PREFIX}//double//slash"]
TARGETS += [f"{PREFIX}/%C3%BCml%C3%A4ut?x=%26", f"{PREFIX}foo", *DOTS]


def test_the_app_sees_where_it_is(running: tuple[Deployment, str, Front]) -> None:
    made, server, front = running
    seen = {target: ask(front, target).place for target in TARGETS}
    assert seen == {target: expected(server, made.via, made.prefix, target) for target in TARGETS}
    assert ask(front, f"{PREFIX}/%C3%BC?x=%26").environ["QUERY_STRING"] == "x=%26"


def test_bodies_arrive_up_to_the_limit(running: tuple[Deployment, str, Front]) -> None:
    made, server, front = running
    posted = ask(front, f"{made.prefix}/x", "POST", b"a=b" * 1000)
    assert posted.report["body"] == "a=b" * 1000
    assert posted.environ["REQUEST_METHOD"] == "POST"
    chunked = ask(front, f"{made.prefix}/x", "POST", iter([b"abc", b"def"]))
    assert chunked.report["body"] == "abcdef"
    too_large = ask(front, f"{made.prefix}/x", "POST", b"x" * 70_000).status
    assert too_large == (500 if (server, made.via) == ("apache", "spawn") else 413)


def test_headers_of_a_client_do_not_pass_for_those_of_the_front(running: tuple[Deployment, str, Front]) -> None:
    made, _, front = running
    honest = ask(front, f"{made.prefix}/x").environ
    evil = dict.fromkeys(("For", "Proto", "Host", "Port", "Prefix"), "")
    evil |= {"For": "192.0.2.1", "Proto": "https", "Host": "evil.example", "Port": "1", "Prefix": "/evil"}
    spellings = ("X__Forwarded__{}", "X_Forwarded_{}", "X__Forwarded_{}", "X_Forwarded__{}")
    for spelling in spellings:
        headers = {spelling.format(name): value for name, value in evil.items()}
        seen = ask(
            front, f"{made.prefix}/x", **headers, Proxy="http://evil.example/", Forwarded="for=192.0.2.1"
        ).environ
        for name in ("SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "HTTPS", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT"):
            assert seen.get(name) == honest.get(name), (name, spelling)
        for name, value in evil.items():
            assert seen.get(f"HTTP_X_FORWARDED_{name.upper()}") != value, spelling
        assert "HTTP_PROXY" not in seen
        assert not seen.get("HTTP_FORWARDED")
        assert seen.get("HTTPS", "off") in ("", "off")


def test_address_host_and_authorization_reach_the_app(running: tuple[Deployment, str, Front]) -> None:
    made, _, front = running
    seen = ask(front, f"{made.prefix}/x", Authorization="Basic YTpi").environ
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["HTTP_HOST"] == f"127.0.0.1:{front.port}"
    assert seen["HTTP_AUTHORIZATION"] == "Basic YTpi"
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["SERVER_NAME"]


def test_files_are_served_and_no_others(running: tuple[Deployment, str, Front]) -> None:
    made, _, front = running
    assert ask(front, f"{made.prefix}/static/style.css") == (200, b"a { }")
    for way in (
        "/static../other",
        "/static/..%2fother",
        "/static/%2e%2e/other",
        "/static/../other",
        "/static/style.css/",
    ):
        assert b"of no business" not in ask(front, made.prefix + way).body


# Values with characters that have a meaning for the servers

PREFIXES = ["/a.b", "/über+(x)", "/a~b;c=d,e@f!&g*h:i'j", "/a/b.c"]


@pytest.mark.parametrize(
    ("server", "prefix"), [*((server, prefix) for server in WAYS for prefix in PREFIXES), ("nginx", "/a$host")]
)
@pytest.mark.parametrize("via", ["fastcgi", "http"])
def test_a_prefix_is_not_read_as_a_pattern(server: str, via: str, prefix: str, folder: Path) -> None:
    files = folder / "a folder; {with} 'all' #kinds, (of+) ü.x"
    files.mkdir()
    (files / "x.css").write_text("style")
    socket = folder / ("a b;{c}'d.sock" if server == "apache" else "a b;{c}'#d.sock")
    made = deployment(server, via, folder, prefix=prefix, socket=str(socket), static=str(files))
    asked, wsgi = quote(prefix, safe="/~!$&'()*+,;=:@"), prefix.encode().decode("latin-1")
    with deployed(server, made, folder) as front:
        assert ask(front, f"{asked}/x").place == (wsgi, "/x")
        assert ask(front, asked).place == (wsgi, "")
        assert ask(front, f"{asked}/a%2Fb%25c?q=%26").environ["PATH_INFO"] == "/a/b%c"
        assert ask(front, f"{asked}/static/x.css") == (200, b"style")
        for other in (f"{asked}x", asked[:-1], asked.upper(), re.sub("[.+*]", "X", asked), asked.replace("+", "")):
            assert ask(front, f"{other}/x").place == ((wsgi, "/x") if other == asked else None)


@pytest.mark.parametrize(
    ("server", "via"),
    [("lighttpd", "spawn"), ("lighttpd", "cgi"), *(("apache", via) for via in ("spawn", "cgi", "wsgi"))],
)
def test_a_file_that_is_started_may_have_any_name(server: str, via: str, folder: Path) -> None:
    place = folder / ("a;{c}'#d" if via == "spawn" else "a b;{c}'#d")
    place.mkdir()
    made = deployment(server, via, folder, prefix="/c++", script=str(place / f"app's.{via}"))
    with deployed(server, made, folder) as front:
        assert ask(front, "/c++/x").place == ("/c++", "/x")
        assert ask(front, "/ccc/x").place is None


# Cases beyond the combinations


@pytest.mark.parametrize(("server", "via"), [(server, via) for server in WAYS for via in ("fastcgi", "http")])
def test_a_port_instead_of_a_socket(server: str, via: str, folder: Path) -> None:
    made = deployment(server, via, folder, prefix=PREFIX, tcp=(free_address(),), runner="tornado")
    with deployed(server, made, folder) as front:
        assert ask(front, f"{PREFIX}/x").place == (PREFIX, "/x")
        assert ask(front, f"{PREFIX}/x", "POST", b"body").report["body"] == "body"


@pytest.mark.parametrize("via", ["fastcgi", "spawn", "cgi", "wsgi"])
def test_the_signature_of_apache_reaches_the_app_with_its_line_break(via: str, folder: Path) -> None:
    with deployed("apache", deployment("apache", via, folder, prefix=PREFIX), folder) as front:
        reply = ask(front, f"{PREFIX}/x")
    assert reply.status == 200
    assert re.fullmatch(r"<address>Apache.*</address>\n", reply.environ["SERVER_SIGNATURE"])


@pytest.mark.parametrize("via", ["fastcgi", "http"])
@pytest.mark.parametrize("server", ["nginx", "lighttpd"])
def test_several_runners_answer_in_turn(server: str, via: str, folder: Path) -> None:
    made = deployment(server, via, folder, tcp=(free_address(), free_address()))
    with deployed(server, made, folder) as front:
        processes = {ask(front, "/x").report["process"] for _ in range(20)}
    assert len(processes) == 2


@pytest.mark.parametrize("via", ["fastcgi", "http"])
def test_nginx_asks_another_runner_when_one_is_gone(via: str, folder: Path) -> None:
    made = deployment("nginx", via, folder, tcp=(free_address(), free_address()))
    first, second = ([line[2].removeprefix("flask_embed."), *line[3:]] for line in commands("nginx", made))
    text = render("nginx", made).replace("listen 80;", "listen 127.0.0.1:PORT;")
    with serving(*first), nginx(text, folder) as front:
        with serving(*second) as leaving:
            assert len({ask(front, "/x").report["process"] for _ in range(20)}) == 2
            assert leaving.stop() == 0
        assert [ask(front, "/x").status for _ in range(20)] == [200] * 20


@pytest.mark.parametrize("server", WAYS)
def test_a_name_and_a_port_of_its_own(server: str, folder: Path) -> None:
    address = free_address()
    made = deployment(server, "fastcgi", folder, listen=address, server_name="shop.example.com")
    with deployed(server, made, folder) as front:
        own = front._replace(port=int(address.rpartition(":")[2]))
        assert ask(own, "/x", Host="shop.example.com").place == ("", "/x")
        assert ask(own, "/x", Host="shop.example.com:81").environ["HTTP_HOST"] == "shop.example.com:81"


def test_the_lines_of_a_file_are_the_whole_file(folder: Path) -> None:
    made = deployment("apache", "wsgi", folder, app="tests.servers.telling:make_app()")
    with deployed("apache", made, folder) as front:
        assert ask(front, "/x").place == ("", "/x")
    assert script_of(render("apache", made)) == (folder / "app.wsgi").read_text()


# systemd


def units(text: str) -> dict[str, str]:
    """The files in a text for systemd, by their names."""
    texts = re.split(r"^# /etc/systemd/system/(.*)\n", text, flags=re.MULTILINE)
    return dict(zip(texts[1::2], texts[2::2], strict=True))


@pytest.mark.parametrize("via", ["fastcgi", "http"])
def test_systemd_takes_the_units(via: str, folder: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    place = folder / "a b%c$d'e"
    place.mkdir()
    made = deployment(
        "systemd", via, folder, chdir=str(place), socket=str(folder / "a b%h.sock"), python=sys.executable
    )
    files = units(render("systemd", made))
    assert sorted(files) == ["tests_servers_telling.service", "tests_servers_telling.socket"]
    for name, text in files.items():
        (folder / name).write_text(text)
    checked = subprocess.run(
        [analyze, "verify", "--man=no", *(str(folder / name) for name in files)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (checked.returncode, [line for line in checked.stderr.splitlines() if "telling" in line]) == (0, [])


@pytest.mark.parametrize("via", ["fastcgi", "http"])
def test_the_command_of_the_unit_serves_the_socket_of_systemd(via: str, folder: Path) -> None:
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        pytest.skip("systemd-socket-activate is not installed")
    made = deployment("systemd", via, folder, prefix="/p", chdir=str(ROOT), python=sys.executable)
    files = units(render("systemd", made))
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(files["tests_servers_telling_p.service"])
    command = shlex.split(unit["Service"]["ExecStart"])
    assert command == commands("systemd", made)[0]
    assert f"ListenStream={made.socket}\n" in files["tests_servers_telling_p.socket"]
    process = subprocess.Popen([activate, "-l", str(made.socket), *command], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert "Listening on" in process.stderr.readline()
        if via == "http":
            connection = http.client.HTTPConnection("localhost", timeout=DEADLINE)
            with contextlib.closing(connection):
                connection.sock = unix_socket(str(made.socket))
                connection.request("GET", "/p/x")
                found = json.loads(connection.getresponse().read())["environ"]
                assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/p", "/x")
        else:
            front_text = render("nginx", deployment("nginx", via, folder, prefix="/p"))
            with nginx(front_text.replace("listen 80;", "listen 127.0.0.1:PORT;"), folder) as front:
                assert ask(front, "/p/x").place == ("/p", "/x")
    finally:
        process.terminate()
        process.wait(DEADLINE)
        process.stderr.close()  # type: ignore[union-attr]
