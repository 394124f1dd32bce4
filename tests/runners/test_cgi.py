"""``python -m flask_embed.cgi``, started by a web server and by hand."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.reference.fastcgi_client import parse_cgi
from tests.serving import DEADLINE, ROOT, command, environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REQUEST = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "/shop.cgi",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "shop.example",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "HTTP_HOST": "shop.example",
}
APP = """
import logging, os, sys, time
from flask_embed import Flask, request
print("printed by the module")
os.write(1, b"written by the module\\n")
app = Flask(__name__)

@app.on_startup
def start():
    print("started")

@app.on_shutdown
def stop():
    print("stopped")

@app.route("/")
def index():
    return f"index at {request.script_root}"

@app.route("/echo", methods=["POST"])
def echo():
    return request.get_data()

@app.route("/fails")
def fails():
    raise RuntimeError("told to the log alone")

@app.route("/half")
def half():
    def body():
        yield b"part"
        raise RuntimeError("broken in the middle")
    return body()

@app.route("/stream")
def stream():
    try:
        while True:
            yield b"x" * 1000
            time.sleep(0.001)
    finally:
        print("closed")

@app.route("/modules")
def modules():
    return " ".join(sys.modules)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "plain.py").write_text(
        "import sys\n"
        "def app(environ, start_response):\n"
        '    start_response("200 OK", [("Content-Type", "text/plain")])\n'
        '    return [" ".join(sys.modules).encode()]\n'
    )
    (tmp_path / "broken.py").write_text("print('printed first')\nimport not_there\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n")
    return tmp_path


def run(
    arguments: Sequence[str], folder: Path, variables: Mapping[str, str] = REQUEST, body: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    env = environment()
    env.pop("PYTHONUNBUFFERED")
    return subprocess.run(
        arguments,
        cwd=folder,
        env={**env, **variables},
        input=body,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )


def cgi(folder: Path, *arguments: str, body: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The command, run for one request."""
    return run(command("cgi", *arguments), folder, {**REQUEST, **variables}, body)


def test_one_request_is_answered(folder: Path) -> None:
    ended = cgi(folder, "shop:app")

    assert ended.returncode == 0
    answer = parse_cgi(ended.stdout.decode())
    assert (answer.status, answer.text) == (200, "index at /shop.cgi")


def test_what_is_printed_from_the_module_on_is_on_stderr_and_in_order(folder: Path) -> None:
    ended = cgi(folder, "shop:app")

    assert ended.stdout.startswith(b"Status: 200 OK\r\n")
    assert ended.stderr.splitlines() == [
        b"printed by the module",
        b"written by the module",
        b"started",
        b"stopped",
    ]


def test_a_body_is_read_from_stdin(folder: Path) -> None:
    body = bytes(range(256)) * 1000

    ended = cgi(
        folder, "shop:app", body=body + b"more", REQUEST_METHOD="POST", PATH_INFO="/echo", CONTENT_LENGTH=str(len(body))
    )

    assert ended.stdout.partition(b"\r\n\r\n")[2] == body


def test_a_traceback_goes_to_stderr_and_not_to_the_client(folder: Path) -> None:
    ended = cgi(folder, "shop:app", PATH_INFO="/fails")

    assert parse_cgi(ended.stdout.decode()).status == 500
    assert b"told to the log alone" not in ended.stdout
    assert b"RuntimeError: told to the log alone" in ended.stderr
    assert ended.returncode == 0


def test_an_answer_that_is_not_whole_is_an_exit_status(folder: Path) -> None:
    ended = cgi(folder, "shop:app", PATH_INFO="/half")

    assert ended.stdout.endswith(b"\r\n\r\npart")
    assert ended.returncode == 1
    assert b"RuntimeError: broken in the middle" in ended.stderr


def test_the_debugger_is_never_there(folder: Path) -> None:
    (folder / "debugged.py").write_text("from shop import app\napp.debug = True\n")

    ended = cgi(folder, "debugged:app", PATH_INFO="/fails")

    assert parse_cgi(ended.stdout.decode()).status == 500
    assert b"RuntimeError" not in ended.stdout


def test_options_count(folder: Path) -> None:
    log = folder / "access.log"
    mounted = cgi(folder, "plain:app", "--mount", "/shop=shop:app", PATH_INFO="/shop/", SCRIPT_NAME="")
    prefixed = cgi(
        folder, "shop:app", "--prefix", "/p", "--access-logfile", "access.log", PATH_INFO="/p/", SCRIPT_NAME=""
    )
    limited = cgi(
        folder, "shop:app", "--limit-body", "1k", body=b"x" * 1025, REQUEST_METHOD="POST", CONTENT_LENGTH="1025"
    )

    assert parse_cgi(mounted.stdout.decode()).text == "index at /shop"
    assert parse_cgi(prefixed.stdout.decode()).text == "index at /p"
    assert parse_cgi(limited.stdout.decode()).status == 413
    assert '"GET /p/ HTTP/1.1" 200 11 ' in log.read_text()


def test_a_folder_can_be_named(folder: Path) -> None:
    ended = run(command("cgi", "shop:app", "--chdir", str(folder)), folder.parent)

    assert parse_cgi(ended.stdout.decode()).status == 200


def test_errors_can_go_to_a_file(folder: Path) -> None:
    ended = cgi(folder, "shop:app", "--error-logfile", "error.log", PATH_INFO="/fails")

    assert b"told to the log alone" not in ended.stderr
    assert "RuntimeError: told to the log alone" in (folder / "error.log").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["shop:app", "--bind", "127.0.0.1:0"],
        ["shop:app", "--workers", "2"],
        ["shop:app", "--script-name", "/shop"],
        ["shop:app", "--reload"],
        ["shop:app", "--header-timeout", "1"],
    ],
)
def test_what_makes_no_sense_for_a_script_is_no_option(folder: Path, arguments: list[str]) -> None:
    ended = cgi(folder, *arguments)

    assert ended.returncode == 2
    assert b"unrecognized arguments: --" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["missing:app"], b"there is no module 'missing'"),
        (["shop:nothing"], b"'shop' has no attribute 'nothing'"),
        (["shop"], b"'shop' names no app"),
        (["shop:app", "--chdir", "nowhere"], b"--chdir nowhere: No such file or directory"),
        (["shop:app", "--prefix", "//x"], b"a browser would read a host"),
        (["shop:app", "--mount", "/blog"], b"write /PREFIX=module:app"),
        (["shop:app", "--trust-proxy", "1", "--forwarded-allow-ips", ""], b"name the proxies"),
        (["shop:app", "--access-logfile", "/nowhere/access.log"], b"cannot write the log '/nowhere/access.log'"),
        ([], b"the following arguments are required: APP"),
    ],
)
def test_a_mistyped_command_is_a_line_on_stderr_and_a_500(folder: Path, arguments: list[str], line: bytes) -> None:
    ended = cgi(folder, *arguments)

    answer = parse_cgi(ended.stdout.decode())
    assert (answer.status, answer.text) == (500, "Internal Server Error\n")
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(b"python -m flask_embed.cgi: ")
    assert line in last
    assert b"Traceback" not in ended.stderr


def test_a_module_that_fails_is_shown_whole_and_answered_with_500(folder: Path) -> None:
    ended = cgi(folder, "broken:app")

    assert parse_cgi(ended.stdout.decode()).status == 500
    assert ended.stdout.startswith(b"Status: 500 ")
    assert b"printed first" in ended.stderr
    assert b"Traceback (most recent call last)" in ended.stderr
    assert b"ModuleNotFoundError: No module named 'not_there'" in ended.stderr
    assert ended.returncode == 1


def test_a_module_that_leaves_is_answered_with_500(folder: Path) -> None:
    assert parse_cgi(cgi(folder, "leaves:app").stdout.decode()).status == 500


def test_without_a_request_one_line_shows_the_usage(folder: Path) -> None:
    ended = run(command("cgi", "shop:app"), folder, {})

    assert ended.returncode == 2
    assert ended.stdout == b""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(b"python -m flask_embed.cgi: REQUEST_METHOD is not set")


def test_the_usage_in_that_line_works(folder: Path) -> None:
    by_hand = run(command("cgi", "shop:app"), folder, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"})

    assert by_hand.returncode == 0
    assert by_hand.stdout.startswith(b"Status: 200 OK\r\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_is_not_sent_as_an_answer(folder: Path, option: str) -> None:
    ended = run(command("cgi", option), folder, {})

    assert ended.returncode == 0
    assert b"flask_embed" in ended.stdout
    assert b"Status:" not in ended.stdout


def test_a_script_in_python_answers_as_well(folder: Path) -> None:
    (folder / "shop.cgi.py").write_text(
        "from flask_embed.adapters.cgi_handler import serve\nfrom plain import app\nserve(app)\n"
    )
    arguments = [sys.executable, "-W", "error", str(folder / "shop.cgi.py")]

    assert parse_cgi(run(arguments, folder).stdout.decode()).status == 200
    by_hand = run(arguments, folder, {})
    assert by_hand.returncode == 2
    assert by_hand.stdout == b""
    assert by_hand.stderr.splitlines()[-1].startswith(b"shop.cgi.py: REQUEST_METHOD is not set")


def test_the_scripts_of_the_readme_answer(folder: Path) -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("\n## CGI\n")[2].partition("\n## ")[0]
    scripts = re.findall(r"```\w+\n(#!.*?)```", section, re.DOTALL)
    assert len(scripts) == 2
    (folder / "blog.py").write_text("from shop import app\n")
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for number, code in enumerate(scripts):
        script = folder / f"{number}.cgi"
        script.write_text(code)
        script.chmod(0o755)

        ended = run([str(script)], folder, {**REQUEST, **path})

        assert (ended.returncode, b"index at /shop.cgi" in ended.stdout) == (0, True), ended.stderr


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_descriptors_that_are_missing_break_nothing(folder: Path, closed: str) -> None:
    closing = " ".join(f"{number}>&-" for number in closed.split())
    line = f"exec {' '.join(command('cgi', 'shop:app'))} {closing}"

    ended = run(["/bin/sh", "-c", line], folder, {**REQUEST, "REQUEST_METHOD": "POST", "PATH_INFO": "/echo"})

    assert ended.returncode == 0
    assert (b"Status: 200 OK" in ended.stdout) == ("1" not in closed)


def test_a_web_server_that_leaves_closes_the_app(folder: Path) -> None:
    process = subprocess.Popen(
        command("cgi", "shop:app"),
        cwd=folder,
        env={**environment(), **REQUEST, "PATH_INFO": "/stream"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stderr, process:
        os.read(process.stdout.fileno(), 100)
        process.stdout.close()

        assert process.stderr.read().splitlines()[-2:] == [b"closed", b"stopped"]
        assert process.wait(DEADLINE) == 0


def test_sigterm_closes_the_app(folder: Path) -> None:
    process = subprocess.Popen(
        command("cgi", "shop:app"),
        cwd=folder,
        env={**environment(), **REQUEST, "PATH_INFO": "/stream"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process:
        os.read(process.stdout.fileno(), 100)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE)

    assert set(out) == {ord("x")}
    assert err.splitlines()[-2:] == [b"closed", b"stopped"]
    assert b"Traceback" not in err
    assert process.returncode == 143


#: what no request needs
HEAVY = {
    "asyncio",
    "click",
    "gevent",
    "jinja2",
    "logging.handlers",
    "multiprocessing",
    "subprocess",
    "tornado",
    "wsgiref.handlers",
    "flask_embed.adapters.serving.listeners",
    "flask_embed.adapters.proxy",
    "flask_embed.adapters.serving.workers",
    "flask_embed.middleware.dispatcher",
    "flask_embed.middleware.explain",
}


#: what Werkzeug loads
OF_WERKZEUG = {"email", "http.client", "select", "selectors", "socket", "ssl", "tempfile", "werkzeug"}


def loaded(folder: Path, app: str) -> set[str]:
    answer = parse_cgi(cgi(folder, app, PATH_INFO="/modules").stdout.decode())
    assert answer.status == 200
    return set(answer.text.split())


def test_a_bare_app_loads_nothing_that_the_request_does_not_need(folder: Path) -> None:
    modules = loaded(folder, "plain:app")

    assert modules & (HEAVY | OF_WERKZEUG) == set()
    assert "flask_embed.adapters.cgi_handler" in modules


def test_an_app_of_flask_embed_loads_no_more_than_werkzeug_besides(folder: Path) -> None:
    modules = loaded(folder, "shop:app")

    assert modules & HEAVY == set()
    assert "flask_embed.app" in modules
