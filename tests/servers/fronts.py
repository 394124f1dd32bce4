"""Real web servers, each started on a free port with its files in a folder, and stopped again.

``config`` is a text in which ``PORT`` stands for the port, or what makes the text when it is called with the port::

    with open_folder() as folder, nginx("listen 127.0.0.1:PORT; location / { return 204; }", folder) as front:
        urllib.request.urlopen(front.url)

A server that is not installed skips the test; one that does not get up fails it with what it wrote.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.serving import DEADLINE, ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    Config = str | Callable[[int], str]

__all__ = ["USER", "Front", "apache", "lighttpd", "nginx", "open_folder", "open_project", "spawned_python"]

#: as whom Apache answers requests and starts programs when it is started by root, which it refuses to be
USER = "www-data"

#: what apps of these tests import
_LIBRARIES = ("click", "flup", "itsdangerous", "jinja2", "markupsafe", "werkzeug")
_MODULES = Path("/usr/lib/apache2/modules")
#: those that Debian's Apache has without a2enmod, as far as they do something with a request
_USUAL = [
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_host",
    "alias",
    "dir",
    "env",
    "filter",
    "mime",
    "negotiation",
    "reqtimeout",
    "setenvif",
]

_NGINX = """{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {error_log} notice;
events {{ worker_connections 1024; }}
http {{
access_log off;
root {folder}/nothing;
default_type application/octet-stream;
client_body_temp_path {folder}/nginx-body;
proxy_temp_path {folder}/nginx-proxy;
fastcgi_temp_path {folder}/nginx-fastcgi;
uwsgi_temp_path {folder}/nginx-uwsgi;
scgi_temp_path {folder}/nginx-scgi;
{config}
}}
"""

_LIGHTTPD = """server.document-root = "{folder}/nothing"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{error_log}"
server.pid-file = "{folder}/lighttpd.pid"
server.upload-dirs = ( "{folder}" )
{config}
"""

_APACHE = """ServerRoot "{folder}"
ServerName localhost
DocumentRoot "{folder}/nothing"
PidFile "{folder}/apache.pid"
DefaultRuntimeDir "{folder}"
ErrorLog "{error_log}"
{modules}
TypesConfig /dev/null
ServerSignature On
{user}
ServerLimit 2
StartServers 1
MinSpareThreads 16
MaxSpareThreads 64
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers 128
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory "{folder}/nothing">
    Require all granted
</Directory>
{config}
"""


class Front(NamedTuple):
    """A web server that answers."""

    port: int
    #: where its files are
    folder: Path
    error_log: Path
    pid: int

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder whose sockets and files a server of another user reaches, with a path that is short enough for them.

    What :data:`USER` is to read or to connect to must let it; the folder itself belongs to its group.
    """
    with tempfile.TemporaryDirectory(prefix="front-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def nginx(config: Config, folder: Path) -> AbstractContextManager[Front]:
    """nginx with *config* inside ``http { }``; without ``server`` blocks in it, it is put into one."""

    def files(port: int, text: str, error_log: Path) -> list[str]:
        if not re.search(r"^\s*server\s*\{", text, re.MULTILINE):
            text = f"server {{\n{text if 'listen' in text else f'listen 127.0.0.1:{port};{text}'}\n}}"
        user = "user root;" if os.geteuid() == 0 else ""  # it has to reach the sockets of runners
        path = folder / "nginx.conf"
        path.write_text(_NGINX.format(user=user, folder=folder, error_log=error_log, config=text), "utf-8")
        return ["nginx", "-e", str(error_log), "-c", str(path)]

    return _front(config, folder, files)


def lighttpd(config: Config, folder: Path) -> AbstractContextManager[Front]:
    """lighttpd with *config* and, before it, where it listens, what it may serve and where it logs."""

    def files(port: int, text: str, error_log: Path) -> list[str]:
        path = folder / "lighttpd.conf"
        path.write_text(_LIGHTTPD.format(folder=folder, port=port, error_log=error_log, config=text), "utf-8")
        return ["lighttpd", "-D", "-f", str(path)]

    return _front(config, folder, files)


def apache(config: Config, folder: Path, modules: Sequence[str] = ()) -> AbstractContextManager[Front]:
    """Apache with *config* in its main server, and *modules* (``"proxy_fcgi"``) besides what Debian loads anyway.

    ``ServerSignature`` is on, as in Debian's ``conf-enabled/security.conf``. It listens on its port unless *config* has
    a ``Listen``. Started by root it runs as :data:`USER`, which must be able to reach *folder*: take one of
    :func:`open_folder`.
    """

    def files(port: int, text: str, error_log: Path) -> list[str]:
        user = ""
        if os.geteuid() == 0:
            _check_reachable(folder)
            user = f"User {USER}\nGroup {USER}"
        if not re.search(r"^\s*Listen\s", text, re.MULTILINE):
            text = f"Listen 127.0.0.1:{port}\n{text}"
        names = list(dict.fromkeys((*_USUAL, *modules)))
        for name in names:
            if _MODULES.is_dir() and not (_MODULES / f"mod_{name}.so").exists():
                pytest.skip(f"Apache's mod_{name} is not installed")
        if "cgid" in names:
            text = f'ScriptSock "{folder}/cgid.sock"\n{text}'
        if "fcgid" in names:
            text = f'FcgidIPCDir "{folder}/fcgid"\nFcgidProcessTableFile "{folder}/fcgid.shm"\n{text}'
        if "wsgi" in names:
            text = f'WSGISocketPrefix "{folder}/wsgi"\n{text}'
        loaded = "\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in names)
        path = folder / "apache.conf"
        path.write_text(
            _APACHE.format(folder=folder, error_log=error_log, modules=loaded, user=user, config=text), "utf-8"
        )
        return ["apache2", "-D", "FOREGROUND", "-f", str(path)]

    return _front(config, folder, files)


def spawned_python(folder: Path) -> Path:
    """A Python that a server of :data:`USER` can start: a venv in *folder* that finds flask_embed and its libraries.

    It is one of Debian's Python, which mod_wsgi embeds; nothing that was compiled for another version is found there.
    """
    base = shutil.which("python3", path="/usr/bin")
    if base is None:
        pytest.skip("Debian's python3 is not installed")
    home = folder / "venv"
    subprocess.run([base, "-m", "venv", "--without-pip", str(home)], check=True, timeout=DEADLINE)
    (own,) = home.glob("lib/python*/site-packages")
    (own / "found.pth").write_text("\n".join(map(str, _found_by_all())) + "\n", "utf-8")
    if open_project() != ROOT:
        _compile(base)
    return home / "bin" / "python"


def open_project() -> Path:
    """The folder of the project, for what :data:`USER` is to start in it."""
    return _found_by_all()[0]


@functools.cache
def _found_by_all() -> list[Path]:
    """The project and its libraries where :data:`USER` can read them: copies where those are closed to others."""
    places = [ROOT, *(Path(path) for path in sys.path if path.endswith("-packages"))]
    if os.geteuid() != 0 or not any(map(_closed, places)):
        return places
    folder = Path(tempfile.mkdtemp(prefix="project-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    without = shutil.ignore_patterns("__pycache__", "*.db")
    for name in ("flask_embed", "adapters", "middleware", "tests"):
        shutil.copytree(ROOT / name, folder / "project" / name, symlinks=True, ignore=without)
    for name in _LIBRARIES:
        found = [place / name for place in places[1:] if (place / name).is_dir()]
        shutil.copytree(found[0], folder / "libraries" / name, ignore=without)
    return [folder / "project", folder / "libraries"]


@functools.cache
def _compile(python: str) -> None:
    """Compile the copies: :data:`USER` cannot write there, and each CGI script would compile all that it imports."""
    project, libraries = _found_by_all()
    imported = [project / name for name in ("flask_embed", "adapters", "middleware", "tests/servers")]
    # What is no Python of this version fails where it is imported, if it is.
    subprocess.run([python, "-m", "compileall", "-q", *imported, libraries], timeout=3 * DEADLINE, check=False)


@contextlib.contextmanager
def _front(config: Config, folder: Path, files: Callable[[int, str, Path], list[str]]) -> Iterator[Front]:
    (folder / "nothing").mkdir(exist_ok=True)
    port = _free_port()
    text = re.sub(r"\bPORT\b", str(port), config) if isinstance(config, str) else config(port)
    own = re.search(r"^\s*listen\s+127\.0\.0\.1:(\d+)", text, re.MULTILINE | re.IGNORECASE)
    if own is not None:  # a text that listens where it wants to
        port = int(own[1])
    error_log = folder / "error.log"
    name, *arguments = files(port, text, error_log)
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    with (folder / "output.log").open("w+b") as output:
        process = subprocess.Popen(
            [program, *arguments],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            problem = _wait_until_up(port, process)
            if problem:
                told = "".join(
                    path.read_text("utf-8", "replace") for path in (folder / "output.log", error_log) if path.exists()
                )
                raise AssertionError(f"{name} {problem}: {told or 'it wrote nothing'}\n{text}")
            yield Front(port, folder, error_log, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(DEADLINE)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_up(port: int, process: subprocess.Popen[bytes]) -> str:
    """Return when *process* listens on the port; if it does not, what is wrong with it."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"ended with status {process.wait(0.02)}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return ""
    return "does not listen"


def _check_reachable(folder: Path) -> None:
    """AssertionError if :data:`USER` has no way to the folder."""
    closed = _closed(folder)
    if closed is not None:
        raise AssertionError(f"{USER} cannot enter {closed} on its way to {folder}; take a folder of open_folder()")


def _closed(folder: Path) -> Path | None:
    """The first folder that :data:`USER` cannot enter on its way to *folder*; None if there is none."""
    account = pwd.getpwnam(USER)
    for place in (folder, *folder.parents):
        found = place.stat()
        needed = stat.S_IXOTH
        if found.st_gid == account.pw_gid:
            needed = stat.S_IXGRP
        if found.st_uid == account.pw_uid:
            needed = stat.S_IXUSR
        if not found.st_mode & needed:
            return place
    return None
