"""nginx on one machine, FastCGI workers on two others: what happens to requests when one of them is gone."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from flask_embed.config import Deployment, render
from tests.servers.fronts import nginx
from tests.servers.namespaces import machines
from tests.serving import DEADLINE, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.fronts import Front
    from tests.servers.namespaces import Machine
    from tests.serving import Runner

APP = """
import os, time

def app(environ, start_response):
    time.sleep(0.005)  # so that some are always on their way
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["MACHINE"].encode()]
"""
#: seconds without a sign of an answer after which nginx asks another machine: a minute as it is generated
READ_TIMEOUT = 2
CLIENTS = 8


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Front, list[Machine], list[Runner]]]:
    """The front, all machines, and what serves on those behind it."""
    (tmp_path / "where.py").write_text(APP)
    with machines(2) as found, contextlib.ExitStack() as stack:
        runners = []
        for number, machine in enumerate(found[1:], 1):
            arguments = ["--bind", f"10.77.{number}.2:9000", "--web-server-addrs", f"10.77.{number}.1"]
            with machine.inside():
                runners.append(
                    stack.enter_context(
                        serving(
                            "fastcgi", "where:app", *arguments, cwd=tmp_path, variables={"MACHINE": f"machine {number}"}
                        )
                    )
                )
        config = render(
            "nginx", Deployment(app="where:app", tcp=("10.77.1.2:9000", "10.77.2.2:9000"), web_server="10.77.1.1")
        )
        config = config.replace("fastcgi_read_timeout 60s", f"fastcgi_read_timeout {READ_TIMEOUT}s")
        assert f"fastcgi_read_timeout {READ_TIMEOUT}s" in config
        stack.enter_context(found[0].inside())
        front = stack.enter_context(nginx(config.replace("listen 80;", "listen 127.0.0.1:PORT;"), tmp_path))
        yield front, found, runners


class Load:
    """Clients that ask without a pause, and count who has answered."""

    def __init__(self, port: int, method: str) -> None:
        self.port = port
        self.method = method
        self.answers: Counter[str] = Counter()
        self.changed = threading.Condition()
        self.is_over = False
        self.threads = [threading.Thread(target=self.ask) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_over = True
        for thread in self.threads:
            thread.join(DEADLINE)

    def ask(self) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)) as connection:
            while not self.is_over:
                try:
                    connection.request(self.method, "/", body=b"a form" if self.method == "POST" else None)
                    answer = connection.getresponse()
                    told = answer.read().decode("latin-1")
                    told = told if answer.status == 200 else f"{answer.status} {told[:60]}"
                except (OSError, http.client.HTTPException) as error:
                    told = repr(error)
                    connection.close()
                with self.changed:
                    self.answers[told] += 1
                    self.changed.notify_all()

    def wait_for(self, count: int, who: str) -> None:
        """Return when *who* has answered so many more times."""
        with self.changed:
            goal = self.answers[who] + count
            if not self.changed.wait_for(lambda: self.answers[who] >= goal, 2 * DEADLINE):
                raise AssertionError(f"{who} did not answer: {self.answers}")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_request_fails_when_one_machine_s_server_is_stopped(
    site: tuple[Front, list[Machine], list[Runner]], method: str
) -> None:
    front, _, runners = site
    with Load(front.port, method) as load:
        load.wait_for(50, "machine 1")
        load.wait_for(50, "machine 2")
        assert runners[0].stop() == 0
        load.wait_for(300, "machine 2")
    assert set(load.answers) == {"machine 1", "machine 2"}


def test_no_request_that_can_be_repeated_fails_when_one_machine_is_cut_off(
    site: tuple[Front, list[Machine], list[Runner]],
) -> None:
    front, found, _ = site
    with Load(front.port, "GET") as load:
        load.wait_for(50, "machine 1")
        load.wait_for(50, "machine 2")
        found[0].run("link", "set", "to2", "down")
        load.wait_for(500, "machine 1")
    assert set(load.answers) == {"machine 1", "machine 2"}
