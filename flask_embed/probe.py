"""The app ``flask_embed.probe:app``: it reports to ``flask-embed doctor`` how requests arrive through the front.

It is served for a while in place of the real app, by the same runner with the same options, and shares a token with
the doctor: 16 characters or more in the environment variable FLASK_EMBED_PROBE_TOKEN of both::

    export FLASK_EMBED_PROBE_TOKEN=$(python3 -c "import secrets; print(secrets.token_urlsafe())")
    python -m flask_embed.fastcgi flask_embed.probe:app --bind unix:/run/shop/app.sock
    flask-embed doctor https://example.com/shop

A request without that token in its header ``X-Flask-Embed-Probe`` gets a plain 404. One that has it gets JSON: those
keys of its own environ that :data:`REPORTED` names, the size and digest of its body, and the reason for which the
runner would refuse it. Nothing else is reported: no other header, which could be a secret between front and app, no
path of a file, no variable of the process.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import threading
from typing import TYPE_CHECKING, Any

from flask_embed.answers import not_found
from flask_embed.errors import UsageError
from flask_embed.grammar import CONTENT_LENGTH
from flask_embed.middleware.prefix import PrefixMiddleware, below
from flask_embed.middleware.strict import environ_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Probe", "app", "checked_token"]

#: made on the first access, so that the doctor can import this module without a token
app: Probe

VARIABLE = "FLASK_EMBED_PROBE_TOKEN"
TOKEN_HEADER = "X-Flask-Embed-Probe"  # noqa: S105 - the name of a header
#: ``stream ID``, ``unbuffered ID`` or ``release ID``
ACTION_HEADER = "X-Flask-Embed-Probe-Do"
#: a word that the answer repeats: an answer from a cache has another one
WORD_HEADER = "X-Flask-Embed-Probe-Word"
#: the credentials that the doctor sends; others are reported as "another", since a front may have set them
AUTHORIZATION = "Bearer flask-embed-doctor"

#: the reason of a runner's 404: the environ is well-formed, its path belongs to no app
OUTSIDE = "PATH_INFO is not below --prefix"

#: the keys of an environ that are reported
REPORTED = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_URI",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "GATEWAY_INTERFACE",
    "REMOTE_ADDR",
    "HTTPS",
    "REQUEST_SCHEME",
    "CONTENT_LENGTH",
    "HTTP_HOST",
    "HTTP_PROXY",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_SCRIPT_NAME",
    "HTTP_X_SCRIPT_NAME",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FLASK_EMBED_TWIN",
    "wsgi.url_scheme",
)

#: the seconds that a stream waits for its release
RELEASE_TIMEOUT = 5.0
_STREAMS = 8
_LONGEST = 2000
_BODY = 4 * 1024 * 1024
_TOKEN = re.compile(r"[!-~]{16,200}")
_ACTION = re.compile(r"(stream|unbuffered|release) ([0-9a-f]{8,64})")
_GATE = "flask_embed.probe.gate"


def __getattr__(name: str) -> Any:
    if name == "app":
        return globals().setdefault("app", Probe(checked_token(os.environ.get(VARIABLE))))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def checked_token(token: str | None) -> str:
    """*token*, checked: 16 to 200 printable ASCII characters without a space.

    Another one raises :exc:`~flask_embed.errors.UsageError`, whose text does not show the token.
    """
    hint = """python3 -c "import secrets; print(secrets.token_urlsafe())" makes one"""
    if not token:
        raise UsageError(f"{VARIABLE} is not set: probe and doctor need the same token in it; {hint}")
    if _TOKEN.fullmatch(token) is None:
        what = f"has {len(token)} characters" if len(token) < 16 or len(token) > 200 else "holds others than ! to ~"
        raise UsageError(f"the token in {VARIABLE} {what}: write 16 to 200 printable characters of ASCII; {hint}")
    return token


class Probe:
    """A WSGI app that answers clients with *token* by a report on their request, and all others by a plain 404.

    ``stream ID`` in the header ``X-Flask-Embed-Probe-Do`` is answered by a stream of two lines: it yields the second
    one when another request has ``release ID`` there, or after :data:`RELEASE_TIMEOUT` seconds. ``unbuffered ID`` does
    the same, with the header that asks nginx to stream. A release works within its process; in another one the stream
    ends by itself.
    """

    def __init__(self, token: str) -> None:
        self._token = checked_token(token).encode()
        self._streams: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def flask_embed_gate(self, app: WSGIApplication) -> WSGIApplication:
        """The gate of a runner that serves the probe: it refuses nothing, the report has what it would refuse.

        *app* is the probe with the prefixes of the runner around it.
        """

        def gate(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            fault = environ_fault(environ) or _outside(app, environ.get("PATH_INFO", ""))
            inner: WSGIApplication = self if fault else app
            return inner({**environ, _GATE: fault or ""}, start_response)

        return gate

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get(_key(TOKEN_HEADER), "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, self._token):
            return not_found(environ, start_response)
        action = _ACTION.fullmatch(environ.get(_key(ACTION_HEADER), ""))
        if action is None:
            return _answer(_report(environ), environ, start_response)
        verb, name = action.groups()
        if verb == "release":
            event = self._streams.get(name)
            if event is not None:
                event.set()
            return _answer({"released": event is not None}, environ, start_response)
        with self._lock:
            is_full = len(self._streams) >= _STREAMS
            if not is_full:
                self._streams[name] = threading.Event()
        if is_full:
            start_response(
                "503 Service Unavailable", [("Content-Length", "0"), ("Retry-After", str(int(RELEASE_TIMEOUT)))]
            )
            return []
        start_response(
            "200 OK",
            [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Cache-Control", "no-store"),
                *([("X-Accel-Buffering", "no")] if verb == "unbuffered" else []),
            ],
        )
        return _Stream(self._streams, name)


class _Stream:
    """Two lines, and a wait between them that the other request ends."""

    def __init__(self, streams: dict[str, threading.Event], name: str) -> None:
        self._streams = streams
        self._name = name
        self._lines = self._generate()

    def _generate(self) -> Iterator[bytes]:
        yield b"first\n"
        yield b"released\n" if self._streams[self._name].wait(RELEASE_TIMEOUT) else b"not released\n"

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        self._streams.pop(self._name, None)


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _outside(app: WSGIApplication, path: str) -> str | None:
    """:data:`OUTSIDE` if a path is not below a prefix of the runner, else None."""
    while isinstance(app, PrefixMiddleware):
        if app.mode == "verbatim" and below(path, app.prefix) is None:
            return OUTSIDE
        app = app.app
    return None


def _report(environ: WSGIEnvironment) -> dict[str, Any]:
    reported: dict[str, Any] = {key: environ[key][:_LONGEST] for key in REPORTED if isinstance(environ.get(key), str)}
    if "HTTP_AUTHORIZATION" in environ:
        reported["HTTP_AUTHORIZATION"] = AUTHORIZATION if environ["HTTP_AUTHORIZATION"] == AUTHORIZATION else "another"
    body = _body(environ)
    return {
        "environ": reported,
        "body": {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()},
        "input_terminated": bool(environ.get("wsgi.input_terminated")),
        # None behind another server, which has no such gate
        "refused": environ.get(_GATE),
    }


def _body(environ: WSGIEnvironment) -> bytes:
    """The body up to its end as PEP 3333 defines it, and up to 4 MiB."""
    length = environ.get("CONTENT_LENGTH", "")
    left = _BODY
    if not environ.get("wsgi.input_terminated"):
        left = min(int(length), _BODY) if CONTENT_LENGTH.fullmatch(length) else 0
    blocks = []
    while left > 0:
        block = environ["wsgi.input"].read(min(left, 65536))
        if not block:
            break
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)


def _answer(report: dict[str, Any], environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    word = environ.get(_key(WORD_HEADER), "")[:64]
    body = json.dumps({"flask_embed_probe": 1, "word": word, **report}).encode("ascii")
    headers = [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(body))),
    ]
    start_response("200 OK", headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
