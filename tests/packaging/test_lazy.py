"""``import flask_embed`` loads next to nothing, so that a runner can patch before anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: threading is no member: the import system and site load it themselves.
LATE = {"gevent", "tornado", "flup", "sqlalchemy", "httptools", "werkzeug", "jinja2", "socket", "ssl"}

SCRIPT = "import sys; before = set(sys.modules); import {}; print(*set(sys.modules) - before)"


def loaded_by(module: str, folder: Path) -> set[str]:
    """The top names of what a fresh interpreter loads for *module*, which is looked for in *folder* first."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return {name.split(".", 1)[0] for name in run.stdout.split()}


def test_importing_the_package_loads_no_library_and_no_server() -> None:
    loaded = loaded_by("flask_embed", ROOT)

    assert "flask_embed" in loaded
    assert not loaded & LATE


def test_what_a_package_loads_is_seen(tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text("import socket, werkzeug.routing")

    assert loaded_by("eager", tmp_path) & LATE == {"socket", "werkzeug"} | (
        loaded_by("werkzeug.routing", tmp_path) & LATE
    )


def test_wrappers_hands_on_the_request_and_the_response() -> None:
    from flask_embed import Request, Response, wrappers

    assert (wrappers.Request, wrappers.Response) == (Request, Response)
    assert wrappers.__all__ == ["Request", "Response"]
