"""The output of ``flask-embed config``, set up as its comments say: the runner, the file, the web server."""

from __future__ import annotations

import contextlib
import grp
import os
import re
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_embed.config import Deployment, modules, render
from tests.servers.fronts import USER, Front, apache, lighttpd, nginx, open_project, spawned_python
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["commands_of", "deployed", "deployment", "free_address", "script_of"]

_FRONTS = {"nginx": nginx, "lighttpd": lighttpd}


def deployment(server: str, via: str, folder: Path, **values: Any) -> Deployment:
    """The deployment of an app of the tests, with its files in *folder*; *values* are more of it, or others."""
    chosen: dict[str, Any] = {"via": via, "group": USER if os.geteuid() == 0 else grp.getgrgid(os.getgid()).gr_name}
    chosen["app"] = "tests.servers.telling:app"
    if via in ("spawn", "cgi", "wsgi"):
        chosen |= {
            "script": str(folder / f"app.{via}"),
            "python": str(spawned_python(folder)),
            "chdir": str(open_project()),
        }
        if server == "lighttpd" and via == "spawn":
            chosen["socket"] = str(folder / "spawned.sock")
    elif "tcp" not in values:
        chosen["socket"] = str(folder / "app.sock")
    return Deployment(**{**chosen, **values})


@contextlib.contextmanager
def deployed(server: str, made: Deployment, folder: Path, more: str = "") -> Iterator[Front]:
    """The web server that answers for the deployment, with its runners, for the length of the block.

    *more* is what an administrator adds to the site: within ``server { }`` or ``<VirtualHost>``, else at the end.
    """
    with contextlib.ExitStack() as stack:
        text = render(server, made)
        if made.script is not None:
            file = Path(made.script)
            file.write_text(script_of(text), "utf-8")
            file.chmod(0o755)
        else:
            for command in commands_of(text):
                assert command[:2] == ["python", "-m"]
                stack.enter_context(serving(command[2].removeprefix("flask_embed."), *command[3:]))
        if more:
            text = _with_more(server, text, more)
        if server == "apache":
            front = apache(text.replace("<VirtualHost *:80>", "<VirtualHost *:PORT>"), folder, modules(made))
        else:
            front = _FRONTS[server](text.replace("listen 80;", "listen 127.0.0.1:PORT;"), folder)
        yield stack.enter_context(front)


def _with_more(server: str, text: str, more: str) -> str:
    """The configuration with these lines at the end of its site."""
    if server == "lighttpd":
        return f"{text}\n{more}\n"
    end = {"nginx": "\n}\n", "apache": "\n</VirtualHost>\n"}[server]
    before, found, after = text.rpartition(end)
    assert found
    return f"{before}\n{more}{found}{after}"


def commands_of(text: str) -> list[list[str]]:
    """The commands in the first comments of a configuration."""
    first = text.partition("\n#\n")[0]
    return [shlex.split(line.removeprefix("# ")) for line in first.splitlines()]


def script_of(text: str) -> str:
    """The lines of the file that the comments of a configuration show."""
    return "".join(
        f"{line}\n" for line in re.findall(r"^#(?:     (.*))?$", text.partition("holds these lines")[2], re.MULTILINE)
    )


def free_address() -> str:
    """``127.0.0.1:PORT`` where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
