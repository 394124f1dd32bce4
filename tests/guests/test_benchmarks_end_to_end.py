"""The benchmark under servers of others: servers start and end, other answers are found out, the figures are judged."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.contenders import FLASK, OURS

# By name: it takes from the benchmark of the runners, whose stubs the environment of the guests does without.
end_to_end: Any = import_module("tests.benchmarks.end_to_end")

#: a server that is always there, with a child that does not end by itself where there is one more argument
SMALL = """
import os, signal, sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from werkzeug.utils import import_string

if sys.argv[3:] and os.fork() == 0:
    while True:
        signal.pause()

class Server(WSGIServer):
    allow_reuse_port = True

server = Server(("127.0.0.1", int(sys.argv[1])), WSGIRequestHandler)
server.set_app(import_string(sys.argv[2]))
print("serving", flush=True)
server.serve_forever()
"""
SERVERS = {"small": [sys.executable, "-c", SMALL, "{port}", "{app}"]}
#: the servers of the benchmark are installed by make bench alone
INSTALLED = {
    name: command
    for name, command in end_to_end.SERVERS.items()
    if all(find_spec(package) is not None for package in end_to_end.PACKAGES)
}


def contender(app: str, server: str = "small") -> Any:
    return end_to_end.Contender(server, app)


def running(group: int) -> int:
    """The number of processes of the group, without those that have ended and wait to be collected."""
    count = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _parent, its, *_ = file.read_text().rpartition(")")[2].split()
            count += int(its) == group and state != "Z"
    return count


def wait_until_ended(group: int) -> None:
    """Return when there is none; those that are no children of ours take a moment to go."""
    deadline = time.monotonic() + end_to_end.DEADLINE
    while running(group):
        if time.monotonic() > deadline:
            raise AssertionError(f"{running(group)} processes of {group} are still running")
        time.sleep(0.01)


@pytest.mark.parametrize("server", [*SERVERS, *INSTALLED])
def test_every_app_is_served_checked_and_ended(server: str) -> None:
    command = {**SERVERS, **INSTALLED}[server]

    with end_to_end.serving(end_to_end.commands({server: command})) as servers:
        started = [one.process.pid for one in servers.values()]
        assert [one.app for one in servers] == [OURS, FLASK, "bare"]
        assert len({one.port for one in servers.values()}) == 3
        for one in servers.values():
            with contextlib.closing(one.connect()) as connection:
                connection.request("GET", "/")
                assert connection.getresponse().read() == b"Hello World!"
        assert all(map(running, started))

    for group in started:
        wait_until_ended(group)


def test_a_server_that_does_not_start_is_told_with_what_it_has_said() -> None:
    command = [sys.executable, "-c", "print('no such option')"]

    with (
        pytest.raises(AssertionError, match=r"small: bare: .*refused; it has said:\nno such option"),
        end_to_end.serving({contender("bare"): command}),
    ):
        pytest.fail("it has not started")


@pytest.mark.parametrize(
    ("app", "found"),
    [
        ("status", "(201, 'text/html; charset=utf-8', b'Hello World!')"),
        ("kind", "(200, 'text/plain', b'Hello World!')"),
        ("body", "(200, 'text/html; charset=utf-8', b'Hello!')"),
    ],
)
def test_other_answers_are_found_out_before_anything_is_measured(
    app: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "others.py").write_text(
        "def answering(status, kind, body):\n"
        "    def app(environ, start_response):\n"
        "        start_response(status, [('Content-Type', kind)])\n"
        "        return [body]\n"
        "    return app\n"
        "HTML = 'text/html; charset=utf-8'\n"
        "status = answering('201 Created', HTML, b'Hello World!')\n"
        "kind = answering('200 OK', 'text/plain', b'Hello World!')\n"
        "body = answering('200 OK', HTML, b'Hello!')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [word.replace("{app}", f"others:{app}") for word in SERVERS["small"]]

    with pytest.raises(AssertionError) as error, end_to_end.serving({contender("bare"): command}):
        pytest.fail("it has been let through")

    assert f"small: bare: the answer is {found}, not (200," in str(error.value)


SERVE_UNTIL_ENDED = """
import json, signal, sys
from tests.benchmarks.end_to_end import Contender, ending_in_order, serving

with ending_in_order(), serving({Contender("small", "bare"): json.loads(sys.argv[1])}) as servers:
    print(*(server.process.pid for server in servers.values()), flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_benchmark_leaves_nothing_running(number: signal.Signals) -> None:
    command = [word.replace("{app}", end_to_end.APPS["bare"]) for word in [*SERVERS["small"], "with a child"]]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE_UNTIL_ENDED, json.dumps(command)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        assert running(group) == 2

        process.send_signal(number)

        assert process.wait(end_to_end.DEADLINE) == 128 + number
    wait_until_ended(group)


def test_contenders_are_measured_in_turn_after_a_round_that_is_not_counted() -> None:
    measured: list[tuple[str, int]] = []

    def load(server: str, seconds: int) -> float:
        measured.append((server, seconds))
        return float(len(measured))

    rounds = end_to_end.measure({contender(OURS): "ours", contender(FLASK): "flask"}, 2, load)

    assert measured == [("ours", 1), ("flask", 1)] * 3
    assert rounds == [{contender(OURS): 3.0, contender(FLASK): 4.0}, {contender(OURS): 5.0, contender(FLASK): 6.0}]


def rounds_of(server: str, *figures: tuple[float, float, float]) -> list[dict[Any, float]]:
    """Rounds with these figures of ours, Flask and the bare callable."""
    return [dict(zip((contender(app, server) for app in (OURS, FLASK, "bare")), row, strict=True)) for row in figures]


def test_the_median_round_is_shown_and_the_median_ratio_is_judged() -> None:
    # The second round has met with a slow machine, in the third it was ours alone that was slow.
    (ours, flask, bare) = end_to_end.rows(
        rounds_of("granian", (4000, 1000, 5000), (400, 100, 600), (1000, 1000, 7000), (4500, 900, 4500))
    )

    assert ours == (contender(OURS, "granian"), 2500, 4.0)
    assert flask == (contender(FLASK, "granian"), 950, 1.0)
    assert bare == (contender("bare", "granian"), 4750, 5.5)
    assert (ours.target, flask.target, bare.target) == (4.0, None, None)


@pytest.mark.parametrize(
    ("server", "ratio", "missed"),
    [
        ("granian", 4.0, False),
        ("granian", 3.99, True),
        ("uWSGI", 3.99, True),
        ("uWSGI", 4.01, False),
        ("uWSGI, connections kept", 1.0, False),
    ],
)
def test_a_target_is_missed_below_its_limit(server: str, ratio: float, missed: bool) -> None:
    found = end_to_end.rows(rounds_of(server, (ratio * 1000, 1000, 8000)))

    assert [row.missed for row in found] == [missed, False, False]
    assert ("MISSED" in end_to_end.table(found)) is missed


def test_the_table_has_rates_ratios_and_targets() -> None:
    found = end_to_end.rows(rounds_of("granian", (4200, 1000, 5000)) + rounds_of("granian", (4200, 1000, 5000)))

    assert [line.split() for line in end_to_end.table(found).splitlines()] == [
        ["requests/s", "of", "Flask", "target"],
        ["granian:", "flask_embed", "4200", "4.20", "≥", "4"],
        ["granian:", "Flask", "1000", "1.00"],
        ["granian:", "bare", "5000", "5.00"],
    ]


@pytest.mark.parametrize(("of_flask", "status"), [(5, 0), (3, 1)])
def test_the_command_tells_what_is_missed_by_its_status(
    of_flask: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = of_flask * 1000
    figures = rounds_of("granian", (ours, 1000, 6000))
    monkeypatch.setattr(end_to_end, "missing", lambda: [])
    monkeypatch.setattr(end_to_end, "commands", lambda: {})
    monkeypatch.setattr(end_to_end, "measure", lambda servers: figures)

    assert end_to_end.main() == status

    output = capsys.readouterr().out.splitlines()
    missed = ["missed: granian: flask_embed: 3.00 of Flask's requests per second, at least 4"]
    assert output[4:] == (missed if status else [])


def test_what_is_not_installed_is_named_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(end_to_end, "PACKAGES", ("flask", "no_such_server"))
    monkeypatch.setenv("PATH", "/nowhere")

    assert end_to_end.main() == 2

    assert capsys.readouterr().err == "not installed: no_such_server, wrk\n"
