"""Workers and their supervisor, through ``python -m flask_embed.gevent``: replacement, signals, logs, options."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flask_embed.options import Options
from tests.serving import DEADLINE, ROOT, Runner, environment, fails, serving, unix_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

APP = """
import os, signal, sys, threading, time
import gevent
from flask_embed import Flask

def report(what):
    os.write(2, f"{what} {os.getpid()}\\n".encode())  # in one write, or those of several processes mix

report("imported by")
app = Flask(__name__)
released = threading.Event()

@app.on_startup
def start():
    report("started")

@app.on_shutdown
def stop():
    report("stopped")

@app.route("/")
def pid():
    return str(os.getpid())

@app.route("/die")
def die():
    os.kill(os.getpid(), signal.SIGKILL)

@app.route("/block")
def block():
    import _thread
    lock = _thread.allocate_lock()
    lock.acquire()
    __import__("ctypes").CDLL(None).sleep(60)
    return ""

@app.route("/slow")
def slow():
    print("slow has begun", file=sys.stderr, flush=True)
    return "slow" if released.wait(20) else "too slow"

@app.route("/release")
def release():
    released.set()
    return "released"

@app.route("/wait")
def wait():
    print("wait has begun", file=sys.stderr, flush=True)
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)
    return "waited"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps")
    (folder / "shop.py").write_text(APP)
    (folder / "broken.py").write_text("import a_module_that_is_not_there\n")
    return folder


@contextlib.contextmanager
def workers(
    folder: Path,
    *options: str,
    count: int = 2,
    bind: str = "127.0.0.1:0",
    kind: str = "gevent",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Runner]:
    """A supervisor whose workers have all started."""
    arguments = ["shop:app", "--bind", bind, "--workers", str(count), *options]
    with serving(kind, *arguments, cwd=folder, variables=variables) as runner:
        wait_for(runner, lambda: len(pids(runner, "started")) == count)
        yield runner


def wait_for(runner: Runner, condition: Callable[[], bool]) -> None:
    """Return when *condition* is true; it is checked after each line of the runner, and every 50 ms."""
    deadline = time.monotonic() + DEADLINE
    with runner.written:
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("".join(runner.lines))
            runner.written.wait(0.05)


def pids(runner: Runner, what: str) -> list[int]:
    """The ids of the processes that have written *what*, in order."""
    found = re.findall(rf"^{what} (?:by )?(\d+)$", "".join(runner.lines), re.MULTILINE)
    return [int(pid) for pid in found]


def living(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ask_until(runner: Runner, condition: Callable[[], bool]) -> set[bytes]:
    """Ask for the pid of a worker until *condition* is true; returns all answers."""
    answers = set()
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "".join(runner.lines)
        answers.add(runner.get("/")[2])
    return answers


def test_each_worker_imports_the_app_and_the_supervisor_does_not(folder: Path) -> None:
    with workers(folder, count=3) as runner:
        supervisor = runner.process.pid
        assert "(3 workers, Ctrl-C stops it)" in runner.first_line
        assert sum("is served by" in line for line in runner.lines) == 1
        imported = pids(runner, "imported")
        assert len(set(imported)) == 3
        assert supervisor not in imported
        maps = Path(f"/proc/{supervisor}/maps").read_text()
        assert "gevent" not in maps
        assert "greenlet" not in maps
        assert runner.stop() == 0
        wait_for(runner, lambda: sorted(pids(runner, "stopped")) == sorted(imported))
    assert not any(map(living, imported))


SUPERVISOR = """
import os, sys
from flask_embed.adapters.serving.supervisor import supervise
from flask_embed.options import Options

def run(worker):
    worker.ready("ready")
    os.kill(os.getppid(), 15)
    while worker.beat():
        pass
    return 0

status = supervise(Options(bind="127.0.0.1:0", workers=2), run)
foreign = [name for name in sys.modules if name.split(".")[0] in ("werkzeug", "gevent", "jinja2", "tornado")]
print(status, foreign)
"""


def test_the_supervisor_loads_no_library() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", SUPERVISOR],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert ended.stdout == "0 []\n"


def test_a_worker_that_dies_is_replaced(folder: Path) -> None:
    with workers(folder) as runner:
        before = pids(runner, "started")
        with contextlib.suppress(OSError, ConnectionError):
            runner.get("/die")
        wait_for(runner, lambda: len(pids(runner, "started")) == 3)
        assert runner.get("/")[0] == 200
        (dead,) = [pid for pid in before if not living(pid)]
        wait_for(runner, lambda: f"Worker {dead} was ended by SIGKILL; another one starts in " in "".join(runner.lines))


def test_a_worker_that_stands_still_is_replaced(folder: Path) -> None:
    with workers(folder, "--timeout", "1.5") as runner:
        with contextlib.suppress(OSError, ConnectionError):
            runner.get("/block")
        wait_for(runner, lambda: len(pids(runner, "started")) >= 3)
        text = "".join(runner.lines)
        said = r"ERROR flask_embed\.workers: Worker \d+ was silent for \d\.\d s \(--timeout\) and is ended\n"
        assert re.search(said, text)
        assert "in block" in text  # where it stood still
        assert runner.get("/")[0] == 200


@pytest.mark.parametrize(
    ("target", "message", "has_traceback"),
    [
        ("broken:app", "No module named 'a_module_that_is_not_there'", True),
        ("shop:missing", "python -m flask_embed.gevent: 'shop:missing': 'shop' has no attribute 'missing'", False),
    ],
)
def test_an_app_that_cannot_be_loaded_is_reported_once(
    folder: Path, target: str, message: str, has_traceback: bool
) -> None:
    status, text = fails("gevent", target, "--workers", "4", "--bind", "127.0.0.1:0", cwd=folder)
    assert (status, text.count(message), text.count("Traceback")) == (2, 1, int(has_traceback))


def test_a_signal_lets_the_running_requests_of_all_workers_end(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with workers(folder, bind=f"unix:{path}") as runner, contextlib.closing(runner.connect()) as busy:
        busy.request("GET", "/slow")
        runner.wait_for("slow has begun")
        runner.process.send_signal(signal.SIGTERM)
        wait_for(runner, lambda: len(pids(runner, "stopped")) == 1)
        (last,) = set(pids(runner, "started")) - set(pids(runner, "stopped"))
        assert living(last)
        # Nobody accepts any more, and who is connected is answered: so this goes over a connection to the same worker.
        assert runner.process.poll() is None
        runner.process.send_signal(signal.SIGTERM)  # enough of that
        assert runner.process.wait(DEADLINE) == 0
    assert not path.exists()
    assert not living(last)


@pytest.mark.parametrize("kind", ["gevent", "tornado"])
def test_after_the_signal_what_runs_is_answered_and_who_connects_is_refused(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    gate = tmp_path / "gate"
    with (
        workers(folder, kind=kind, variables={"GATE": str(gate)}) as runner,
        contextlib.closing(runner.connect()) as busy,
    ):
        busy.request("GET", "/wait")
        runner.wait_for("wait has begun")
        runner.process.send_signal(signal.SIGTERM)
        wait_until_refused(runner)
        gate.touch()
        answer = busy.getresponse()
        assert (answer.status, answer.read()) == (200, b"waited")
        assert runner.process.wait(DEADLINE) == 0
        wait_for(runner, lambda: len(pids(runner, "stopped")) == 2)


def wait_until_refused(runner: Runner) -> None:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            socket.create_connection((runner.host, runner.port), DEADLINE).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            pass
    raise AssertionError("connections are still accepted")


def test_workers_end_when_their_supervisor_is_gone(folder: Path) -> None:
    with workers(folder) as runner:
        left = pids(runner, "started")
        runner.process.kill()
        runner.process.wait(DEADLINE)
        wait_for(runner, lambda: not any(map(living, left)))
        wait_for(runner, lambda: sorted(pids(runner, "stopped")) == sorted(left))


def test_workers_are_replaced_after_their_requests_and_none_fails(folder: Path) -> None:
    with workers(folder, "--max-requests", "8") as runner:
        ask_until(runner, lambda: len(pids(runner, "started")) >= 5)
        assert "ERROR" not in "".join(runner.lines)


def test_hangup_opens_the_logs_anew(folder: Path, tmp_path: Path) -> None:
    access, errors = tmp_path / "access.log", tmp_path / "error.log"
    logs = ["--access-logfile", str(access), "--error-logfile", str(errors)]
    with workers(folder, *logs) as runner:
        ask_until(runner, lambda: access.read_text() != "")
        access.rename(tmp_path / "access.old")
        errors.rename(tmp_path / "error.old")
        runner.process.send_signal(signal.SIGHUP)
        ask_until(runner, lambda: access.exists() and access.read_text() != "")
        with contextlib.suppress(OSError, ConnectionError):
            runner.get("/die")
        wait_for(runner, lambda: errors.exists() and "SIGKILL" in errors.read_text())
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[\d+\] ERROR flask_embed\.workers: Worker \d+ was ended by SIGKILL; "
            r"another one starts in \S+ s\n",
            errors.read_text(),
        )


def test_a_unix_socket_has_the_mode_and_the_group_that_were_asked_for(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    group = os.getgid()
    options = ["--socket-mode", "0600", "--socket-group", str(group)]
    with workers(folder, *options, bind=f"unix:{path}"):
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o600, group)
        unix_socket(str(path)).close()
    assert not path.exists()


def test_the_pid_file_names_the_process_that_was_started(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "app.pid"
    with workers(folder, "--pid", str(file)) as runner:
        assert file.read_text() == f"{runner.process.pid}\n"
        status, text = fails("gevent", "shop:app", "--pid", str(file), "--bind", "127.0.0.1:0", cwd=folder)
        assert (status, f"process {runner.process.pid}, which the file names, is running" in text) == (2, True)
        assert file.read_text() == f"{runner.process.pid}\n"
    assert not file.exists()


@pytest.mark.parametrize("left", ["", "\n", "999999999\n"])
def test_a_pid_file_that_was_left_is_taken_over(folder: Path, tmp_path: Path, left: str) -> None:
    file = tmp_path / "app.pid"
    file.write_text(left)
    with serving("gevent", "shop:app", "--bind", "127.0.0.1:0", "--pid", str(file), cwd=folder) as runner:
        assert file.read_text() == f"{runner.process.pid}\n"
    assert not file.exists()


def test_a_pid_file_of_the_same_process_before_is_taken_over(tmp_path: Path) -> None:
    # In a container every start is process 1, also after one that was killed.
    script = (
        "import os, sys; from pathlib import Path; from flask_embed.gevent import main; "
        "Path('app.pid').write_text(str(os.getpid())); sys.exit(main(['no_such:app', '--pid', 'app.pid']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "there is no module 'no_such'" in ended.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_another_file_in_place_of_the_pid_file_is_kept(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("precious")
    status, text = fails("gevent", "shop:app", "--pid", str(file), "--bind", "127.0.0.1:0", cwd=folder)
    assert (status, text.count("\n"), "holds something other than a process id" in text) == (2, 1, True)
    assert file.read_text() == "precious"


@pytest.mark.parametrize("target", ["secret", "nothing"])
def test_a_pid_file_that_is_a_link_is_refused_and_what_it_leads_to_left_alone(
    folder: Path, tmp_path: Path, target: str
) -> None:
    secret, file = tmp_path / "secret", tmp_path / "app.pid"
    secret.write_text("")
    file.symlink_to(tmp_path / target)

    status, text = fails("gevent", "shop:app", "--pid", str(file), "--bind", "127.0.0.1:0", cwd=folder)

    assert status == 2
    assert f"--pid {file}: Too many levels of symbolic links" in text
    assert (secret.read_text(), file.is_symlink(), (tmp_path / "nothing").exists()) == ("", True, False)


def test_files_are_where_the_command_was_typed_with_its_umask(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "wanderer.py").write_text(
        "import logging, os\nos.chdir('elsewhere')\nopen('own', 'w').close()\n"
        "def app(environ, start_response):\n"
        "    logging.getLogger('wanderer').warning('asked')\n"
        "    start_response('200 OK', [])\n    return [b'']\n"
    )
    options = ["--access-logfile", "access.log", "--error-logfile", "error.log", "--pid", "app.pid", "--umask", "0077"]
    with serving(
        "gevent", "wanderer:app", "--bind", "unix:app.sock", "--workers", "2", *options, cwd=tmp_path
    ) as runner:
        runner.path = str(tmp_path / runner.path)
        assert runner.get("/")[0] == 200
        for name in ("access.log", "error.log", "app.pid", "elsewhere/own"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "app.sock").stat().st_mode) == 0o660
        assert "WARNING wanderer: asked\n" in (tmp_path / "error.log").read_text()
        wait_for(runner, lambda: (tmp_path / "access.log").read_text().startswith("- - - ["))
    assert sorted(path.name for path in tmp_path.iterdir() if "." in path.name) == [
        "access.log",
        "error.log",
        "wanderer.py",
    ]


@pytest.mark.parametrize(("options", "patched"), [([], "True"), (["--no-patch"], "False")])
@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_the_standard_library_is_patched_before_the_app_is_imported_without_no_patch(
    tmp_path: Path, workers: list[str], options: list[str], patched: str
) -> None:
    (tmp_path / "site_app.py").write_text(
        "from socket import socket\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [module]\n"
        "module = str(socket.__module__.startswith('gevent')).encode()\n"
    )
    with serving("gevent", "site_app:app", "--bind", "127.0.0.1:0", *workers, *options, cwd=tmp_path) as runner:
        assert runner.get("/")[2].decode() == patched


SITE = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{}']\n"


@contextlib.contextmanager
def reloading(folder: Path, kind: str = "gevent") -> Iterator[Runner]:
    with serving(kind, "site_app:app", "--bind", "127.0.0.1:0", "--reload", cwd=folder) as runner:
        yield runner


@pytest.mark.parametrize("kind", ["gevent", "tornado"])
def test_it_starts_again_when_a_file_changes(tmp_path: Path, kind: str) -> None:
    module = tmp_path / "site_app.py"
    module.write_text(SITE.format("first"))
    with reloading(tmp_path, kind) as runner:
        assert runner.get("/")[2] == b"first"
        module.write_text("this is no Python")
        runner.wait_for("SyntaxError: invalid syntax")
        assert runner.process.poll() is None
        module.write_text(SITE.format("second, and longer"))
        assert runner.get("/")[2] == b"second, and longer"  # it waits in the backlog meanwhile
        wait_for(runner, lambda: runner.lines.count("flask_embed: site_app.py has changed, starting again\n") == 2)
        wait_for(runner, lambda: runner.lines.count(runner.first_line) == 2)
        assert "ERROR" not in "".join(runner.lines)
        assert runner.stop() == 0


def test_it_starts_when_a_broken_module_is_corrected(tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(
        f"open(__file__, 'w').write({SITE.format('mended')!r})\nraise RuntimeError('broken')"
    )
    with reloading(tmp_path) as runner:
        assert "RuntimeError: broken\n" in runner.lines
        assert runner.get("/")[2] == b"mended"


def test_it_starts_when_a_missing_module_is_added(tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(SITE.format("first"))
    with reloading(tmp_path) as runner:
        (tmp_path / "site_app.py").write_text("from site_missing import app")
        runner.wait_for("ModuleNotFoundError: No module named 'site_missing'")
        (tmp_path / "site_missing.py").write_text(SITE.format("second"))
        assert runner.get("/")[2] == b"second"


def test_a_worker_that_waits_for_a_change_ends_with_its_supervisor(tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(SITE.format("first"))
    with reloading(tmp_path) as runner:
        (tmp_path / "site_app.py").write_text("import os\nos.write(2, f'broken in {os.getpid()}\\n'.encode())\n1 / 0\n")
        runner.wait_for("ZeroDivisionError: division by zero")
        (pid,) = (int(line.split()[-1]) for line in runner.lines if line.startswith("broken in"))
        runner.process.kill()
        wait_for(runner, lambda: not living(pid))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop:missing"], "'shop' has no attribute 'missing'"),
        (["no_such:app"], "there is no module 'no_such'"),
        (["shop:app", "--prefix", "//x"], "a browser would read a host"),
        (["shop:app", "--access-logfile", "/nowhere/access.log"], "cannot write the log '/nowhere/access.log'"),
    ],
)
def test_a_mistyped_command_ends_with_reload_too(folder: Path, arguments: list[str], message: str) -> None:
    status, text = fails("gevent", *arguments, "--reload", "--bind", "127.0.0.1:0", cwd=folder)
    assert (status, text.count(message), "Traceback" in text) == (2, 1, False)


@pytest.mark.parametrize("kind", ["gevent", "tornado", "fastcgi"])
def test_the_help_has_every_option_of_the_runner(kind: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", f"flask_embed.{kind}", "--help"],
        env=environment() | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    names = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Options)} - {"--title", "--mounts"}
    names |= {"--chdir", "--mount", "--umask", "--pid", "--version", "--no-patch"}
    names -= {"--threads"} if kind == "gevent" else {"--no-patch"}
    names -= set() if kind == "fastcgi" else {"--web-server-addrs"}
    assert set(re.findall(r"^  (?:-\w(?: \w+)?, )?(--[\w-]+)", ended.stdout, re.MULTILINE)) == names | {"--help"}
    assert "None" not in ended.stdout
    address = "the one that the web server passes" if kind == "fastcgi" else "127.0.0.1:5000"
    for default in ("(default: 60)", "(default: 8192)", "(default: 0660)", "(default: info)", address):
        assert default in " ".join(ended.stdout.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "argument -w/--workers: '0' is not a number of processes between 1 and 1000"),
        (["--workers", "two"], "'two' is not a number of processes"),
        (["--workers", "2", "--reload"], "--reload serves with one worker: leave out --workers 2"),
        (
            ["--limit-body", "12x"],
            "'12x' is not a size: write a number of bytes from 1 on, or 64k, 16m, 1g, or none for no limit",
        ),
        (["--limit-line", "0"], "'0' is not a size"),
        (["--keep-alive", "nan"], "'nan' is not a number of seconds between 0 and 86399"),
        (["--socket-mode", "999"], "'999' is not a file mode: write octal digits up to 0777, such as 0660"),
        (["--socket-mode", "0666", "--bind", "unix:app.sock"], "lets every user of this machine connect"),
        (["--socket-group", "no_such_group", "--bind", "unix:app.sock"], "unknown group"),
        (["--access-logfile", "/nowhere/access.log"], "cannot write the log '/nowhere/access.log'"),
        (["--error-logfile", "/nowhere/error.log"], "cannot write the log '/nowhere/error.log'"),
        (["--pid", "/nowhere/app.pid"], "--pid /nowhere/app.pid: No such file"),
        (["--log-level", "loud"], "invalid choice: 'loud'"),
        (["--threads", "4"], "unrecognized arguments: --threads 4"),
        (["--max-requests", "-1"], "'-1' is not a number of requests between 0 and 1000000000000"),
        (["--umask", "rw"], "'rw' is not a file mode: write octal digits up to 0777, such as 0660"),
        (["--limit-header-count", "0"], "'0' is not a number of headers between 1 and 100000"),
        (["--limit-body", "0"], "'0' is not a size"),
    ],
)
def test_a_mistyped_option_is_reported_on_one_line(folder: Path, options: list[str], message: str) -> None:
    bind = [] if "--bind" in options else ["--bind", "127.0.0.1:0"]
    status, text = fails("gevent", "shop:app", *bind, *options, cwd=folder)
    reported = [
        line for line in text.splitlines() if not line.startswith(("usage:", " ", "imported", "started", "stopped"))
    ]
    assert (status, len(reported)) == (2, 1)
    assert message in reported[0]


@pytest.mark.parametrize("passed", ["fd://3", None])
def test_a_socket_of_systemd_is_taken(folder: Path, passed: str | None) -> None:
    bind = [f"--bind={passed}"] if passed else []
    # What systemd does: the socket is descriptor 3, and the variables name the process that is executed.
    start = (
        "import os, sys; fd = int(sys.argv[1]); os.dup2(fd, 3); os.set_inheritable(3, True); "
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.executable, sys.argv[2:])"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "flask_embed.gevent", "shop:app", *bind]
        process = subprocess.Popen(
            [sys.executable, "-c", start, str(listener.fileno()), *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        port = listener.getsockname()[1]
    killer = threading.Timer(DEADLINE, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any(f"http://127.0.0.1:{port}/" in line for line in lines)
    finally:
        killer.cancel()
        process.terminate()
        process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
