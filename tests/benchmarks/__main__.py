"""``python -m tests.benchmarks``: what the framework itself takes of a request, beside Flask and Falcon.

Each app answers the same request in turn, round by round, so that a machine whose speed drifts slows all of them;
the figure is the best round, and what counts is the ratio.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Any

import falcon
import flask
from werkzeug.test import create_environ

import flask_embed

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

ROUNDS = 25
REQUESTS = 2000


def _start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
    return len


def _ours() -> WSGIApplication:
    app = flask_embed.Flask("bench")
    app.add_url_rule("/", "hello", view_func=lambda: "Hello World!")
    app.add_url_rule("/user/<name>", "user", view_func=lambda name: name)
    app.add_url_rule("/query", "query", view_func=lambda: flask_embed.request.args["q"])
    return app


def _flask() -> WSGIApplication:
    app = flask.Flask("bench")
    app.add_url_rule("/", "hello", view_func=lambda: "Hello World!")
    app.add_url_rule("/user/<name>", "user", view_func=lambda name: name)
    app.add_url_rule("/query", "query", view_func=lambda: flask.request.args["q"])
    return app


class _Hello:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = falcon.MEDIA_HTML
        response.text = "Hello World!"


class _User:
    def on_get(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        response.content_type = falcon.MEDIA_HTML
        response.text = name


class _Query:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = falcon.MEDIA_HTML
        response.text = request.get_param("q", required=True)


def _falcon() -> WSGIApplication:
    app = falcon.App()
    app.add_route("/", _Hello())
    app.add_route("/user/{name}", _User())
    app.add_route("/query", _Query())
    return app


def measure(apps: dict[str, WSGIApplication], target: str, body: bytes) -> dict[str, float]:
    """Microseconds that each app takes for a GET of *target*, in its best round; AssertionError for another *body*."""
    best = dict.fromkeys(apps, float("inf"))
    environ = create_environ(target)
    for app in apps.values():
        if b"".join(app(environ.copy(), _start_response)) != body:
            raise AssertionError(f"{app!r} does not answer {target} as it should")
    for _ in range(ROUNDS):
        for name, app in apps.items():
            environs = [environ.copy() for _ in range(REQUESTS)]
            gc.collect()
            begun = time.perf_counter()
            for one in environs:
                for _ in app(one, _start_response):
                    pass
            best[name] = min(best[name], (time.perf_counter() - begun) / REQUESTS * 1e6)
    return best


def main() -> int:
    """Print the table."""
    apps = {"flask_embed": _ours(), "Falcon": _falcon(), "Flask": _flask()}
    print(f"{'request':<12}" + "".join(f"{name + ' µs':>16}" for name in apps) + f"{'/ Falcon':>12}{'/ Flask':>12}")
    for target, body in {"/": b"Hello World!", "/user/ada": b"ada", "/query?q=x": b"x"}.items():
        times = measure(apps, target, body)
        ours = times["flask_embed"]
        figures = "".join(f"{took:>16.2f}" for took in times.values())
        print(f"{target:<12}{figures}{ours / times['Falcon']:>12.2f}{ours / times['Flask']:>12.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
