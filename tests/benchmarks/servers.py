"""``python -m tests.benchmarks.servers``: the runners beside other servers, under the load of wrk, and what they hold.

All contenders of a table are up at the same time and measured in turn, round by round, so that a machine whose speed
drifts slows all of them. The figure is the median round; what counts is the ratio. Below stands what no ratio shows:
memory with large bodies, descriptors after many requests, and what slow clients do to others.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.apps import BODY, PART

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUNDS = 5
SECONDS = 2
CONNECTIONS = 16
DEADLINE = 30.0
GIGABYTE = 1024**3
APPS = "tests.benchmarks.apps"
#: what a browser sends beside Host
BROWSER = (
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding: gzip, deflate, br",
    "Accept-Language: en-US,en;q=0.5",
    "Cache-Control: max-age=0",
    "Cookie: session=abcdefghijklmnop; theme=dark",
    "Referer: http://127.0.0.1/x",
    "Sec-Fetch-Mode: navigate",
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
)


class Server(NamedTuple):
    """A server that is up, listening on a port of the loopback."""

    process: subprocess.Popen[bytes]
    port: int

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it; close it yourself."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def pids(self) -> list[int]:
        """Its process and the children of that."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def peak(self) -> int:
        """The most megabytes that one of its processes has had in memory."""
        found = [re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in self.pids()]
        return max(int(match[1]) for match in found if match) // 1024

    def resident(self) -> int:
        """The kilobytes that its processes have in memory now."""
        found = [re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in self.pids()]
        return sum(int(match[1]) for match in found if match)

    def descriptors(self) -> int:
        """The number of files and sockets that its processes have open."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())


def runner(name: str, app: str, *options: str) -> list[str]:
    """The command of one of the runners, listening on the descriptor ``{fd}``."""
    return [sys.executable, "-m", f"flask_embed.{name}", f"{APPS}:{app}", "--bind", "fd://{fd}", *options]


@contextlib.contextmanager
def serving(command: Sequence[str]) -> Iterator[Server]:
    """A server that *command* starts, with ``{fd}`` in it replaced by a listening socket; stopped at the end."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        # The servers of others do not set it, and would stall for 40 ms in every answer.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        words = [word.replace("{fd}", str(listener.fileno())) for word in command]
        process = subprocess.Popen(words, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        port = listener.getsockname()[1]
    server = Server(process, port)
    try:
        with contextlib.closing(server.connect()) as connection:
            connection.request("GET", "/?0")  # it waits in the backlog until the server is up
            connection.getresponse().read()
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def requests_per_second(server: Server, seconds: int = SECONDS, headers: Sequence[str] = ()) -> float:
    """The counts of wrk; AssertionError if any answer was another one."""
    more = [f"-H{header}" for header in headers]
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", *more, f"http://127.0.0.1:{server.port}/"]
    output = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise AssertionError(output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if rate is None:
        raise AssertionError(output)
    return float(rate[1])


def compare(
    title: str, contenders: dict[str, list[str]], targets: dict[str, float], headers: Sequence[str] = ()
) -> None:
    """A table of requests per second; *targets* are the ratios of the first contender to others."""
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(serving(command)) for name, command in contenders.items()}
        compare_running(title, servers, targets, headers)


def compare_running(
    title: str, servers: dict[str, Server], targets: dict[str, float], headers: Sequence[str] = ()
) -> None:
    """The same table, of servers that are up."""
    for server in servers.values():
        requests_per_second(server, 1)
    rounds = [
        {name: requests_per_second(server, headers=headers) for name, server in servers.items()} for _ in range(ROUNDS)
    ]
    first = next(iter(servers))
    print(f"\n{title:<44}{'requests/s':>12}{'ratio':>10}{'target':>10}")
    for name in servers:
        rate = statistics.median(one[name] for one in rounds)
        if name == first:
            print(f"{name:<44}{rate:>12.0f}")
            continue
        ratio = statistics.median(one[first] / one[name] for one in rounds)
        target = f"≥ {targets[name]:g}" if name in targets else ""
        print(f"{name:<44}{rate:>12.0f}{ratio:>10.2f}{target:>10}")


def upload(server: Server, length: int = GIGABYTE) -> None:
    """Send so many bytes in one request."""
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % length)
        for _ in range(length // len(PART)):
            connection.sendall(PART)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        if answer.read() != str(length).encode():
            raise AssertionError("the upload has not arrived whole")


def download(server: Server, length: int = GIGABYTE) -> None:
    """Read so many bytes in one answer."""
    with contextlib.closing(server.connect()) as connection:
        connection.request("GET", f"/?{length}")
        answer, received = connection.getresponse(), 0
        while part := answer.read(len(PART)):
            received += len(part)
        if received != length:
            raise AssertionError("the download has not arrived whole")


def large_bodies(name: str) -> None:
    """The memory that a gigabyte in either direction takes."""
    for direction, move in (("upload", upload), ("download", download)):
        with serving(runner(name, direction)) as server:
            begun = time.perf_counter()
            move(server)
            took = time.perf_counter() - begun
            print(f"{name}: {direction} of 1 GB{'':<20}{server.peak():>6} MB at most, {took:.1f} s{'< 100 MB':>12}")


def many_requests(name: str, connections: int = 100, requests: int = 10_000) -> None:
    """The answered ones of many requests, and the resources that are left open."""
    with serving(runner(name, "hello")) as server:
        ask_all(server, connections, requests)  # warm
        descriptors, resident = server.descriptors(), server.resident()
        failed = ask_all(server, connections, requests)
        # The server may still be closing what its clients have closed.
        deadline = time.monotonic() + DEADLINE
        while server.descriptors() > descriptors and time.monotonic() < deadline:
            ask_all(server, 1, 1)
        print(
            f"{name}: {requests} requests at {connections} connections: {failed} failed, descriptors "
            f"{descriptors} -> {server.descriptors()}, memory {(server.resident() - resident) / 1024:+.1f} MB"
        )


def ask_all(server: Server, connections: int, requests: int) -> int:
    """Ask that often over so many connections at once; how many requests have failed."""
    failed: list[int] = []

    def ask() -> None:
        good = 0
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(server.connect()) as connection,
        ):
            for _ in range(requests // connections):
                connection.request("GET", "/")
                good += connection.getresponse().read() == BODY
        failed.append(requests // connections - good)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(failed)


@contextlib.contextmanager
def slow_clients(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Connections over which the head of a request trickles, two bytes a second."""
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        slow = [stack.enter_context(socket.create_connection(address, DEADLINE)) for _ in range(count)]
        over = threading.Event()

        def trickle() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000:
                for connection in slow:
                    with contextlib.suppress(OSError):
                        connection.send(bytes([byte]))
                if over.wait(0.5):
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield slow
        finally:
            over.set()
            thread.join()


def wait_until_closed(connections: list[socket.socket]) -> None:
    """Return when the server has closed all of them."""
    for connection in connections:
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1000):
                pass


def beside_slow_clients(name: str, count: int = 200, header_timeout: int = 5) -> None:
    """The time that others wait while many clients send their heads byte by byte, and the number of those closed."""
    options = ["--header-timeout", str(header_timeout)]
    with serving(runner(name, "hello", *options)) as server, slow_clients(server, count) as slow:
        begun = time.monotonic()
        longest = 0.0
        while time.monotonic() - begun < header_timeout / 2:
            before = time.monotonic()
            if ask_all(server, 1, 1):
                raise AssertionError("a request was not answered beside slow ones")
            longest = max(longest, time.monotonic() - before)
        wait_until_closed(slow)
        print(
            f"{name}: beside {count} slow clients a request took {longest * 1000:.0f} ms at most (< 1 s); "
            f"they were closed after {time.monotonic() - begun:.1f} s of {header_timeout} s"
        )


def main() -> int:
    """Print the tables."""
    if shutil.which("wrk") is None:
        print("wrk is not installed", file=sys.stderr)
        return 2
    gunicorn = [sys.executable, "-m", "gunicorn", "-k", "gevent", "--bind", "fd://{fd}", "--log-level", "critical"]
    contenders = {
        "flask_embed.gevent": runner("gevent", "hello"),
        "pywsgi with TCP_NODELAY": [sys.executable, "-m", APPS, "pywsgi", "{fd}"],
        "gunicorn -k gevent": [*gunicorn, f"{APPS}:hello"],
    }
    targets: dict[str, float] = {"pywsgi with TCP_NODELAY": 3, "gunicorn -k gevent": 4}
    compare("gevent, a bare callable, Host alone", contenders, targets)
    compare("gevent, a bare callable, a browser's headers", contenders, targets, BROWSER)
    compare(
        "two workers, 2 ms of processor time a request",
        {
            "flask_embed.gevent --workers 2": runner("gevent", "burn", "--workers", "2"),
            "flask_embed.gevent": runner("gevent", "burn"),
        },
        {"flask_embed.gevent": 1.7},
    )
    compare(
        "Tornado, a bare callable",
        {
            "flask_embed.tornado": runner("tornado", "hello"),
            "WSGIContainer with an executor": [sys.executable, "-m", APPS, "container", "{fd}"],
        },
        {"WSGIContainer with an executor": 1.3},
    )
    print()
    for name in ("gevent", "tornado"):
        large_bodies(name)
    for name in ("gevent", "tornado"):
        many_requests(name)
    for name in ("gevent", "tornado"):
        beside_slow_clients(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
