"""``python -m tests.benchmarks.start``: what it takes to be there, beside Flask: first request, CGI request, memory.

Each process is started in turn, round by round; the figures are the best round and the median one, of what a clock
on the wall shows. The exit status is 1 where a target is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.contenders import FLASK, OURS
from tests.benchmarks.servers import ask_all, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROUNDS = 15
MEMORY_ROUNDS = 3
HELLO = "Hello World!"
#: what a request by CGI does without until an app asks for it
SPARED = ("jinja2", "itsdangerous", "click")

_FIRST = """
from {package} import Flask

app = Flask(__name__)
app.add_url_rule("/", "hello", lambda: "Hello World!")
print(app.test_client().get("/").get_data(as_text=True))
"""
#: runs ``-m module arguments`` and tells at the end, on stderr, which modules are loaded
_TOLD = """
import atexit, runpy, sys

atexit.register(lambda: print(*sys.modules, file=sys.stderr))
del sys.argv[1]
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
_PACKAGES = {OURS: "flask_embed", FLASK: "flask"}
_MODULES = {OURS: "tests.benchmarks.hello_flask_embed", FLASK: "tests.benchmarks.hello_flask"}
_CGI = {
    OURS: ["-m", "flask_embed.cgi", f"{_MODULES[OURS]}:app"],
    FLASK: ["-m", _MODULES[FLASK]],
}
#: what a web server tells a CGI script (RFC 3875 section 4.1)
_VARIABLES = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "www.example.com",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "www.example.com",
}


class Comparison(NamedTuple):
    """A measure of both, in a unit of which less is better."""

    name: str
    measure: Callable[[str], float]
    rounds: int
    #: how many times Flask's ours may be
    limit: float


def run(arguments: list[str], variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A Python that has run to its end; AssertionError if it does not say hello."""
    environment = {**os.environ, **(variables or {})}
    command = [sys.executable, *arguments]
    process = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if process.returncode or not process.stdout.endswith((HELLO, f"{HELLO}\n")):
        raise AssertionError(f"{command} has failed: {process.stdout}{process.stderr}")
    return process


def first_request(name: str) -> float:
    """Milliseconds from the start of a process to its end, which imports, makes an app and asks it once."""
    return _milliseconds(lambda: run(["-c", _FIRST.format(package=_PACKAGES[name])]))


def cgi_request(name: str) -> float:
    """Milliseconds that a web server waits for a CGI script."""
    return _milliseconds(lambda: run(_CGI[name], _VARIABLES))


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def memory(name: str) -> float:
    """Megabytes that a worker of the gevent runner has in memory when it has answered 100 requests."""
    command = [sys.executable, "-m", "flask_embed.gevent", f"{_MODULES[name]}:app", "--bind", "fd://{fd}"]
    with serving(command) as server:
        if ask_all(server, 1, 100):
            raise AssertionError(f"the worker with {name} has not answered all requests")
        return server.resident() / 1024


def loaded_by_cgi() -> list[str]:
    """The modules of :data:`SPARED` that a CGI request has loaded all the same."""
    loaded = set(run(["-c", _TOLD, *_CGI[OURS]], _VARIABLES).stderr.split())
    if "flask_embed.app" not in loaded:
        raise AssertionError("the CGI request has not told what it has loaded")
    return [name for name in SPARED if name in loaded]


COMPARISONS = [
    Comparison("import, app and one request, ms", first_request, ROUNDS, 0.7),
    Comparison("a CGI request, ms", cgi_request, ROUNDS, 0.7),
    Comparison("a gevent worker after 100 requests, MB", memory, MEMORY_ROUNDS, 0.85),
]


def compare(comparison: Comparison) -> tuple[list[str], bool]:
    """The lines of the table, and whether the target is kept."""
    for name in (OURS, FLASK):
        comparison.measure(name)  # that of the first time writes the compiled modules
    rounds = [{name: comparison.measure(name) for name in (OURS, FLASK)} for _ in range(comparison.rounds)]
    best = {name: min(one[name] for one in rounds) for name in (OURS, FLASK)}
    median = {name: statistics.median(one[name] for one in rounds) for name in (OURS, FLASK)}
    ratio = best[OURS] / best[FLASK]
    verdict = "" if ratio <= comparison.limit else "  MISSED"
    return [
        f"{comparison.name:<42}{'best':>8}{best[OURS]:>14.1f}{best[FLASK]:>10.1f}"
        f"{ratio:>8.2f}{f'≤ {comparison.limit:g}':>10}{verdict}",
        f"{'':<42}{'median':>8}{median[OURS]:>14.1f}{median[FLASK]:>10.1f}{median[OURS] / median[FLASK]:>8.2f}",
    ], ratio <= comparison.limit


def main() -> int:
    """Print the table; returns the exit status."""
    print(f"{'':<50}{OURS:>14}{FLASK:>10}{'ratio':>8}{'target':>10}")
    missed = []
    for comparison in COMPARISONS:
        lines, kept = compare(comparison)
        print("\n".join(lines))
        if not kept:
            missed.append(f"{comparison.name}: at most {comparison.limit:g} of {FLASK}'s")
    loaded = loaded_by_cgi()
    print(f"a CGI request loads {' and '.join(loaded) if loaded else 'neither ' + ' nor '.join(SPARED)}")
    if loaded:
        missed.append(f"a CGI request loads {' and '.join(loaded)}")
    for target in missed:
        print(f"missed: {target}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
