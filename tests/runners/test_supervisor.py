"""The supervisor and its workers: each test runs a process of its own, whose workers only write a line."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.serving.workers import Worker, alone
from flask_embed.errors import UsageError
from flask_embed.options import Options
from tests.serving import DEADLINE, Runner, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What all scripts begin with. The first word of a line says what happened, the second one in which process.
BEGIN = """
import contextlib, os, signal, sys, time
from flask_embed.adapters.serving import supervisor
from flask_embed.adapters.serving.supervisor import supervise
from flask_embed.adapters.serving.workers import Worker
from flask_embed.options import Options

def tell(*words):
    os.write(2, (" ".join(map(str, words)) + "\\n").encode())

over = False

def end(*signal):
    global over
    over = True

def serve(worker, line="ready", beats=10**9):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    worker.ready(line)
    tell("serves", os.getpid())
    while worker.beat() and not over and beats:
        beats -= 1
        time.sleep(0.02)
    worker.listener.close()
    worker.leaving()
    tell("ends", os.getpid())
    return 0

def wait_for_file(path=sys.argv[-1]):
    while not os.path.exists(path):
        time.sleep(0.01)

def supervised(run, **options):
    try:
        sys.exit(supervise(Options(**{"bind": "127.0.0.1:0", **options}), run))
    finally:
        tell("finally", os.getpid())
"""


@contextlib.contextmanager
def running(script: str, *arguments: str) -> Iterator[Runner]:
    """The running script and its output; it is killed with its children at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", BEGIN + script, *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    runner = Runner(process, "")
    reader = threading.Thread(target=runner.read)
    reader.start()
    try:
        yield runner
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)
        reader.join(DEADLINE)
        assert process.stderr is not None
        process.stderr.close()


def ended(script: str, *arguments: str) -> tuple[int, list[str]]:
    """The exit status of a script, and the lines that it and its children have written."""
    with running(script, *arguments) as runner:
        status = runner.process.wait(DEADLINE)
    return status, runner.lines


def wait_for(runner: Runner, condition: Callable[[], bool]) -> None:
    """Return when *condition* is true; it is checked after each line, and at short intervals."""
    deadline = time.monotonic() + DEADLINE
    with runner.written:
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("".join(runner.lines))
            runner.written.wait(0.05)


def those(runner: Runner, word: str) -> list[int]:
    """The numbers in the lines that begin with *word*, in order."""
    return [int(number) for number in re.findall(rf"^{word} (\d+)$", "".join(runner.lines), re.MULTILINE)]


def state(pid: int) -> str:
    """The state of a process as one letter: R, S, T, Z…; X for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def lines_with(runner: Runner, text: str) -> list[str]:
    return [line for line in runner.lines if text in line]


# One process


def test_a_single_process_has_nobody_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    with alone(Options(bind="127.0.0.1:0")) as worker:
        worker.ready("served")
        assert worker.beat()
        worker.leaving()
        worker.stop()
        assert not worker.beat()
        assert worker.listener.getsockname()[0] == "127.0.0.1"
        assert worker.last_request == 0
    assert worker.listener.fileno() == -1
    assert capsys.readouterr().err == "served\n"


def test_workers_do_not_all_end_after_the_same_request() -> None:
    with socket.socket() as listener:
        last = {Worker(listener, Options(max_requests=1000)).last_request for _ in range(50)}
        assert len(last) > 10
        assert all(900 <= number <= 1100 for number in last)
        assert Worker(listener, Options(max_requests=1)).last_request == 1


@pytest.mark.parametrize(
    ("options", "interval"),
    [(Options(), 1.0), (Options(timeout=2), 0.5), (Options(timeout=0), 1.0), (Options(timeout=0.01), 0.02)],
)
def test_beats_come_several_times_before_they_are_missed(options: Options, interval: float) -> None:
    with socket.socket() as listener:
        assert Worker(listener, options).interval == interval


def test_a_supervisor_that_is_slow_is_not_gone() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        with socket.socket() as listener:
            worker = Worker(listener, Options(), pipe=writing, announces=False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(writing, bytes(4096))
            assert worker.beat()
            os.close(reading)
            assert not worker.beat()
            worker.ready("")
    finally:
        os.close(writing)


# Starting


def test_the_others_start_when_the_first_one_is_ready(tmp_path: Path) -> None:
    script = """
def run(worker):
    tell("born", os.getpid())
    wait_for_file()
    return serve(worker, f"the line of {os.getpid()}")

supervised(run, workers=3)
"""
    with running(script, str(tmp_path / "gate")) as runner:
        wait_for(runner, lambda: len(those(runner, "born")) == 1)
        (tmp_path / "gate").touch()
        wait_for(runner, lambda: len(those(runner, "serves")) == 3)
        first = those(runner, "born")[0]
        assert those(runner, "serves")[0] == first
        assert len(those(runner, "born")) == 3
        assert lines_with(runner, "the line of") == [f"the line of {first}\n"]
        assert runner.stop() == 0
        wait_for(runner, lambda: those(runner, "finally") != [])
    assert those(runner, "finally") == [runner.process.pid]
    assert sorted(those(runner, "ends")) == sorted(those(runner, "born"))
    assert [state(pid) for pid in those(runner, "born")] == ["X"] * 3


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("raise ValueError('of the app')", "ValueError: of the app\n"),
        ("print('mistyped', file=sys.stderr); return 2", "mistyped\n"),
        ("sys.exit('with a word')", "with a word\n"),
        ("sys.exit()", "The first worker ended with status 0 before it served\n"),
        ("return 3", "The first worker ended with status 3 before it served\n"),
        ("os.kill(os.getpid(), 9)", "The first worker was ended by SIGKILL before it served\n"),
    ],
)
def test_when_the_first_worker_fails_that_is_told_once_and_is_the_end(end: str, told: str) -> None:
    script = f"""
def run(worker):
    tell("born", os.getpid())
    {end}

supervised(run, workers=4)
"""
    status, lines = ended(script)
    assert status == 2
    assert sum(line.startswith("born") for line in lines) == 1
    text = "".join(lines)
    assert text.count(told) == 1
    assert text.count("Traceback") == end.startswith("raise")
    assert text.count("ERROR") == told.startswith("The first")


def test_a_child_does_what_is_its_own_at_its_end_and_nothing_else() -> None:
    script = """
import atexit
atexit.register(tell, "of the supervisor")

def run(worker):
    atexit.register(tell, "of the worker")
    print("unflushed")
    return 2

print("told once", end=" ")
supervised(run)
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGIN + script],
        env=environment() | {"PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "told once unflushed\n")
    assert ended.stderr.splitlines()[0] == "of the worker"
    assert ended.stderr.count("of the worker") == ended.stderr.count("of the supervisor") == 1


def test_a_child_inherits_its_socket_and_its_own_pipe_alone() -> None:
    script = """
def run(worker):
    if worker.is_first:
        return serve(worker)
    descriptors = set(map(int, os.listdir("/proc/self/fd"))) - {0, 1, 2}
    links = {}
    for number in descriptors:
        with contextlib.suppress(FileNotFoundError):  # that of the folder itself
            links[number] = os.readlink(f"/proc/self/fd/{number}")
    pipes = [number for number, link in links.items() if link.startswith("pipe:")]
    tell("others", len(links) - 2, len(pipes), links[worker.listener.fileno()].startswith("socket:"))
    tell("wakeup", signal.set_wakeup_fd(-1))
    tell("handlers", *(signal.getsignal(number) == signal.SIG_DFL for number in (15, 2, signal.SIGCHLD)))
    tell("mask", signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    return serve(worker)

supervised(run, workers=2)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)
    for line in ("others 0 1 True\n", "wakeup -1\n", "handlers True True True\n", "mask set()\n"):
        assert line in runner.lines


def test_a_supervisor_leaves_its_process_as_it_was() -> None:
    script = """
def run(worker):
    os.kill(os.getppid(), signal.SIGTERM)
    return serve(worker)

numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
def state():
    return [signal.getsignal(number) for number in numbers], os.listdir("/proc/self/fd"), signal.pthread_sigmask(0, ())

before = state()
status = supervise(Options(bind="127.0.0.1:0"), run)
tell(status, signal.set_wakeup_fd(-1), state() == before)
"""
    status, lines = ended(script)
    assert (status, lines[-1]) == (0, "0 -1 True\n")


def test_it_works_without_stdout_and_stderr() -> None:
    script = """
def run(worker):
    with open(sys.argv[1], "w") as file:
        file.write("served")
    return serve(worker)

supervised(run)
"""
    silent = BEGIN.replace("os.write(2,", "bytes(") + script
    reading, writing = os.pipe()
    with open(reading) as end:
        process = subprocess.Popen(
            ["sh", "-c", 'exec "$0" -c "$@" >&- 2>&-', sys.executable, silent, f"/dev/fd/{writing}"],
            pass_fds=[writing],
            env=environment(),
        )
        os.close(writing)
        assert end.read(6) == "served"
        process.terminate()
        assert process.wait(DEADLINE) == 0


# Replacing


def test_a_worker_that_dies_is_replaced_and_leaves_no_zombie() -> None:
    script = """
supervisor._GROWN_UP = 0

def run(worker):
    return serve(worker)

supervised(run, workers=2)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)
        dead = those(runner, "serves")[1]
        os.kill(dead, signal.SIGSEGV)
        wait_for(runner, lambda: len(those(runner, "serves")) == 3)
        wait_for(runner, lambda: lines_with(runner, "SIGSEGV; another one starts in 0 s\n") != [])
        assert f"ERROR flask_embed.workers: Worker {dead} was ended by SIGSEGV" in "".join(runner.lines)
        assert state(dead) == "X"


def test_a_worker_is_replaced_though_its_own_child_lives_on() -> None:
    script = """
def run(worker):
    if worker.is_first and os.fork() == 0:
        while True:
            signal.pause()
    return serve(worker)

supervised(run)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 1)
        os.kill(those(runner, "serves")[0], signal.SIGKILL)
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)


def test_who_dies_young_is_replaced_later_and_later() -> None:
    script = """
supervisor._LONGEST_PAUSE = 0.4

def run(worker):
    if worker.is_first:
        return serve(worker)
    tell("born", time.monotonic_ns() // 10**6)
    return 1

supervised(run, workers=2)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "born")) == 5)
        starts = those(runner, "born")
        pauses = [float(line.split()[-2]) for line in lines_with(runner, "ended with status 1; another one starts in")]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.4]
    waited = [later - earlier for earlier, later in pairwise(starts)]
    assert all(real >= 1000 * pause for real, pause in zip(waited, pauses, strict=False))


@pytest.mark.parametrize("leaves", [True, False])
def test_who_ends_well_but_at_once_is_not_started_again_and_again_without_a_pause(leaves: bool) -> None:
    script = f"""
if not {leaves}:
    Worker.leaving = lambda worker: None

def run(worker):
    return serve(worker, beats=0)

supervised(run)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 3)
        told = [line.split(": ", 1)[1].split(" ", 2)[2] for line in lines_with(runner, "another one starts")]
    what = "leaves" if leaves else "ended with status 0"
    assert told[:2] == [f"{what}; another one starts in {pause} s\n" for pause in (0.1, 0.2)]


def test_who_has_answered_its_requests_is_replaced_quietly() -> None:
    script = """
def run(worker):
    return serve(worker, beats=2)

supervised(run, workers=2, max_requests=10)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 6)
        assert lines_with(runner, "ERROR") == []
        assert lines_with(runner, "ready") == ["ready\n"]


def test_another_worker_starts_while_one_that_leaves_still_answers(tmp_path: Path) -> None:
    script = """
def run(worker):
    if worker.is_first:
        worker.ready("")
        tell("serves", os.getpid())
        worker.leaving()
        wait_for_file()  # longer than anybody may be silent
        return 0
    return serve(worker)

supervised(run, timeout=0.4)
"""
    with running(script, str(tmp_path / "gate")) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) >= 2)
        old = those(runner, "serves")[0]
        begun = time.monotonic()
        wait_for(runner, lambda: time.monotonic() > begun + 0.8)
        (tmp_path / "gate").touch()
        wait_for(runner, lambda: state(old) == "X")
        assert runner.stop() == 0
    (told,) = lines_with(runner, f"Worker {old} ")
    assert told.endswith(" leaves; another one starts in 0.1 s\n")


def test_who_leaves_and_does_not_end_is_killed() -> None:
    script = """
supervisor._MARGIN = 0.1

def run(worker):
    if worker.is_first:
        worker.ready("")
        worker.leaving()
        signal.pause()
    return serve(worker)

supervised(run, graceful_timeout=0.1)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 1)
        wait_for(runner, lambda: lines_with(runner, "was ended by SIGABRT\n") != [])
        assert runner.stop() == 0
    assert len(those(runner, "serves")) == 1


def test_a_worker_that_cannot_be_started_now_is_started_later() -> None:
    script = """
fork, forks = os.fork, []

def failing():
    forks.append(None)
    if 1 < len(forks) < 4:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()

os.fork = failing
supervised(serve, workers=2)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)
        assert [line.split(": ", 1)[1] for line in lines_with(runner, "ERROR")] == [
            "Cannot start a worker: Resource temporarily unavailable; tried again in 0.1 s\n",
            "Cannot start a worker: Resource temporarily unavailable; tried again in 0.2 s\n",
        ]
        assert runner.stop() == 0


def test_a_first_worker_that_cannot_be_started_is_a_fault_of_the_command() -> None:
    script = """
def failing():
    raise BlockingIOError(11, "Resource temporarily unavailable")

os.fork = failing
try:
    supervise(Options(bind="127.0.0.1:0"), serve)
except supervisor.UsageError as error:
    tell(error)
"""
    assert ended(script) == (0, ["cannot start a worker: Resource temporarily unavailable\n"])


# Silence


def test_a_worker_that_stands_still_is_told_to_end_and_then_killed() -> None:
    script = """
supervisor._MARGIN = 0.2

def run(worker):
    if worker.is_first:
        signal.signal(signal.SIGABRT, lambda *_: tell("aborted", os.getpid()))
        worker.ready("")
        while True:
            signal.pause()
    return serve(worker)

supervised(run, timeout=0.3)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) >= 1)
        (dead,) = those(runner, "aborted")
        wait_for(runner, lambda: lines_with(runner, f"Worker {dead} was ended by SIGKILL") != [])
    (line,) = lines_with(runner, f"Worker {dead} was silent")
    said = r"ERROR flask_embed\.workers: Worker \d+ was silent for 0\.\d s \(--timeout\) and is ended\n"
    assert re.search(said, line)


def test_where_it_stood_still_is_shown() -> None:
    script = """
def stands_still():
    signal.pause()

def run(worker):
    worker.ready("")
    if worker.is_first:
        stands_still()
    return serve(worker)

supervised(run, timeout=0.3)
"""
    with running(script) as runner:
        wait_for(runner, lambda: lines_with(runner, "in stands_still") != [])
        wait_for(runner, lambda: len(those(runner, "serves")) >= 1)


def test_a_worker_that_imports_for_ever_is_ended() -> None:
    script = """
supervisor._IMPORT = 0.3

def run(worker):
    signal.pause()

supervised(run, timeout=0.1)
"""
    status, lines = ended(script)
    text = "".join(lines)
    assert status == 2
    assert re.search(r"Worker \d+ was silent for 0\.\d s \(--timeout\) and is ended\n", text)
    assert "The first worker was ended by SIGABRT before it served\n" in text


def test_without_a_timeout_a_worker_may_be_silent() -> None:
    script = """
def run(worker):
    worker.ready("")
    time.sleep(0.3)
    return serve(worker)

supervised(run, timeout=0)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 1)
        assert runner.stop() == 0
    assert lines_with(runner, "ERROR") == []


def test_nobody_was_silent_while_all_stood_still() -> None:
    script = """
class Clock:
    late = 0
    sleep = time.sleep
    def monotonic(self):
        return time.monotonic() + self.late

clock = supervisor.time = Clock()

def jump(*signal):
    clock.late = 1000
    tell("later", 1)

signal.signal(signal.SIGUSR1, jump)
supervisor.reopen_logs = lambda: tell("looked", 1)

def run(worker):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return serve(worker)

supervised(run, timeout=20)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 1)
        runner.process.send_signal(signal.SIGUSR1)
        wait_for(runner, lambda: len(those(runner, "later")) == 1)
        runner.process.send_signal(signal.SIGHUP)
        wait_for(runner, lambda: len(those(runner, "looked")) == 1)
        runner.process.send_signal(signal.SIGHUP)  # comes after all that the first one has to do
        wait_for(runner, lambda: len(those(runner, "looked")) == 2)
        assert runner.stop() == 0
    assert lines_with(runner, "silent") == []


# Ending


def test_whoever_connects_after_the_signal_is_refused_while_the_rest_is_answered(tmp_path: Path) -> None:
    script = """
def run(worker):
    status = serve(worker)
    wait_for_file()
    return status

supervised(run, workers=2, bind=f"unix:{sys.argv[1]}")
"""
    path = tmp_path / "app.sock"
    with running(script, str(path), str(tmp_path / "gate")) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
        runner.process.send_signal(signal.SIGTERM)
        wait_for(runner, lambda: len(those(runner, "ends")) == 2)
        with socket.socket(socket.AF_UNIX) as connection, pytest.raises(ConnectionRefusedError):
            connection.connect(str(path))
        assert runner.process.poll() is None
        (tmp_path / "gate").touch()
        assert runner.process.wait(DEADLINE) == 0
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_what_runs(number: signal.Signals) -> None:
    script = """
def run(worker):
    serve(worker)
    while True:
        signal.pause()

supervised(run, workers=2, graceful_timeout=1000)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)
        runner.process.send_signal(number)
        wait_for(runner, lambda: len(those(runner, "ends")) == 2)
        assert runner.process.poll() is None
        assert runner.stop(number) == 0
        assert [state(pid) for pid in those(runner, "serves")] == ["X", "X"]


def test_what_does_not_end_in_time_is_killed() -> None:
    script = """
supervisor._MARGIN = 0.1

def run(worker):
    serve(worker)
    while True:
        signal.pause()

supervised(run, graceful_timeout=0.1)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 1)
        assert runner.stop() == 0
        (pid,) = those(runner, "serves")
        killed = f"Worker {pid} has not ended within --graceful-timeout and is killed\n"
        wait_for(runner, lambda: lines_with(runner, killed) != [])


@pytest.mark.parametrize("is_ready", [True, False])
def test_ctrl_c_reaches_all_processes_and_ends_them_without_a_word(is_ready: bool) -> None:
    script = f"""
def run(worker):
    tell("born", os.getpid())
    {"return serve(worker)" if is_ready else "signal.pause()"}

supervised(run)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves" if is_ready else "born")) == 1)
        os.killpg(runner.process.pid, signal.SIGINT)
        assert runner.process.wait(DEADLINE) == 0
        wait_for(runner, lambda: len(those(runner, "finally")) == 1)
    assert lines_with(runner, "Traceback") + lines_with(runner, "ERROR") == []


def test_hangup_is_passed_on_and_costs_no_worker_that_imports(tmp_path: Path) -> None:
    script = """
supervisor.reopen_logs = lambda: tell("reopened", os.getpid())

def run(worker):
    if not worker.is_first:
        tell("born", os.getpid())
        wait_for_file()
    signal.signal(signal.SIGHUP, lambda *_: tell("hangup", os.getpid()))
    return serve(worker)

supervised(run, workers=2)
"""
    with running(script, str(tmp_path / "gate")) as runner:
        wait_for(runner, lambda: len(those(runner, "born")) == 1)
        runner.process.send_signal(signal.SIGHUP)
        wait_for(runner, lambda: len(those(runner, "hangup")) == 1)
        assert those(runner, "reopened") == [runner.process.pid]
        (tmp_path / "gate").touch()
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)
        assert those(runner, "serves")[1:] == those(runner, "born")


def test_workers_end_when_their_supervisor_is_gone() -> None:
    with running("supervised(serve, workers=2)") as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 2)
        runner.process.kill()
        wait_for(runner, lambda: len(those(runner, "ends")) == 2)


def test_a_child_of_somebody_else_is_buried_too() -> None:
    script = """
pid = os.fork()
if pid == 0:
    os._exit(0)
tell("foreign", pid)
supervised(serve)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 1)
        (foreign,) = those(runner, "foreign")
        wait_for(runner, lambda: state(foreign) == "X")


# Starting again


def test_a_worker_that_wants_it_is_started_again_at_once_and_says_that_it_serves() -> None:
    script = """
def run(worker):
    worker.stop()
    serve(worker, f"served by {os.getpid()}")
    return supervisor.AGAIN

supervised(run, reload=True)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "serves")) == 3)
        assert those(runner, "served by")[:3] == those(runner, "serves")[:3]
        assert lines_with(runner, "ERROR") == []


def test_without_reload_its_status_is_one_like_others() -> None:
    script = """
def run(worker):
    worker.ready("")
    return supervisor.AGAIN

supervised(run)
"""
    with running(script) as runner:
        wait_for(runner, lambda: lines_with(runner, "ended with status 75; another one starts in 0.1 s") != [])


def test_with_reload_what_was_mistyped_is_still_the_end() -> None:
    status, _ = ended("supervised(lambda worker: 2, reload=True)")
    assert status == 2


def test_with_reload_the_line_comes_when_it_works_at_last() -> None:
    script = """
def run(worker):
    return supervisor.AGAIN if worker.is_first else serve(worker, "it works")

supervised(run, reload=True)
"""
    with running(script) as runner:
        runner.wait_for("it works")


def test_a_worker_that_is_stopped_from_another_thread_ends_by_its_next_beat() -> None:
    script = """
import threading

def run(worker):
    threading.Thread(target=worker.stop).start()
    return serve(worker)

supervised(run, reload=True)
"""
    with running(script) as runner:
        wait_for(runner, lambda: len(those(runner, "ends")) >= 1)


def test_what_cannot_be_listened_on_is_told_before_anything_starts() -> None:
    script = """
try:
    supervise(Options(bind="nonsense"), serve)
except supervisor.UsageError as error:
    tell(error)
"""
    status, lines = ended(script)
    assert (status, len(lines)) == (0, 1)
    with pytest.raises(UsageError, match="write HOST:PORT"), alone(Options(bind="nonsense")):
        pass
