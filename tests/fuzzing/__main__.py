"""``python -m tests.fuzzing [--seconds N] [TARGET …]``: fuzz the parsers for a bounded time.

Each target runs in a process of its own, two at a time; the seconds are shared out between them. A line for each says
how many inputs were tried, and how much of the code they reach (edges, and what libFuzzer counts as features). With a
finding comes its input, as a literal of Python, and the command that runs it again without a fuzzer; the status is 1.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.fuzzing import NAMES, load

ROOT = Path(__file__).parents[2]
#: seconds beside those of the fuzzing: for imports, and for an input that hangs
PATIENCE = 60
#: seconds in which the canary is found by a fuzzer that works
CANARY = 20


class Outcome(NamedTuple):
    """The outcome of one target."""

    name: str
    seconds: float
    runs: int = 0
    edges: int = 0
    features: int = 0
    #: the input, as a literal, and what it has raised; empty if none was found
    input: str = ""
    error: str = ""
    #: what is wrong with the fuzzing itself
    trouble: str = ""


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    names = arguments.targets or [*NAMES]
    if arguments.input is not None:
        return _again(names, arguments.input)
    if find_spec("atheris") is None:
        print("atheris is not installed here: make fuzz sets it up in an environment of its own", file=sys.stderr)
        return 2
    canary = fuzzed("canary", CANARY, arguments.seed)
    if not canary.error:
        print(f"the fuzzer does not find the canary in {CANARY} seconds, so it would find nothing: {canary}")
        return 2
    share = max(round(arguments.seconds * min(2, len(names)) / len(names)), 1)
    with ThreadPoolExecutor(2) as two:
        outcomes = list(two.map(lambda name: _told(fuzzed(name, share, arguments.seed)), names))
    return 0 if all(outcome.runs and not outcome.error and not outcome.trouble for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzzing", description="Fuzz the parsers.", allow_abbrev=False
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", choices=[*NAMES, "canary", []], help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--seconds", type=float, default=60, help="for all of them together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: %(default)s)")
    parser.add_argument("--input", metavar="LITERAL", help="run one target with one input, and no fuzzer")
    return parser


def _again(names: list[str], literal: str) -> int:
    """Run one target with one input, and let its error be seen."""
    data = ast.literal_eval(literal)
    if len(names) != 1 or not isinstance(data, bytes):
        print("--input is for one target, and a literal like b'GET /'", file=sys.stderr)
        return 2
    load(names[0]).run(data)
    print(f"{names[0]}: nothing is wrong with {data!r}")
    return 0


def fuzzed(name: str, seconds: float, seed: int) -> Outcome:
    """Fuzz one target in a process of its own; nothing is left of it."""
    target, began = load(name), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, data in enumerate(target.seeds):
            (corpus / f"seed-{number:03}").write_bytes(data)
        escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
        Path(folder, "words").write_text("".join(f'"{word}"\n' for word in escaped))
        command = [sys.executable, "-m", "tests.fuzzing.engine", name, f"{seconds:.0f}", str(seed), folder]
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds + PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(name, time.monotonic() - began, trouble="it did not end")
        outcome = _read(name, time.monotonic() - began, done)
        kept = sorted(path for path in Path(folder).iterdir() if re.match("(crash|timeout|oom|slow|leak)-", path.name))
        if kept and not outcome.error:
            kind = kept[0].name.partition("-")[0]
            return outcome._replace(input=repr(kept[0].read_bytes()), error=f"{kind}: it takes too long, or too much\n")
        return outcome


def _read(name: str, seconds: float, done: subprocess.CompletedProcess[bytes]) -> Outcome:
    """The output of a fuzzer."""
    log = done.stderr.decode("utf-8", "backslashreplace")
    runs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", log) or re.findall(r"^#(\d+)\s", log, re.MULTILINE)
    reached = re.findall(r"cov: (\d+) ft: (\d+)", log) or [(0, 0)]
    edges, features = map(int, reached[-1])
    outcome = Outcome(name, seconds, int(runs[-1]) if runs else 0, edges, features)
    if done.stdout.strip().startswith(b"{"):
        found = json.loads(done.stdout.splitlines()[0])
        return outcome._replace(input=found["input"], error="".join(found["error"]))
    if done.returncode:
        return outcome._replace(trouble=f"status {done.returncode}\n{log[-2000:]}")
    return outcome


def _told(outcome: Outcome) -> Outcome:
    """Say what has come of a target, at once."""
    figures = (
        f"{outcome.runs} inputs, {outcome.edges} edges, {outcome.features} features, {outcome.seconds:.0f} seconds"
    )
    lines = [f"{outcome.name + ':':<11}{figures}"]
    if outcome.error:
        again = shlex.join(["python", "-m", "tests.fuzzing", outcome.name, "--input", outcome.input])
        lines += [outcome.error.rstrip(), f"The input: {outcome.input}", f"Once more:  {again}"]
    elif outcome.trouble or not outcome.runs:
        lines.append(f"This is no result: {outcome.trouble or 'no input was tried'}")
    print("\n".join(lines), flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
