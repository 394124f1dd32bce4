"""The line that a runner prints when it is ready."""

from __future__ import annotations

import pytest

from flask_embed.options import Options


@pytest.mark.parametrize(
    ("options", "address", "line"),
    [
        (Options(), "http://127.0.0.1:5000/", "app is served by gevent at http://127.0.0.1:5000/ "),
        (Options(title="a:b", prefix="/p"), "http://[::1]:1/", "a:b is served by gevent at http://[::1]:1/p "),
        (Options(prefix="/p"), "unix:/a.sock", "app is served by gevent at unix:/a.sock, below /p "),
        (
            Options(mounts=("/a", "/b")),
            "unix:/a.sock",
            "app is served by gevent at unix:/a.sock, with mounts at /a, /b ",
        ),
    ],
)
def test_the_start_line_has_app_address_and_mounts(options: Options, address: str, line: str) -> None:
    assert options.start_line("gevent", address) == line + "(1 worker, Ctrl-C stops it)"
