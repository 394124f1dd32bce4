"""Coverage-guided fuzzing of the parsers that read what comes from outside.

A target is a function of bytes that raises where a promise does not hold. ``python -m tests.fuzzing`` runs the targets
with atheris (the dependency group ``fuzz``, in an environment of its own), each in a process of its own and for a
bounded time; ``tests/fuzzing/test_targets.py`` runs each over its seeds without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, Protocol, cast

__all__ = ["NAMES", "Target", "load"]

#: the modules of this folder that have a TARGET
NAMES = ("http1", "fastcgi", "environs", "sessions", "matching", "texts", "forms", "doctor")


class Run(Protocol):
    """A function that is called with many inputs."""

    def __call__(self, data: bytes, /) -> object:
        """Raise AssertionError, or whatever the code raises, for an input with which a promise does not hold."""


class Target(NamedTuple):
    """A target of the fuzzer."""

    run: Run
    #: inputs that are all right, to begin with
    seeds: tuple[bytes, ...]
    #: what to put into inputs
    words: tuple[bytes, ...] = ()
    #: the longest input
    longest: int = 1024


def load(name: str) -> Target:
    """The target of this name; imported now, so that the fuzzer can look at what it imports."""
    return cast("Target", import_module(f"tests.fuzzing.{name}").TARGET)
