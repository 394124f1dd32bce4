"""The sockets of ``--bind``."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.listeners import address_of, listening
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_host_and_port() -> None:
    with listening("127.0.0.1:0") as listener:
        host, port = listener.getsockname()
        assert (host, address_of(listener)) == ("127.0.0.1", f"http://127.0.0.1:{port}/")
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        with pytest.raises(UsageError, match="Address already in use"), listening(f"127.0.0.1:{port}"):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port))


def test_without_a_host_only_this_machine_is_served() -> None:
    with listening(":0") as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_ipv6_in_brackets() -> None:
    with listening("[::1]:0") as listener:
        assert address_of(listener) == f"http://[::1]:{listener.getsockname()[1]}/"


def test_an_inherited_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with listening(f"fd://{server.fileno()}") as listener:
            assert listener.getsockname() == server.getsockname()
        assert server.fileno() >= 0
    with (
        socket.socket() as silent,
        pytest.raises(UsageError, match="no listening socket"),
        listening(f"fd://{silent.fileno()}"),
    ):
        pass


def test_a_unix_socket_has_its_mode_and_goes_with_its_server(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    before = os.umask(0)
    try:
        with listening(f"unix:{path}") as listener:
            assert address_of(listener) == f"unix:{path}"
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            with pytest.raises(UsageError, match="another server answers"), listening(f"unix:{path}"):
                pass
        assert not path.exists()
    finally:
        os.umask(before)


def test_a_file_a_folder_and_a_link_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link", "."):
        with pytest.raises(UsageError, match="no socket lies there"), listening(f"unix:{tmp_path / name}"):
            pass
    assert (tmp_path / "link").read_text() == "precious"
    with pytest.raises(UsageError, match="No such file"), listening(f"unix:{tmp_path}/missing/app.sock"):
        pass


def test_the_socket_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as successor:
        with listening(f"unix:{path}"):
            path.unlink()
            successor.bind(str(path))
        assert path.exists()


@pytest.mark.parametrize(
    "bind", ["", "5000", "localhost", "a:b", "x:99999", "http://x:1", "fd://", "fd://x", "fd://-1", "::1:1"]
)
def test_another_form_is_refused_with_the_forms_there_are(bind: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"), listening(bind):
        pass
