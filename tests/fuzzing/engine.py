"""One target under atheris, in this process: ``python -m tests.fuzzing.engine NAME SECONDS SEED FOLDER``.

FOLDER has the inputs to begin with in ``corpus`` and the words in ``words``; what the fuzzer keeps is put there, too.
A finding is one line of JSON on stdout and the status 1. Inputs that take too long, or too much memory, end the process
in libFuzzer's way: with another status, and the input in a file of FOLDER.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from importlib import import_module
from typing import TYPE_CHECKING

from tests.fuzzing import load

if TYPE_CHECKING:
    from tests.fuzzing import Run

#: seconds that one input may take, and that making a finding shorter may
LONGEST_RUN, LONGEST_SHORTENING = 20, 5.0
#: MiB that the process may have
MOST_MEMORY = 1024


def main() -> None:
    name, seconds, seed, folder = sys.argv[1:]
    logging.disable()  # what is refused is logged, and that is most of it
    # It has no types, and an environment of its own.
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["flask_embed", "werkzeug", "itsdangerous", "tests"]):
        target = load(name)

    def once(data: bytes) -> None:
        try:
            target.run(data)
        except Exception as error:
            told = traceback.format_exception(error)
            print(json.dumps({"input": repr(shortest(target.run, data, error)), "error": told}), flush=True)
            os._exit(1)

    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={target.longest}",
        *([f"-dict={folder}/words"] if target.words else []),
        f"-artifact_prefix={folder}/",
        f"-timeout={LONGEST_RUN}",
        f"-rss_limit_mb={MOST_MEMORY}",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"{folder}/corpus"], once)
    atheris.Fuzz()


def shortest(run: Run, data: bytes, error: Exception) -> bytes:
    """*data* without what can be left out of it, and the same kind of error is raised all the same."""
    until = time.monotonic() + LONGEST_SHORTENING
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if time.monotonic() > until:
                return data
            if _raises(run, shorter, type(error)):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _raises(run: Run, data: bytes, kind: type[Exception]) -> bool:
    try:
        run(data)
    except Exception as error:
        return type(error) is kind
    return False


if __name__ == "__main__":
    main()
