"""``python -m tests.benchmarks.mounting``: what dispatching costs, beside Werkzeug's dispatcher.

Each dispatcher handles the same request in turn, round by round; the figure is the best round, and what counts is the
ratio. Ours leaves the caller's environ alone and copies it, Werkzeug's changes it.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING

from werkzeug.middleware.dispatcher import DispatcherMiddleware as WerkzeugDispatcher
from werkzeug.test import create_environ

from flask_embed.middleware import DispatcherMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUNDS = 25


def _mounted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return ()


def _rest(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return ()


def best(apps: dict[str, WSGIApplication], path: str, requests: int = 2000, rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds that each app takes for a request of *path* in its best round."""
    found = dict.fromkeys(apps, float("inf"))
    environ = create_environ("/")
    environ.update(PATH_INFO=path, HTTP_ACCEPT="*/*", HTTP_USER_AGENT="bench", REMOTE_ADDR="127.0.0.1")
    for _ in range(rounds):
        for name, app in apps.items():
            environs = [environ.copy() for _ in range(requests)]
            gc.collect()
            begun = time.perf_counter()
            for one in environs:
                app(one, None)  # type: ignore[arg-type]
            found[name] = min(found[name], (time.perf_counter() - begun) / requests * 1e6)
    return found


def _row(label: str, first: float, second: float) -> None:
    print(f"{label:<44}{first:>12.2f}{second:>14.2f}{first / second:>10.4f}")


def main() -> int:
    """Print the table."""
    print(f"{'request':<44}{'ours µs':>12}{'Werkzeug µs':>14}{'ratio':>10}")
    mounts: dict[str, WSGIApplication] = {"/app": _mounted, **{f"/app{number}": _mounted for number in range(10)}}
    apps: dict[str, WSGIApplication] = {
        "ours": DispatcherMiddleware(_rest, mounts),
        "Werkzeug": WerkzeugDispatcher(_rest, mounts),
    }
    for segments in (1, 2, 4, 6, 8, 12):
        path = "/app" + "/x" * segments
        found = best(apps, path)
        _row(f"/app and {segments} more segment{'s' if segments > 1 else ''}", found["ours"], found["Werkzeug"])
    slashes = "/" * 65536
    ours = best({"ours": apps["ours"]}, slashes, 1000)["ours"]
    _row("64 KB of slashes", ours, best({"Werkzeug": apps["Werkzeug"]}, slashes, 1, rounds=3)["Werkzeug"])

    print(f"\n{'request':<44}{'100,000 µs':>12}{'10 mounts µs':>14}{'ratio':>10}")
    many = DispatcherMiddleware(_rest, {**mounts, **{f"/app{number}": _mounted for number in range(100_000)}})
    for path in ("/app/x", "/app7/x", "/none/x"):
        found = best({"many": many, "ten": apps["ours"]}, path)
        _row(path, found["many"], found["ten"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
