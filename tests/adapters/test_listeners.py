"""The sockets of ``--bind``."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

import pytest

from flask_embed.adapters.serving.listeners import activated, address_of, listening
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
        pytest.raises(UsageError, match="not a listening socket"),
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


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o770])
def test_a_unix_socket_has_the_mode_that_was_asked_for(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "app.sock"
    before = os.umask(0o777)
    try:
        with listening(f"unix:{path}", mode=mode):
            assert stat.S_IMODE(path.stat().st_mode) == mode
        assert os.umask(0o777) == 0o777
    finally:
        os.umask(before)


def test_a_unix_socket_is_given_to_a_group_by_name_or_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.sock"
    given: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "chown", lambda *arguments, follow_symlinks: given.append((*arguments, follow_symlinks)))
    for group in ("0", grp.getgrgid(0).gr_name, None):
        with listening(f"unix:{path}", group=group):
            assert path.is_socket()
    assert given == [(str(path), -1, 0, False)] * 2


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to a group takes root")
def test_a_link_in_the_place_of_the_socket_leaves_what_it_leads_to_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, path = tmp_path / "secret", tmp_path / "app.sock"
    secret.write_text("of root")
    chown = os.chown

    def late(*arguments: Any, **options: Any) -> None:
        path.unlink()
        path.symlink_to(secret)
        chown(*arguments, **options)

    monkeypatch.setattr(os, "chown", late)
    with listening(f"unix:{path}", group="12345"):
        pass

    assert secret.stat().st_gid != 12345
    assert path.is_symlink()  # it is not ours, so it is left there


@pytest.mark.parametrize("group", ["no_such_group", "", "-1", "4294967295", "9" * 100, "a\0b"])
def test_a_group_that_is_none_is_named_and_nothing_is_left(tmp_path: Path, group: str) -> None:
    bind = f"unix:{tmp_path}/app.sock"
    with pytest.raises(UsageError, match="unknown group"), listening(bind, group=group):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_group_that_one_is_not_in_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chown(*arguments: object, follow_symlinks: bool) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", chown)
    bind = f"unix:{tmp_path}/app.sock"
    with pytest.raises(UsageError, match="--socket-group 0: Operation not permitted"), listening(bind, group="0"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_nobody_connects_before_the_socket_belongs_to_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def chown(path: str, owner: int, group: int, follow_symlinks: bool) -> None:
        with socket.socket(socket.AF_UNIX) as early:
            refused.append(early.connect_ex(path))

    monkeypatch.setattr(os, "chown", chown)
    with listening(f"unix:{tmp_path}/app.sock", group="0"):
        pass
    assert refused == [errno.ECONNREFUSED]


def test_a_socket_is_removed_wherever_the_app_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with listening("unix:app.sock"):
        monkeypatch.chdir("elsewhere")
    assert not (tmp_path / "app.sock").exists()


def test_a_socket_of_systemd_is_for_the_process_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    inheritable: dict[int, bool] = {}
    monkeypatch.setattr(os, "set_inheritable", inheritable.__setitem__)
    own = str(os.getpid())
    for pid, count, bind in (
        (own, "1", "fd://3"),
        (own, "0", None),
        (own, "", None),
        (own, "x", None),
        (str(os.getppid()), "1", None),
        ("", "1", None),
    ):
        monkeypatch.setenv("LISTEN_PID", pid)
        monkeypatch.setenv("LISTEN_FDS", count)
        monkeypatch.setenv("LISTEN_FDNAMES", "app.socket")
        assert activated() == bind
        assert not [name for name in os.environ if name.startswith("LISTEN_")]
        assert activated() is None
    assert inheritable == {3: False}


def test_of_several_sockets_of_systemd_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")
    with pytest.raises(UsageError, match="systemd has passed 2 sockets: choose one with --bind fd://N"):
        activated()


def test_a_file_a_folder_and_a_link_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link", "."):
        with pytest.raises(UsageError, match="not a socket lies there"), listening(f"unix:{tmp_path / name}"):
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
