"""Several machines on one: network namespaces, joined by cables (iproute2, network_namespaces(7))."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Machine", "machines"]

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Machine:
    """A machine with a network of its own: what is started, or opens a socket, :meth:`inside` of it is there."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Within the block this thread, and what it starts, is on this machine."""
        with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{self.name}") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def run(self, *command: str) -> None:
        """Run ``ip`` with these arguments on the machine."""
        _ip("-n", self.name, *command)


@contextlib.contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """One machine, and *count* others that it has a cable to: 10.77.N.1 on its end, 10.77.N.2 on theirs."""
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    if os.geteuid() != 0:
        pytest.skip("making network namespaces takes root")
    names = [f"fe{os.getpid()}n{number}" for number in range(count + 1)]
    found = [Machine(name) for name in names]
    with contextlib.ExitStack() as stack:
        for machine in found:
            _ip("netns", "add", machine.name)
            stack.callback(_ip, "netns", "delete", machine.name)
            machine.run("link", "set", "lo", "up")
        for number, machine in enumerate(found[1:], 1):
            end, other_end = f"to{number}", "cable"
            found[0].run("link", "add", end, "type", "veth", "peer", "name", other_end, "netns", machine.name)
            for at, name, address in ((found[0], end, 1), (machine, other_end, 2)):
                at.run("address", "add", f"10.77.{number}.{address}/24", "dev", name)
                at.run("link", "set", name, "up")
        yield found


def _ip(*arguments: str) -> None:
    ended = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=20, check=False)
    if ended.returncode:
        raise AssertionError(f"ip {' '.join(arguments)}: {ended.stderr}")


def _enter(fileno: int) -> None:
    if _libc.setns(fileno, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
