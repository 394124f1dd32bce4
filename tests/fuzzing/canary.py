"""A target with a fault that only a fuzzer finds that is guided by what it has covered, to see that ours is."""

from __future__ import annotations

from tests.fuzzing import Target

WORD = b"\xc3canary\x00"


def run(data: bytes) -> None:
    matched = 0
    for at, byte in enumerate(data[: len(WORD)]):
        if at == 0 and byte == WORD[0]:
            matched = 1
        elif at == 1 and matched == 1 and byte == WORD[1]:
            matched = 2
        elif at == 2 and matched == 2 and byte == WORD[2]:
            matched = 3
        elif at == 3 and matched == 3 and byte == WORD[3]:
            raise AssertionError("the canary was found")


TARGET = Target(run, (b"",), longest=16)
