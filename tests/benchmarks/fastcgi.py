"""``python -m tests.benchmarks.fastcgi``: the FastCGI runner behind nginx, beside flup's own threads behind nginx.

Ours is configured as ``flask-embed config nginx`` has it; flup is not sent a second request over one connection, which
stalls its threads (its 99th percentile is above a second then). Like :mod:`tests.benchmarks.servers` otherwise.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flask_embed.config import Deployment, render
from tests.benchmarks.servers import (
    APPS,
    CONNECTIONS,
    DEADLINE,
    Server,
    ask_all,
    compare_running,
    download,
    requests_per_second,
    upload,
)
from tests.servers.fronts import nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLUP = """
server {
    listen 127.0.0.1:PORT;
    location / {
        fastcgi_param SCRIPT_NAME "";
        fastcgi_param PATH_INFO $uri;
        fastcgi_param QUERY_STRING $query_string;
        fastcgi_param REQUEST_METHOD $request_method;
        fastcgi_param REQUEST_URI $request_uri;
        fastcgi_param SERVER_NAME $host;
        fastcgi_param SERVER_PORT $server_port;
        fastcgi_param SERVER_PROTOCOL $server_protocol;
        fastcgi_param REMOTE_ADDR $remote_addr;
        fastcgi_param CONTENT_TYPE $content_type;
        fastcgi_param CONTENT_LENGTH $content_length;
        fastcgi_pass unix:SOCKET;
    }
}
"""


@contextlib.contextmanager
def _process(*command: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A FastCGI server, ready at the unix socket *path*."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + DEADLINE
        while not path.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command} does not serve")
            time.sleep(0.01)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def ours(app: str, *options: str, **settings: str) -> Iterator[Server]:
    """The runner behind nginx; the process is the runner's, the port is nginx's. *settings* replace directives."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        path = folder / "app.sock"
        command = [sys.executable, "-m", "flask_embed.fastcgi", f"{APPS}:{app}", "--bind", f"unix:{path}", *options]
        config = render("nginx", Deployment(app=f"{APPS}:{app}", socket=str(path), max_body="2g"))
        config = config.replace("listen 80;", "listen 127.0.0.1:PORT;")
        for directive, value in settings.items():
            config = config.replace("fastcgi_keep_conn on;", f"fastcgi_keep_conn on; {directive} {value};")
        with _process(*command, path=path) as process, nginx(config, folder) as front:
            yield Server(process, front.port)


@contextlib.contextmanager
def flup() -> Iterator[Server]:
    """flup's own threads behind nginx."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        path = folder / "flup.sock"
        with (
            _process(sys.executable, "-W", "ignore", "-m", APPS, "flup", str(path), path=path) as process,
            nginx(_FLUP.replace("SOCKET", str(path)), folder) as front,
        ):
            yield Server(process, front.port)


def percentile(server: Server) -> float:
    """The 99th percentile of the time that a request takes, in milliseconds."""
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d5", "--latency", f"http://127.0.0.1:{server.port}/"]
    output = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
    found = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    if found is None:
        raise AssertionError(output)
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


def waiting_at_once(count: int = 40) -> float:
    """The time that so many requests of two seconds each take together."""
    with ours("wait") as server:
        begun = time.perf_counter()
        failed: list[int] = []
        threads = [threading.Thread(target=lambda: failed.append(ask_all(server, 1, 1))) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if sum(failed):
            raise AssertionError(f"{sum(failed)} requests have failed")
        return time.perf_counter() - begun


def large_answers() -> float:
    """The time of an answer of 50 MB, as a multiple of that of 5 MB, the best of several."""
    megabyte = 1024**2
    with ours("download") as server:
        took = {}
        for length in (5 * megabyte, 50 * megabyte):
            times = []
            for _ in range(5):
                begun = time.perf_counter()
                download(server, length)
                times.append(time.perf_counter() - begun)
            took[length] = min(times)
        return took[50 * megabyte] / took[5 * megabyte]


def main() -> int:
    """Print the tables."""
    with contextlib.ExitStack() as stack:
        servers = {
            "flask_embed.fastcgi": stack.enter_context(ours("hello")),
            "flup's own threads": stack.enter_context(flup()),
        }
        compare_running("nginx, FastCGI, a bare callable", servers, {"flup's own threads": 1.2})
        servers = {
            "flask_embed.fastcgi --workers 2": stack.enter_context(ours("hello", "--workers", "2")),
            "flup's own threads": servers["flup's own threads"],
        }
        compare_running("the same with two workers", servers, {"flup's own threads": 1.8})
    with ours("hello") as server:
        requests_per_second(server, 1)
        print(f"\nthe 99th percentile with connections that are kept: {percentile(server):.1f} ms (< 100 ms)")
        descriptors, resident = server.descriptors(), server.resident()
        failed = ask_all(server, 100, 10_000)
        grown = (server.resident() - resident) / 1024
        print(
            f"10000 requests at 100 connections: {failed} failed, descriptors {descriptors} -> {server.descriptors()} "
            f"(nginx keeps up to 16), memory {grown:+.1f} MB"
        )
    print(f"40 requests of two seconds at once: {waiting_at_once():.2f} s (< 3 s)")
    print(f"an answer of 50 MB takes {large_answers():.1f} times as long as one of 5 MB (≤ 20)")
    for direction, move in (("upload", upload), ("download", download)):
        # Otherwise nginx would write a gigabyte to its disk, and it would be nginx that is measured.
        with ours(direction, fastcgi_request_buffering="off", fastcgi_max_temp_file_size="0") as server:
            begun = time.perf_counter()
            move(server)
            took = time.perf_counter() - begun
            print(f"{direction} of 1 GB: {server.peak()} MB at most, {took:.1f} s (< 100 MB)")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.getcwd())
    sys.exit(main())
