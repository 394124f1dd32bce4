"""``python -m flask_embed.cgi`` as a script of lighttpd and of Apache: what only a CGI script can get wrong.

What an app answers behind them otherwise is in the matrix.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.servers.fronts import apache, lighttpd, open_folder, spawned_python
from tests.serving import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fronts import Front

APP = """
import hashlib, json, os, socket, sys
from flask_embed import Flask, request, url_for

print("printed by the module")
app = Flask(__name__)
app.max_content_length = None

@app.route("/", defaults={"path": ""})
@app.route("/<path:path>")
def seen(path):
    environ = request.environ
    return [environ["SCRIPT_NAME"], environ["PATH_INFO"], request.query_string.decode()]

@app.route("/print")
def print_much():
    print("printed by the app")
    os.system("echo printed by a child")
    os.write(1, b"Content-Type: text/evil\\n\\nwritten to the descriptor\\n")
    return "the answer"

@app.route("/upload", methods=["POST"])
def upload():
    digest, length = hashlib.sha256(), 0
    while part := request.stream.read(65536):
        digest.update(part)
        length += len(part)
    return {"sha256": digest.hexdigest(), "length": length}

@app.route("/unread", methods=["POST"])
def unread():
    return "x" * int(request.args["size"]), 403

@app.route("/echo", methods=["POST"])
def echo():
    return app.response_class(iter(lambda: request.stream.read(65536), b""))

@app.route("/parts")
def parts():
    with socket.create_connection(("127.0.0.1", int(request.args["gate"]))) as gate:
        yield b"first part\\n"
        gate.recv(1)
        yield b"second part\\n"

@app.route("/endless")
def endless():
    with socket.create_connection(("127.0.0.1", int(request.args["gate"]))) as gate:
        try:
            while True:
                yield b"x" * 65536
        finally:
            gate.sendall(b"closed")

@app.route("/located")
def located():
    return "here", 200, {"Location": url_for("seen", path="elsewhere")}

@app.route("/made")
def made():
    return "made", 201, {"Location": url_for("seen", path="elsewhere")}

@app.route("/fails")
def fails():
    raise RuntimeError("told to the log alone")

@app.route("/breaks")
def breaks():
    def body():
        yield b"part"
        raise RuntimeError("broken in the middle")
    return app.response_class(body(), headers={"Content-Length": "100"})

@app.route("/proxy")
def proxy():
    return [request.environ.get("HTTP_PROXY"), os.environ.get("HTTP_PROXY")]

@app.route("/authorization")
def authorization():
    return str(request.authorization.username if request.authorization else None)
"""


class Site(NamedTuple):
    """A web server with the app at /yourapplication."""

    front: Front
    is_apache: bool

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.front.port, timeout=DEADLINE)

    def ask(
        self, target: str, method: str = "GET", body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body."""
        with contextlib.closing(self.connect()) as connection:
            chunked = {"encode_chunked": True} if not isinstance(body, bytes | None) else {}
            connection.request(method, f"/yourapplication{target}", body, headers, **chunked)  # type: ignore[arg-type]
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture(scope="module", params=["lighttpd", "apache"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with open_folder() as folder:
        python = spawned_python(folder)
        (folder / "yourapplication.py").write_text(APP)
        script = folder / "yourapplication.cgi"
        script.write_text(f"#!/bin/sh\nexec {python} -m flask_embed.cgi yourapplication:app --chdir {folder}\n")
        script.chmod(0o755)
        if request.param == "lighttpd":
            config = (
                'server.modules += ( "mod_alias", "mod_cgi" )\n'
                "server.stream-response-body = 1\n"
                f'alias.url = ( "/yourapplication" => "{script}" )\n'
                '$HTTP["url"] =~ "^/yourapplication(/|$)" { cgi.assign = ( "" => "" ) }\n'
            )
            started = lighttpd(config, folder)
        else:
            config = (
                f'ScriptAlias "/yourapplication" "{script}"\n'
                f'<Directory "{folder}">\nRequire all granted\nOptions +ExecCGI\nCGIPassAuth On\n</Directory>\n'
                "SetEnv ap_trust_cgilike_cl yes\n"
            )
            started = apache(config, folder, ["cgid"])
        with started as front:
            yield Site(front, request.param == "apache")


TARGETS = {
    "": (307, None),
    "/": (200, ["/yourapplication", "/", ""]),
    "/hello": (200, ["/yourapplication", "/hello", ""]),
    "/hello%20w%2Forld": (200, ["/yourapplication", "/hello w/orld", ""]),
    "//double//slash": (200, ["/yourapplication", "/double/slash", ""]),
    "/%C3%BCml%C3%A4ut?x=%26": (200, ["/yourapplication", "/\xc3\xbcml\xc3\xa4ut", "x=%26"]),
    "foo": (404, None),
    "/a/../b": (200, ["/yourapplication", "/b", ""]),
    "/%2e%2e/b": (404, None),
    # A query without "=" becomes arguments of the script (RFC 3875 section 4.4).
    "/x?--version+--chdir+/": (200, ["/yourapplication", "/x", "--version+--chdir+/"]),
}
#: Apache finds no encoded slash (AllowEncodedSlashes Off)
OF_APACHE = {"/hello%20w%2Forld": (404, None)}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_split_where_the_script_is(site: Site, target: str) -> None:
    expected = (OF_APACHE if site.is_apache else {}).get(target, TARGETS[target])

    status, headers, body = site.ask(target)

    found = json.loads(body) if headers["content-type"] == "application/json" else None
    assert (status, found) == expected


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "in chunks"])
def test_an_upload_arrives_whole(site: Site, is_chunked: bool) -> None:
    body = bytes(range(256)) * 4096 * 4

    status, _, answer = site.ask(
        "/upload", "POST", (body[at : at + 50_000] for at in range(0, len(body), 50_000)) if is_chunked else body
    )

    assert status == 200
    assert json.loads(answer) == {"sha256": hashlib.sha256(body).hexdigest(), "length": len(body)}


@pytest.mark.parametrize("size", [10, 300_000])
def test_an_answer_does_not_wait_for_a_body_that_nobody_reads(site: Site, size: int) -> None:
    status, _, answer = site.ask(f"/unread?size={size}", "POST", b"x" * 5_000_000)

    assert (status, answer) == (403, b"x" * size)


def test_a_body_that_is_answered_in_parts_goes_through_whole(site: Site) -> None:
    body = bytes(range(256)) * 4096 * 4

    status, _, answer = site.ask("/echo", "POST", body)

    assert status == 200
    assert answer == body


def test_what_is_printed_lands_in_a_log(site: Site) -> None:
    status, headers, body = site.ask("/print")

    assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", b"the answer")
    logs = "".join(path.read_text("utf-8") for path in site.front.folder.glob("*.log"))
    for line in ("printed by the module", "printed by the app", "printed by a child", "written to the descriptor"):
        assert f"{line}\n" in logs


def test_parts_arrive_when_they_are_made(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gate, contextlib.closing(site.connect()) as connection:
        gate.settimeout(DEADLINE)
        connection.request("GET", f"/yourapplication/parts?gate={gate.getsockname()[1]}")
        app, _ = gate.accept()
        with app:
            answer = connection.getresponse()
            first = answer.read1(100)
            app.sendall(b"!")
            rest = answer.read()

    assert (first, rest) == (b"first part\n", b"second part\n")


def test_a_client_that_leaves_closes_the_app(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gate, contextlib.closing(site.connect()) as connection:
        gate.settimeout(DEADLINE)
        connection.request("GET", f"/yourapplication/endless?gate={gate.getsockname()[1]}")
        app, _ = gate.accept()
        with app:
            app.settimeout(DEADLINE)
            answer = connection.getresponse()
            answer.read(100_000)
            assert connection.sock is not None
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            answer.close()
            connection.close()

            assert app.recv(100) == b"closed"


def test_a_location_beside_the_status_200_leads_nobody_elsewhere(site: Site) -> None:
    assert site.ask("/located")[2] == b"here"

    status, headers, body = site.ask("/made")
    assert (status, headers["location"], body) == (201, "/yourapplication/elsewhere", b"made")


def test_an_exception_is_a_500_that_tells_nothing(site: Site) -> None:
    status, _, body = site.ask("/fails")

    assert status == 500
    assert b"RuntimeError" not in body
    assert b"told to" not in body


def test_an_exception_in_the_middle_leaves_the_answer_short(site: Site) -> None:
    with pytest.raises(http.client.IncompleteRead) as found:
        site.ask("/breaks", Connection="close")  # else both wait for another request first

    assert found.value.partial == b"part"


def test_the_proxy_header_reaches_no_environment(site: Site) -> None:
    assert json.loads(site.ask("/proxy", Proxy="http://evil.example")[2]) == [None, None]


def test_authorization_reaches_the_app(site: Site) -> None:
    assert site.ask("/authorization", Authorization="Basic bmFtZTp3b3Jk")[2] == b"name"
