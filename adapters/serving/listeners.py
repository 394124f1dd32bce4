"""The socket that a runner listens on, from the text of ``--bind``."""

from __future__ import annotations

import contextlib
import grp
import os
import re
import socket
import stat
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from flask_embed.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask_embed.options import Options

__all__ = ["activated", "address_of", "is_listening", "listening", "web_servers_of"]

_HOST_PORT = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]/\s]*)):(?P<port>[0-9]{1,5})")
_FORMS = "write HOST:PORT ([::1]:PORT), unix:PATH or fd://N"


@contextlib.contextmanager
def listening(
    bind: str, backlog: int = 2048, *, mode: int = 0o660, group: str | None = None
) -> Iterator[socket.socket]:
    """A listening socket for *bind*, closed at the end of the block, the file of a unix socket removed with it.

    :exc:`~flask_embed.errors.UsageError` for another form, an address that is taken or not ours, or a path where
    something else lies. ``host:0`` takes a free port. A unix socket has this *mode* from the first moment on, and
    belongs to *group* (a name or a number), None for that of the process. The socket of a dead server is replaced, one
    that answers is not.
    """
    if bind.startswith("unix:"):
        with _unix_socket(bind.removeprefix("unix:"), backlog, mode, group) as listener:
            yield listener
        return
    with _inherited(bind) if bind.startswith("fd://") else _tcp_socket(bind, backlog) as listener:
        # Headers and body may be two packets; without this the second waits for the client's delayed ACK.
        if listener.family != socket.AF_UNIX:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """The address of a listening socket as a user writes it: ``http://127.0.0.1:5000/`` or ``unix:/run/app.sock``."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}"
    host, port = name[:2]
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


def web_servers_of(listener: socket.socket, options: Options) -> Callable[[Any], bool]:
    """A function that is True for the address of a peer that may connect over FastCGI.

    Those are the addresses and networks of ``--web-server-addrs``, else of the variable FCGI_WEB_SERVER_ADDRS (FastCGI
    specification, section 3.2), else this machine; ``any`` is every one. Who may use a unix socket its mode says.
    :exc:`~flask_embed.errors.UsageError` for a malformed list, and where other machines could connect unnamed.
    """
    if listener.family == socket.AF_UNIX:
        return lambda peer: True
    named = options.web_server_addrs or tuple(
        filter(None, os.environ.get("FCGI_WEB_SERVER_ADDRS", "").replace(" ", "").split(","))
    )
    if "any" in named:
        return lambda peer: True
    host = listener.getsockname()[0]
    if not named and not ip_address(host.partition("%")[0]).is_loopback:
        raise UsageError(
            f"FastCGI at {host}: every peer that connects is trusted as the web server; name those that may with "
            "--web-server-addrs 10.0.0.2,10.0.1.0/24 (or any)"
        )
    try:
        networks = [ip_network(name) for name in named]
    except ValueError:
        raise UsageError(
            f"--web-server-addrs or FCGI_WEB_SERVER_ADDRS: {','.join(named)!r} is not a list of addresses; write "
            "10.0.0.2,10.0.1.0/24 (or any)"
        ) from None

    def is_allowed(peer: Any) -> bool:
        address = ip_address(peer[0].partition("%")[0])
        return not networks or any(address in network for network in networks)

    return is_allowed


def is_listening(number: int) -> bool:
    """True if the descriptor of this number is a listening socket, as a web server hands it to a FastCGI program."""
    try:
        with socket.socket(fileno=os.dup(number)) as found:
            return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False


def activated() -> str | None:
    """The ``fd://3`` that systemd has opened for this process, None if it has not; sd_listen_fds(3).

    Its variables are removed, so that no child takes them for its own.
    """
    count, pid = os.environ.pop("LISTEN_FDS", ""), os.environ.pop("LISTEN_PID", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        return None
    if int(count) > 1:
        raise UsageError(f"systemd has passed {count} sockets: choose one with --bind fd://N")
    with contextlib.suppress(OSError):  # a missing descriptor is reported when it is listened on
        os.set_inheritable(3, False)
    return "fd://3"


def _tcp_socket(bind: str, backlog: int) -> socket.socket:
    match = _HOST_PORT.fullmatch(bind)
    if match is None or int(match["port"]) > 65535:
        raise UsageError(f"cannot listen on {bind!r}: {_FORMS}")
    host = match["ipv6"] or match["host"] or "127.0.0.1"
    family = socket.AF_INET6 if match["ipv6"] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(match["port"])))
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {bind!r}: {error.strerror or error}") from None
    return listener


@contextlib.contextmanager
def _inherited(bind: str) -> Iterator[socket.socket]:
    number = bind.removeprefix("fd://")
    if not number.isdecimal():
        raise UsageError(f"cannot listen on {bind!r}: {_FORMS}")
    try:
        listener = socket.socket(fileno=os.dup(int(number)))
        listening_now = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise UsageError(f"cannot listen on {bind!r}: {error.strerror or error}") from None
    if not listening_now:
        listener.close()
        raise UsageError(f"cannot listen on {bind!r}: it is not a listening socket")
    with listener, _empty_stdin() if int(number) == 0 else contextlib.nullcontext():
        yield listener


@contextlib.contextmanager
def _empty_stdin() -> Iterator[None]:
    """Within the block standard input is empty: a program that reads it takes no connection."""
    kept, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, 0)  # for a program that this process may become
        os.close(kept)


@contextlib.contextmanager
def _unix_socket(path: str, backlog: int, mode: int, group: str | None) -> Iterator[socket.socket]:
    owner = None if group is None else _group_number(group)
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with listener:
        before = os.umask(~mode & 0o777)
        try:
            listener.bind(path)
        except OSError as error:
            raise UsageError(f"cannot listen on 'unix:{path}': {error.strerror or error}") from None
        finally:
            os.umask(before)
        made = os.lstat(path).st_ino
        path = os.path.abspath(path)  # an app may change the folder
        try:
            if owner is not None:
                _give(path, owner, group)
            listener.listen(backlog)
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino == made:  # not the socket of a server that has taken our place
                    os.unlink(path)


def _group_number(group: str) -> int:
    if group.isascii() and group.isdigit() and int(group) < 2**32 - 1:  # 2**32 - 1 is -1 for chown: no change
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise UsageError(f"--socket-group {group}: unknown group") from None


def _give(path: str, owner: int, group: str | None) -> None:
    try:
        # The owner of the folder may have replaced the socket by a link to another file.
        os.chown(path, -1, owner, follow_symlinks=False)
    except OSError as error:
        raise UsageError(f"--socket-group {group}: {error.strerror} (a member of it may do that, or root)") from None


def _make_room(path: str) -> None:
    """Remove the socket of a dead server at *path*; UsageError for anything else there."""
    if not path or len(os.fsencode(path)) > 107:
        raise UsageError(f"cannot listen on 'unix:{path}': a path of 1 to 107 bytes is needed")
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # nothing there, or bind() reports what is wrong
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"cannot listen on 'unix:{path}': a file that is not a socket lies there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as error:
            raise UsageError(f"cannot listen on 'unix:{path}': {error.strerror or error}") from None
    raise UsageError(f"cannot listen on 'unix:{path}': another server answers there")
