"""The app ``flask_embed.probe:app``, which ``flask-embed doctor`` asks through the web server in front what it gets.

It is served for a while in place of the real app, by the same runner with the same options, and shares a token with
the doctor: 16 characters or more in the environment variable FLASK_EMBED_PROBE_TOKEN of both::

    export FLASK_EMBED_PROBE_TOKEN=$(python3 -c "import secrets; print(secrets.token_urlsafe())")
    python -m flask_embed.fastcgi flask_embed.probe:app --bind unix:/run/shop/app.sock
    flask-embed doctor https://example.com/shop

A request without that token in its header ``X-Flask-Embed-Probe`` gets a plain 404. One that has it gets JSON: those
keys of its own environ that :data:`TOLD` names, how many bytes of a body came, and whether the runner would have
refused it. Nothing else is told: no other header, which could be a secret between front and app, no path of a file, no
variable of the process.
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

#: what ``module:app`` names; made when it is asked for, so that the doctor can import this module without a token
app: Probe

VARIABLE = "FLASK_EMBED_PROBE_TOKEN"
TOKEN_HEADER = "X-Flask-Embed-Probe"  # noqa: S105 - the name of a header
#: ``stream ID``, ``unbuffered ID`` or ``release ID``
ACTION_HEADER = "X-Flask-Embed-Probe-Do"
#: a word that comes back in the answer: one from a cache has another
WORD_HEADER = "X-Flask-Embed-Probe-Word"
#: the credentials that the doctor sends; others are told as "another", since a front may have put them in
AUTHORIZATION = "Bearer flask-embed-doctor"

#: what a runner refuses with a 404: it is no fault of the environ, but none of the app's paths
OUTSIDE = "PATH_INFO is not below --prefix"

#: the keys of an environ that are told
TOLD = (
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

#: seconds that a stream waits for its release
PATIENCE = 5.0
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
    """*token*, if it is one: 16 to 200 printable ASCII characters without a space.

    :exc:`~flask_embed.errors.UsageError` if not; it does not show the token.
    """
    hint = """python3 -c "import secrets; print(secrets.token_urlsafe())" makes one"""
    if not token:
        raise UsageError(f"{VARIABLE} is not set: probe and doctor need the same token in it; {hint}")
    if _TOKEN.fullmatch(token) is None:
        what = f"has {len(token)} characters" if len(token) < 16 or len(token) > 200 else "has others than ! to ~"
        raise UsageError(f"the token in {VARIABLE} {what}; 16 to 200 printable ones of ASCII are one; {hint}")
    return token


class Probe:
    """Tell whoever has *token* what came of a request; be a plain 404 to everybody else.

    ``stream ID`` in the header ``X-Flask-Embed-Probe-Do`` is answered in two pieces: the second one is made when
    another request says ``release ID``, or after :data:`PATIENCE` seconds. ``unbuffered ID`` is the same with the
    header that asks nginx to send pieces on as they come. A release counts within its process; elsewhere the stream
    ends by itself.
    """

    def __init__(self, token: str) -> None:
        self._token = checked_token(token).encode()
        self._streams: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def flask_embed_gate(self, app: WSGIApplication) -> WSGIApplication:
        """What a runner puts in the place of its strict gate: nothing is refused, but the answer says what would be.

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
            return _answer(_told(environ), environ, start_response)
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
            start_response("503 Service Unavailable", [("Content-Length", "0"), ("Retry-After", str(int(PATIENCE)))])
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
    """Two pieces, and a wait between them that the other request ends."""

    def __init__(self, streams: dict[str, threading.Event], name: str) -> None:
        self._streams = streams
        self._name = name
        self._pieces = self._made()

    def _made(self) -> Iterator[bytes]:
        yield b"first\n"
        yield b"released\n" if self._streams[self._name].wait(PATIENCE) else b"not released\n"

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._streams.pop(self._name, None)


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _outside(app: WSGIApplication, path: str) -> str | None:
    """Which prefix of the runner a path is not below, in words; None if there is none."""
    while isinstance(app, PrefixMiddleware):
        if app.mode == "verbatim" and below(path, app.prefix) is None:
            return OUTSIDE
        app = app.app
    return None


def _told(environ: WSGIEnvironment) -> dict[str, Any]:
    told: dict[str, Any] = {key: environ[key][:_LONGEST] for key in TOLD if isinstance(environ.get(key), str)}
    if "HTTP_AUTHORIZATION" in environ:
        told["HTTP_AUTHORIZATION"] = AUTHORIZATION if environ["HTTP_AUTHORIZATION"] == AUTHORIZATION else "another"
    body = _body(environ)
    return {
        "environ": told,
        "body": {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()},
        "input_terminated": bool(environ.get("wsgi.input_terminated")),
        # None where no runner of this project is: nothing is known then of what would be refused
        "refused": environ.get(_GATE),
    }


def _body(environ: WSGIEnvironment) -> bytes:
    """The body as far as PEP 3333 lets an app know where it ends, up to 4 MiB."""
    length = environ.get("CONTENT_LENGTH", "")
    left = _BODY
    if not environ.get("wsgi.input_terminated"):
        left = min(int(length), _BODY) if CONTENT_LENGTH.fullmatch(length) else 0
    parts = []
    while left > 0:
        part = environ["wsgi.input"].read(min(left, 65536))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _answer(told: dict[str, Any], environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    word = environ.get(_key(WORD_HEADER), "")[:64]
    body = json.dumps({"flask_embed_probe": 1, "word": word, **told}).encode("ascii")
    headers = [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(body))),
    ]
    start_response("200 OK", headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
