"""flask_embed/sessions.py: a cookie of our own is what was signed, any other is an empty session, and none raises.

An input is what is done (one byte) and a Cookie header, or what is signed as a session.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from itsdangerous.encoding import base64_decode, base64_encode

from flask_embed import Flask, session
from flask_embed.sessions import Session, Signer, dumps, loads
from tests.fuzzing import Target
from tests.security.calls import call
from tests.security.checks import check, equal

if TYPE_CHECKING:
    from tests.security.calls import Answer

CONTENT = {"user": "ada", "basket": (1, b"\0", {"a": [None, True, 1.5]})}


class Still(Signer):
    """Signs and reads as if time stood still, so that an input means the same in each run."""

    def get_timestamp(self) -> int:
        return 1_700_000_000


def signer(*keys: bytes) -> Still:
    """As the sessions of an app with these keys are signed."""
    return Still(list(keys[::-1]), __name__)


SIGNER, OTHER = signer(b"old", b"new"), signer(b"other")
REAL = (dumps(Session(CONTENT), SIGNER), dumps(Session({"a": 1}), signer(b"old")))

site = Flask(__name__)
site.secret_key = ["new", "old"]
site.logger.disabled = True
site.add_url_rule("/", "show", lambda: {"session": sorted(session)})


def run(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind < b"\x40":
        check_header(rest.decode("latin-1"))
    elif kind < b"\x80":
        check_signed(rest)
    elif kind < b"\xc0":
        check_changed(rest)
    else:
        foreign = OTHER.sign(base64_encode(rest)).decode("ascii")
        equal(loads(foreign, SIGNER, 60), None, "a session that another key has signed")


def asked(cookie: str) -> Any:
    answer: Answer = call(site, HTTP_COOKIE=cookie)
    equal(answer.status, 200, "the status")
    equal(answer.values("Set-Cookie"), [], "the cookies that are set")
    return json.loads(answer.body)["session"]


def check_header(cookie: str) -> None:
    """A Cookie header without a session of today is none."""
    equal(asked(cookie), [], "the session")
    equal(asked(f"session={cookie}"), [], "the session")


def check_signed(payload: bytes) -> None:
    """Whatever we have signed is a session that comes back, or none."""
    for signed in (payload, base64_encode(payload)):
        cookie = SIGNER.sign(signed).decode("latin-1")
        found = loads(cookie, SIGNER, 60)
        if found is None:
            continue
        check(type(found) is dict, f"the session is {found!r}")
        check(json.loads(base64_decode(signed)) is not None, "a session of nothing")
        try:
            again = dumps(Session(found), SIGNER)
        except ValueError:  # what JSON of others may have: NaN
            continue
        equal(repr(loads(again, SIGNER, 60)), repr(found), "what comes back")


def check_changed(rest: bytes) -> None:
    """A real session with something in the place of something of it is none, unless that changes nothing."""
    if len(rest) < 3:
        return
    real = REAL[rest[0] % len(REAL)]
    at, length, new = rest[1] % (len(real) + 1), rest[2] % 8, rest[3:].decode("latin-1")
    changed = real[:at] + new + real[at + length :]
    found = loads(changed, SIGNER, 60)
    if changed != real:
        equal(found, None, "a session that was changed")
    else:
        check(found is not None, "a real session is none")


TARGET = Target(
    run,
    (
        b"\0" + b"a=b; session=; session=x.y.z",
        b'\0session="a"; \xff=\xfe; =x; session',
        *(b"\x40" + content for content in (b"{}", b'{"a":1}', b"[]", b"null", b'{" t":[1,2]}', b'{" b":"AAA"}')),
        *(
            b'\x40{"x":{' + content + b"}}"
            for content in (b'" d":"2020-01-01"', b'" m":"<b>"', b'" i":[[1,2]]', b'" x":1')
        ),
        b'\x40{"x":{" u":"' + b"0" * 32 + b'"}}',
        b"\x40" + base64_decode(REAL[0].partition(".")[0]),
        b"\x80\x00\x05\x00",
        b"\x80\x00\x05\x01x",
        b"\x80\x01\x50\x00\xff",
        b"\xc0" + b'{"a":1}',
    ),
    (
        *(b"session=", b"; ", b'" t":', b'" i":[[', b'" d":"', b'" u":"', b'" b":"', b"NaN", b"1e999", b"[[[[", b"."),
        *(b"\\ud800", b"null", b"true", b"{}", b"\x80", b"="),
    ),
)
