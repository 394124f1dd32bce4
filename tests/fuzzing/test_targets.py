"""The targets of the fuzzer without the fuzzer: they hold for what they begin with, and can fail."""

from __future__ import annotations

import json
import logging
import random
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from itsdangerous import TimestampSigner
from werkzeug.exceptions import NotFound
from werkzeug.formparser import FormDataParser

from flask_embed.adapters.serving import cgi_environ, fcgi_records, http1, http_environ
from flask_embed.forms import FormParser
from flask_embed.routing import Map
from flask_embed.routing.matcher import Matcher
from tests.fuzzing import NAMES, __main__, load
from tests.fuzzing.engine import shortest
from tests.serving import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without the log of refused requests, which would fill a report."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", NAMES)
def test_the_promises_hold_for_the_seeds(name: str) -> None:
    target = load(name)

    for data in target.seeds:
        target.run(data)

    assert target.seeds
    assert max(map(len, target.seeds)) <= target.longest


@pytest.mark.parametrize("name", NAMES)
def test_and_for_some_of_what_is_near_them(name: str) -> None:
    target, chance = load(name), random.Random(name)

    for _ in range(60):
        data = chance.choice(target.seeds)
        for _ in range(chance.randint(1, 3)):
            at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
            new = chance.choice([*target.words, chance.randbytes(1), data[at:end], b""])
            data = data[:at] + new + data[chance.choice([at, min(at + 3, end), end]) :]
        target.run(data[: target.longest])


real_receive, real_take, real_match = http1.Connection.receive, fcgi_records.Records._take, Matcher.match


def deaf_to_line_feeds(connection: http1.Connection, data: bytes) -> None:
    """As ``receive``, but for a line feed that comes alone."""
    if data != b"\n":
        real_receive(connection, data)


def with_proxy(*arguments: Any) -> dict[str, Any]:
    """As ``environ_of``, and HTTP_PROXY with it."""
    return {**http_environ.environ_of(*arguments), "HTTP_PROXY": "http://evil.example"}


def deaf_to_single_bytes(records: fcgi_records.Records, content: bytes) -> None:
    """As ``_take``, but for a byte that comes alone."""
    if len(content) > 1:
        real_take(records, content)


def lost_among_many(matcher: Matcher, path: str, *arguments: Any) -> Any:
    """As ``match``, but that one of many rules is not found."""
    if path == "/a/x" and len(matcher.domains.static[""].static) > 2:
        raise NotFound
    return real_match(matcher, path, *arguments)


#: for each target what is put in the place of what, so that a promise is broken
FAULTS: list[tuple[str, Any, str, Any]] = [
    ("http1", http1.Connection, "receive", deaf_to_line_feeds),
    ("http1", http1, "environ_of", with_proxy),
    ("http1", http1.Connection, "_check_beginning", lambda connection, data: 1 / 0),
    ("fastcgi", fcgi_records.Records, "_take", deaf_to_single_bytes),
    ("fastcgi", cgi_environ, "_DROPPED", ()),
    ("fastcgi", "flask_embed.adapters.serving.gate.StrictEnviron", "", lambda app: app),
    ("environs", "flask_embed.middleware.strict.url_root_fault", "", lambda host, script_name: None),
    ("environs", "flask_embed.middleware.prefix.below", "", lambda path, prefix: path[len(prefix) :]),
    ("environs", Map, "_redirect_url", lambda *arguments: "//evil.example/"),
    ("environs", "flask_embed.adapters.proxy.url_root_fault", "", lambda host, script_name: 1 / 0),
    (
        "sessions",
        TimestampSigner,
        "unsign",
        lambda signer, value, **options: value.encode("latin-1").rsplit(b".", 2)[0],
    ),
    ("sessions", "flask_embed.sessions._BY_TAG", "", {}),
    ("sessions", "flask_embed.sessions._untagged", "", lambda value: {"x": object()}),
    ("matching", "flask_embed.routing.matcher._strings", "", lambda match, edge: match.groups()[::-1]),
    ("matching", Matcher, "match", lost_among_many),
    ("texts", "flask_embed.middleware.prefix._UNPRINTABLE", "", re.compile("(?!)")),
    ("texts", "flask_embed.loading.TARGET", "", re.compile("(?P<module>.+):(?P<attribute>.+?)(?P<call>NO)?")),
    ("texts", "tests.fuzzing.texts.host_keys", "", lambda environ: ()),
    ("forms", FormParser, "parse", FormDataParser.parse),
    ("doctor", "flask_embed.doctor.client._report", "", lambda text, is_action: json.loads(text or b"0")),
    ("doctor", "flask_embed.doctor.report.readable", "", lambda text: text),
]


@pytest.mark.parametrize(("name", "place", "attribute", "fault"), FAULTS)
def test_a_fault_in_what_is_fuzzed_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, place: Any, attribute: str, fault: Any
) -> None:
    target = load(name)
    if attribute:
        monkeypatch.setattr(place, attribute, fault)
    else:
        monkeypatch.setattr(place, fault)

    assert any(raises(target.run, data) for data in target.seeds)


def raises(run: Callable[[bytes], object], data: bytes) -> bool:
    try:
        run(data)
    except Exception:
        return True
    return False


def test_each_target_is_shown_to_fail() -> None:
    assert {name for name, *_ in FAULTS} == {*NAMES}


def test_a_finding_is_made_short() -> None:
    def run(data: bytes) -> None:
        if b"a" in data and data.endswith(b"z"):
            raise LookupError
        if len(data) > 20:
            raise ValueError

    assert shortest(run, b"." * 9 + b"a" + b"." * 7 + b"z", LookupError()) == b"az"
    assert shortest(run, b"." * 50, ValueError()) == b"." * 21


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.fuzzing", *arguments]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)


def test_a_finding_can_be_run_again_without_a_fuzzer() -> None:
    found = command("canary", "--input", r"b'\xc3can'")
    nothing = command("texts", "--input", "b'\\x01/shop'")

    assert found.returncode == 1
    assert found.stderr.endswith("AssertionError: the canary was found\n")
    assert (nothing.returncode, nothing.stdout) == (0, "texts: nothing is wrong with b'\\x01/shop'\n")


def test_without_a_fuzzer_a_line_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "find_spec", lambda name: None)

    assert __main__.main([]) == 2

    assert capsys.readouterr() == (
        "",
        "atheris is not installed here: make fuzz sets it up in an environment of its own\n",
    )
