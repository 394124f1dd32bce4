"""The same requests to all four runners: over HTTP, in FastCGI records, as a CGI script."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tests.adapters.records import Peer
from tests.reference.fastcgi_client import parse_cgi
from tests.serving import DEADLINE, command, environment, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["HTTP", "RUNNERS", "Ask", "Asked", "asking"]

HTTP = ("gevent", "tornado")
RUNNERS = (*HTTP, "fastcgi", "cgi")
#: what a web server tells a CGI script of a request, beside what a test says
_GATEWAY = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "localhost",
}


class Asked(NamedTuple):
    """An answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: what was written to the log meanwhile; with a server, all that it has written so far
    log: str


class Ask(Protocol):
    """Ask for a path, encoded as in a URL and without a query; headers are CGI variables."""

    def __call__(self, path: str = "/", query: str = "", /, **variables: str) -> Asked: ...


@contextlib.contextmanager
def asking(runner: str, target: str, folder: Path, *options: str) -> Iterator[Ask]:
    """A function that asks *runner*, which serves *target* from the modules of *folder* until the end of the block."""
    if runner == "cgi":
        yield _asking_cgi(target, folder, *options)
        return
    bind = f"unix:{folder}/asked.sock" if runner == "fastcgi" else "127.0.0.1:0"
    with serving(runner, target, "--bind", bind, *options, cwd=folder) as server:

        def ask_fastcgi(path: str = "/", query: str = "", /, **variables: str) -> Asked:
            with Peer(server.path) as peer:
                status, headers, body = peer.ask(path, QUERY_STRING=query, **{**_GATEWAY, **variables})
            return Asked(int(status[:3] or 200), headers, body, "".join(server.lines))

        def ask_http(path: str = "/", query: str = "", /, **variables: str) -> Asked:
            headers = {name.removeprefix("HTTP_").replace("_", "-"): value for name, value in variables.items()}
            return Asked(*server.get(f"{path}?{query}" if query else path, **headers), "".join(server.lines))

        yield ask_fastcgi if runner == "fastcgi" else ask_http


def _asking_cgi(target: str, folder: Path, *options: str) -> Ask:
    def ask(path: str = "/", query: str = "", /, **variables: str) -> Asked:
        request = {**_GATEWAY, "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, **variables}
        ended = subprocess.run(
            command("cgi", target, *options),
            cwd=folder,
            env={**environment(), **request},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        answer = parse_cgi(ended.stdout.decode("latin-1"))
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Asked(answer.status, headers, answer.text.encode("latin-1"), ended.stderr.decode())

    return ask
