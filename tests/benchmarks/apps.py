"""The WSGI callables that the servers are measured with, and what serves them where that is not a command of its own.

``python -m tests.benchmarks.apps pywsgi 3`` serves :func:`hello` with gevent's own server on the listening socket that
is the file descriptor 3, ``… container 3`` with Tornado's own WSGIContainer and threads, ``… flup PATH`` with
flup's own threads at a unix socket.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY = b"Hello World!"
PART = bytes(1024 * 1024)


def _start(start_response: StartResponse, length: int) -> None:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(length))])


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The least that an app can do."""
    _start(start_response, len(BODY))
    return [BODY]


def burn(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Keep a processor busy for about 2 ms."""
    number = 0
    for step in range(45_000):
        number += step
    return hello(environ, start_response)


def wait(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Take two seconds, and no processor."""
    time.sleep(2)
    return hello(environ, start_response)


def upload(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body in pieces and tell its length."""
    stream, length = environ["wsgi.input"], 0
    while part := stream.read(64 * 1024):
        length += len(part)
    body = str(length).encode()
    _start(start_response, len(body))
    return [body]


def download(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Stream as many bytes as the query says."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    for _ in range(int(environ["QUERY_STRING"]) // len(PART)):
        yield PART


def _serve_with_pywsgi(fileno: int) -> None:
    from gevent import monkey

    monkey.patch_all()
    from gevent import socket
    from gevent.pywsgi import WSGIServer

    WSGIServer(socket.socket(fileno=fileno), hello, log=None).serve_forever()


def _serve_with_container(fileno: int) -> None:
    import asyncio
    import socket
    from concurrent.futures import ThreadPoolExecutor

    from tornado.httpserver import HTTPServer
    from tornado.wsgi import WSGIContainer

    async def serve() -> None:
        server = HTTPServer(WSGIContainer(hello, executor=ThreadPoolExecutor(40)))
        listener = socket.socket(fileno=fileno)
        listener.setblocking(False)
        server.add_socket(listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


def _serve_with_flup(path: str) -> None:
    from flup.server.fcgi import WSGIServer

    WSGIServer(hello, bindAddress=path).run()


if __name__ == "__main__":
    if sys.argv[1] == "flup":
        _serve_with_flup(sys.argv[2])
    else:
        {"pywsgi": _serve_with_pywsgi, "container": _serve_with_container}[sys.argv[1]](int(sys.argv[2]))
