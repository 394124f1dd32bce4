"""Tornado as the host: one thread and one context for each request, an app beside native handlers."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, Runner, environment, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
import contextvars, threading

variable = contextvars.ContextVar("variable", default="unset")
local = threading.local()
running = threading.Semaphore(0)
lock = threading.Lock()
now = most = 0

class Body:
    def __init__(self, name, seen):
        self.name, self.seen, self.number = name, seen, 0
    def tell(self, what):
        self.seen.append((what, threading.get_ident() == self.thread, variable.get() == self.name))
    def __iter__(self):
        return self
    def __next__(self):
        self.number += 1
        self.tell("next")
        if self.number > 4:
            raise StopIteration
        return b"x" * 1000
    def close(self):
        global now
        self.tell("close")
        with lock:
            now -= 1
        results[self.name] = self.seen

results = {}

def app(environ, start_response):
    global now, most
    name = environ["QUERY_STRING"]
    if environ["PATH_INFO"] == "/results":
        body = repr((results, most)).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    with lock:
        now += 1
        most = max(most, now)
    body = Body(name, [("call", variable.get() == "unset", getattr(local, "request", None) is None)])
    body.thread = threading.get_ident()
    variable.set(name)
    local.request = name
    start_response("200 OK", [("Content-Type", "text/plain")])
    local.request = None
    return body
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("apps")
    (folder / "watched.py").write_text(APP)
    with serving("tornado", "watched:app", "--bind", "127.0.0.1:0", "--threads", "4", cwd=folder) as runner:
        yield runner


def test_call_iteration_and_close_are_one_job_in_one_thread_and_context(runner: Runner) -> None:
    bodies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda number=number: bodies.append(runner.get(f"/?{number}")[2]))
        for number in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)

    assert [len(body) for body in bodies] == [4000] * 40
    results, most = eval(runner.get("/results")[2])
    assert set(results) == {str(number) for number in range(40)}
    expected = [("call", True, True), *[("next", True, True)] * 5, ("close", True, True)]
    assert all(seen == expected for seen in results.values())
    assert 1 <= most <= 4


HOST = """
import asyncio, sys
from tornado.web import Application, RequestHandler
from flask_embed import Flask, request, url_for
from flask_embed.adapters.tornado_server import WSGIHandler
from flask_embed.lifespan import lifespan

class NativeHandler(RequestHandler):
    def get(self):
        self.write("native")

shop = Flask("shop")

@shop.on_startup
def start():
    print("shop has started", file=sys.stderr, flush=True)

@shop.on_shutdown
def stop():
    print("shop has stopped", file=sys.stderr, flush=True)

@shop.route("/")
def index():
    return f"{request.script_root} {url_for('index')} {request.remote_addr}"

@shop.route("/length", methods=["POST"])
def length():
    return str(sum(map(len, iter(lambda: request.stream.read(65536), b""))))

@shop.route("/parts")
def parts():
    return (f"part {number} of {request.path};" for number in range(3))

application = Application([
    (r"/native", NativeHandler),
    (r"/shop(?:/.*)?", WSGIHandler(shop, prefix="/shop")),
])

async def main():
    server = application.listen(0, "127.0.0.1")
    (listener,) = server._sockets.values()
    print(f"host is served at http://127.0.0.1:{listener.getsockname()[1]}/", file=sys.stderr, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.stop()
    await server.close_all_connections()

with lifespan(shop):
    asyncio.run(main())
"""


def test_an_app_stands_beside_native_handlers(tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text(HOST)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "host.py"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(DEADLINE, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "shop has started\n"
        port = int(process.stderr.readline().rpartition(":")[2].rstrip("/\n"))

        def ask(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
                connection.request(method, path, body)
                answer = connection.getresponse()
                return answer.status, answer.read()

        assert ask("GET", "/native") == (200, b"native")
        assert ask("GET", "/shop/") == (200, b"/shop /shop/ 127.0.0.1")
        assert ask("GET", "/shop")[0] == 307
        assert ask("GET", "/shopping")[0] == 404
        assert ask("POST", "/shop/length", bytes(3_000_000)) == (200, b"3000000")
        assert ask("GET", "/shop/parts") == (200, b"part 0 of /parts;part 1 of /parts;part 2 of /parts;")
        _, rest = process.communicate("", timeout=DEADLINE)
    finally:
        killer.cancel()
        process.kill()
        process.wait(DEADLINE)
    assert process.returncode == 0
    assert rest.endswith("shop has stopped\n")
