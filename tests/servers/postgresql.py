"""A PostgreSQL of the tests' own, with its files and its socket in a folder::

    with postgresql() as server:
        engine = create_engine(server.url)

One that is not installed skips the test; one that does not get up fails it with what it wrote.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Server", "postgresql"]

#: who owns its files and is its superuser, where the tests are run by root: PostgreSQL refuses to be
ACCOUNTS = ("postgres", "nobody")
#: its database is gone with its folder, so nothing has to outlive a power cut
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
unix_socket_permissions = 0700
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 100
# What waits for ever in a test that fails is to end.
lock_timeout = 15s
"""


class Server:
    """A PostgreSQL that can be stopped and started again."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._files = folder / "data"
        self._log = folder / "postgresql.log"
        #: whose processes they are; None for those of whoever runs the tests
        self._account = _account() if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        """The URL for SQLAlchemy's create_engine(); only a user who may enter the folder can connect."""
        return f"postgresql+psycopg://tests@/postgres?host={self._folder}"

    def make(self) -> None:
        """Make an empty cluster."""
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb", "--pgdata", str(self._files), "--username", "tests", "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        with (self._files / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_SETTINGS.format(folder=self._folder))

    def start(self) -> None:
        """Return when it takes connections."""
        self._control("start", "--log", str(self._log))

    def stop(self) -> None:
        """Cut all connections, and return when it has ended. The process is found by the id that it has written."""
        self._control("stop", "--mode", "fast")

    @property
    def is_running(self) -> bool:
        return (self._files / "postmaster.pid").exists()

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", *arguments, "--pgdata", str(self._files), "--wait", "--timeout", str(int(DEADLINE)))

    def _run(self, program: str, *arguments: str) -> None:
        as_whom: dict[str, Any] = {}
        if self._account is not None:
            as_whom = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        # What it writes goes to a file: the server that it leaves running would hold a pipe open.
        with (self._folder / f"{program}.out").open("w+b") as output:
            ended = subprocess.run(
                [str(self._programs / program), *arguments],
                cwd=self._folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self._folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=2 * DEADLINE,
                check=False,
                **as_whom,
            )
            output.seek(0)
            written = output.read()
        if ended.returncode != 0:
            log = self._log.read_bytes() if self._log.exists() else b""
            raise AssertionError(f"{program} {arguments[0]} has failed: {(written + log).decode(errors='replace')}")


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """A server that takes connections, stopped at the end of the block."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    # Not below pytest's folder, which another account cannot enter; and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        server = Server(Path(folder), programs)
        server.make()
        try:
            server.start()
            yield server
        finally:
            if server.is_running:
                server.stop()


def _programs() -> Path | None:
    """The folder with initdb and its like, of the newest version that is installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),  # Debian has them on nobody's PATH
        key=lambda program: [int(part) for part in program.parts[-3].split(".") if part.isdigit()],
    )
    program = str(found[-1]) if found else shutil.which("initdb")
    return None if program is None else Path(program).parent


def _account() -> pwd.struct_passwd:
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip(f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS)}")
