"""The chapter Deployment Options: the files that put an app behind a server, run by the real libraries."""

from __future__ import annotations

import runpy
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from tests.reference import fastcgi_client
from tests.reference.fastcgi_client import parse_cgi
from tests.reference.servers import fetch, run, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.project import Project

APP = """
    from flask_embed import Flask, jsonify, redirect, request, url_for

    app = Flask(__name__)

    @app.route("/")
    def index():
        return "Hello World!"

    @app.route("/where/<name>")
    def where(name):
        built = url_for("where", name=name, x=request.args.get("x"))
        return jsonify(root=request.script_root, path=request.path, built=built)

    @app.route("/echo", methods=["POST"])
    def echo():
        return "got " + request.form["text"]

    @app.route("/folder/")
    def folder():
        return "a folder"
"""


@pytest.fixture
def deployed(project: Project) -> Project:
    """A folder with the package *yourapplication* in it."""
    project.write("yourapplication/__init__.py", APP)
    project.write("yourapplication/static/name.txt", "a static file")
    return project


# FastCGI

FCGI = """
    from flup.server.fcgi import WSGIServer
    from yourapplication import app

    WSGIServer(app).run()
"""

#: flup says nothing when it is ready, so the example's server is told to
FCGI_WITH_ADDRESS = """
    from flup.server.fcgi import WSGIServer as FlupServer
    from yourapplication import app as application

    class WSGIServer(FlupServer):
        def _setupSocket(self):
            listening = super()._setupSocket()
            print("listening")
            return listening

    WSGIServer(application, bindAddress={address!r}).run()
"""

#: what every web server sends along
COMMON = {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "QUERY_STRING": ""}


def variables(script_name: str, path_info: str, method: str = "GET", **more: str) -> dict[str, str]:
    """The variables of CGI for one request."""
    place = {"REQUEST_METHOD": method, "SCRIPT_NAME": script_name, "PATH_INFO": path_info}
    return {**COMMON, **place, "REQUEST_URI": script_name + path_info, **more}


def posted(body: str) -> dict[str, str]:
    """The variables for a form that is posted to ``/echo``."""
    content = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
    return variables("", "/echo", "POST", **content)


@pytest.fixture
def fcgi_socket(deployed: Project) -> Iterator[str]:
    """The socket of an app that flup serves."""
    address = str(deployed.folder / "fcgi.sock")
    deployed.write("yourapplication.fcgi", FCGI_WITH_ADDRESS.format(address=address))
    with running([sys.executable, "yourapplication.fcgi"], deployed.folder) as server:
        server.wait_for("^listening$")
        yield address


@pytest.mark.section("Deployment / FastCGI / Creating a .fcgi file")
def test_an_executable_file_serves_the_socket_that_a_web_server_hands_it(deployed: Project) -> None:
    script = deployed.write("yourapplication.fcgi", f"#!{sys.executable}\n", FCGI)
    script.chmod(0o755)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        running([script], deployed.folder, stdin=listener.fileno()),
    ):
        answer = fastcgi_client.request(listener.getsockname(), variables("", "/"))

    assert (answer.status, answer.text) == (200, "Hello World!")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.section("Deployment / FastCGI / Creating a .fcgi file")
def test_a_server_with_an_address_listens_on_that_path(fcgi_socket: str) -> None:
    page = fastcgi_client.request(fcgi_socket, variables("", "/"))
    echo = fastcgi_client.request(fcgi_socket, posted("text=some+words"), b"text=some+words")
    missing = fastcgi_client.request(fcgi_socket, variables("", "/missing"))

    assert (page.status, page.text) == (200, "Hello World!")
    assert echo.text == "got some words"
    assert missing.status == 404


@pytest.mark.section("Deployment / FastCGI / Configuring lighttpd")
def test_an_app_that_lighttpd_binds_to_a_prefix_builds_urls_below_it(fcgi_socket: str) -> None:
    place = variables("/yourapplication", "/where/ada lovelace", QUERY_STRING="x=1")

    where = fastcgi_client.request(fcgi_socket, place)
    static = fastcgi_client.request(fcgi_socket, variables("/yourapplication", "/static/name.txt"))
    redirect = fastcgi_client.request(fcgi_socket, variables("/yourapplication", "/folder"))

    assert '"root":"/yourapplication"' in where.text
    assert '"path":"/where/ada lovelace"' in where.text
    assert '"built":"/yourapplication/where/ada%20lovelace?x=1"' in where.text
    assert static.text == "a static file"
    assert (redirect.status, redirect.headers["Location"]) == (308, "/yourapplication/folder/")


@pytest.mark.section("Deployment / FastCGI / Configuring lighttpd")
@pytest.mark.section("Deployment / FastCGI / Configuring nginx")
def test_the_prefix_itself_redirects_to_the_apps_root(fcgi_socket: str) -> None:
    without_slash = fastcgi_client.request(fcgi_socket, variables("/yourapplication", ""))
    with_slash = fastcgi_client.request(fcgi_socket, variables("/yourapplication", "/"))

    assert (without_slash.status, without_slash.headers["Location"]) == (307, "/yourapplication/")
    assert (with_slash.status, with_slash.text) == (200, "Hello World!")


@pytest.mark.section("Deployment / FastCGI / Configuring nginx")
def test_an_app_that_nginx_binds_to_the_root_builds_urls_without_a_prefix(fcgi_socket: str) -> None:
    answer = fastcgi_client.request(fcgi_socket, variables("", "/where/ada"))

    assert '"root":""' in answer.text
    assert '"path":"/where/ada"' in answer.text
    assert '"built":"/where/ada"' in answer.text


@pytest.mark.section("Deployment / FastCGI / Debugging")
def test_run_by_hand_the_file_tells_which_import_is_missing(deployed: Project) -> None:
    script = deployed.write("elsewhere/application.fcgi", FCGI.replace("yourapplication", "notinstalled"))

    done = run(script.name, folder=script.parent)

    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert "ModuleNotFoundError: No module named 'notinstalled'" in done.stderr


# mod_wsgi


def wsgi_file(deployed: Project) -> Any:
    """The name ``application`` of the file that mod_wsgi executes."""
    file = deployed.write("yourapplication.wsgi", "from yourapplication import app as application\n")
    return runpy.run_path(str(file))["application"]


def call(application: Any, environ: dict[str, Any], body: str = "") -> tuple[str, str]:
    """Status and body of one request to a WSGI app, whose manners are checked on the way."""
    environ = {**environ, "wsgi.input": BytesIO(body.encode())}
    setup_testing_defaults(environ)
    statuses: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        statuses.append(status)
        return lambda data: None

    answer: Any = validator(application)(environ, start_response)
    try:
        return statuses[-1], b"".join(answer).decode()
    finally:
        answer.close()


@pytest.mark.section("Deployment / mod_wsgi (Apache) / Creating a .wsgi file")
def test_the_name_application_of_the_wsgi_file_is_a_wsgi_app(deployed: Project) -> None:
    application = wsgi_file(deployed)

    assert call(application, variables("", "/")) == ("200 OK", "Hello World!")
    assert call(application, variables("", "/missing"))[0] == "404 NOT FOUND"


@pytest.mark.section("Deployment / mod_wsgi (Apache) / Configuring Apache")
def test_five_threads_call_the_application_at_the_root(deployed: Project) -> None:
    application = wsgi_file(deployed)
    bodies = [f"text={number}" for number in range(50)]

    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda body: call(application, posted(body), body), bodies))

    assert answers == [("200 OK", f"got {number}") for number in range(50)]


# Tornado, Gevent

TORNADO = """
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop
    from tornado.netutil import bind_sockets
    from tornado.wsgi import WSGIContainer
    from yourapplication import app

    http_server = HTTPServer(WSGIContainer(app))
    sockets = bind_sockets(0, "127.0.0.1")
    http_server.add_sockets(sockets)
    print("port", sockets[0].getsockname()[1])
    IOLoop.instance().start()
"""

GEVENT = """
    from gevent.pywsgi import WSGIServer
    from yourapplication import app

    http_server = WSGIServer(("127.0.0.1", 0), app)
    http_server.start()
    print("port", http_server.server_port)
    http_server.serve_forever()
"""


@pytest.mark.section("Deployment / Tornado", "Deployment / Gevent")
@pytest.mark.parametrize("script", [TORNADO, GEVENT], ids=["tornado", "gevent"])
def test_a_server_of_another_library_serves_the_app(deployed: Project, script: str) -> None:
    deployed.write("serve.py", script)

    with running([sys.executable, "serve.py"], deployed.folder) as server:
        port = server.wait_for(r"^port (\d+)$")[1]
        page = fetch(port)
        where = fetch(port, "/where/ada%20lovelace?x=1")
        echo = fetch(port, "/echo", form="text=some+words")
        static = fetch(port, "/static/name.txt")
        missing = fetch(port, "/missing")

    assert (page.status, page.text) == (200, "Hello World!")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '"built":"/where/ada%20lovelace?x=1"' in where.text
    assert echo.text == "got some words"
    assert static.text == "a static file"
    assert missing.status == 404


# CGI

CGI = """
    from wsgiref.handlers import CGIHandler
    from yourapplication import app

    CGIHandler().run(app)
"""


@pytest.mark.section("Deployment / CGI / Creating a .cgi file")
def test_a_cgi_file_answers_one_request_on_its_standard_output(deployed: Project) -> None:
    script = deployed.write("yourapplication.cgi", CGI)

    page = run(script, folder=deployed.folder, variables=variables("", "/"))
    missing = run(script, folder=deployed.folder, variables=variables("", "/missing"))

    answer = parse_cgi(page.stdout)
    assert (page.returncode, page.stderr) == (0, "")
    assert (answer.status, answer.text) == (200, "Hello World!")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert parse_cgi(missing.stdout).status == 404


@pytest.mark.section("Deployment / CGI / Creating a .cgi file")
def test_a_cgi_file_reads_a_form_from_its_standard_input(deployed: Project) -> None:
    script = deployed.write("yourapplication.cgi", CGI)
    body = "text=some+words"

    done = run(script, folder=deployed.folder, variables=posted(body), data=body)

    assert parse_cgi(done.stdout).text == "got some words"


@pytest.mark.section("Deployment / CGI / Server Setup")
def test_a_cgi_file_below_a_name_builds_urls_below_it(deployed: Project) -> None:
    script = deployed.write("application.cgi", CGI)

    where = run(script, folder=deployed.folder, variables=variables("/app", "/where/ada"))
    without_path = variables("/app", "")
    del without_path["PATH_INFO"]
    name = run(script, folder=deployed.folder, variables=without_path)

    redirect = parse_cgi(name.stdout)
    assert '"root":"/app"' in where.stdout
    assert '"built":"/app/where/ada"' in where.stdout
    assert (redirect.status, redirect.headers["Location"]) == (307, "/app/")
