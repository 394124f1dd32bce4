"""Sessions in a signed cookie: the client can read its content and cannot change it.

The cookie is ``base64url(JSON).timestamp.signature`` (HMAC with SHA-256); nothing is compressed or pickled. Types that
JSON does not have are written with a tag.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from itsdangerous import BadData, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode, want_bytes
from markupsafe import Markup
from werkzeug.datastructures import CallbackDict

from flask_embed.environ import text, url_quote
from flask_embed.responses import vary_on_cookie

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.app import Flask
    from flask_embed.requests import Request
    from flask_embed.responses import Response

__all__ = ["NullSession", "Session", "Signer", "dumps", "loads", "read", "write"]


class Session(CallbackDict[str, Any]):
    """A dict with the flags ``new`` and ``modified``.

    A change inside of a value is not noticed; set the flag then::

        session["basket"].append(42)
        session.modified = True

    At a log-in call ``session.clear()`` first: it removes values that an attacker has planted.
    """

    #: True if the request came without a valid session
    new: bool
    #: True if something was set or deleted
    modified: bool
    #: True if the cookie is so old that a permanent session should have a new one
    is_due: bool = False

    def __init__(self, initial: dict[str, Any] | None = None, new: bool = False) -> None:
        super().__init__(initial, _mark_modified)
        self.new = new
        self.modified = False

    @property
    def permanent(self) -> bool:
        """True if the cookie outlives the browser, for ``app.permanent_session_lifetime``."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)


def _mark_modified(session: CallbackDict[str, Any]) -> None:
    session.modified = True  # type: ignore[attr-defined]


#: the most cookies with the session's name that are verified: a browser sends one for each path that has one
_MOST_TRIED = 8
#: seconds after which the cookie of a permanent session is set anew at the latest
_LONGEST_UNCHANGED = 24 * 60 * 60
#: RFC 6265 section 6.1: browsers keep cookies of 4096 bytes; name and attributes take the rest
_LONGEST = 3900


_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class NullSession(Session):
    """The session of an app without a secret key: always empty; a write raises RuntimeError."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the session cannot be written: set app.secret_key to a long random value first")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def read(app: Flask, request: Request) -> Session:
    """The session of the request's cookie. A browser may send one for each path: the first with a valid signature."""
    signer = _signer(app, request.environ)
    if signer is None:
        return NullSession(new=True)
    lifetime = _lifetime(app)
    for value in request.cookies.getlist(app.session_cookie_name)[:_MOST_TRIED]:
        found = _verified(value, signer, lifetime)
        if found is not None:
            content, age = found
            session = Session(content)
            session.is_due = age >= min(lifetime / 10, _LONGEST_UNCHANGED)
            return session
    return Session(new=True)


def write(app: Flask, session: Session, environ: WSGIEnvironment, response: Response) -> None:
    """Store the session in a cookie of *response* if it was changed, or is permanent and due for refresh.

    It is not refreshed with each answer: a late answer, from before a log-out, would restore the session.
    """
    signer = _signer(app, environ)
    if signer is None or not (session.modified or (session.is_due and session.permanent and app.session_refresh)):
        return
    secure = app.session_cookie_secure
    options: dict[str, Any] = {
        "path": app.session_cookie_path or _cookie_path(environ.get("SCRIPT_NAME", "")),
        "domain": app.session_cookie_domain,
        "secure": environ.get("wsgi.url_scheme") == "https" if secure is None else secure,
        "httponly": app.session_cookie_httponly,
        "samesite": app.session_cookie_samesite,
        "partitioned": app.session_cookie_partitioned,
    }
    vary_on_cookie(response)
    if session:
        max_age = _lifetime(app) if session.permanent else None
        value = dumps(session, signer)
        if len(value) > _LONGEST:
            app.logger.warning(
                "The session takes %d bytes; browsers ignore a cookie above 4096 and keep the old one: "
                "store large values elsewhere, and their keys in the session",
                len(value),
            )
        response.set_cookie(app.session_cookie_name, value, max_age=max_age, **options)
    elif not session.new:
        response.delete_cookie(app.session_cookie_name, **options)


def dumps(session: Session, signer: Signer) -> str:
    """The value of the cookie; TypeError, which names the type, for a value that a session cannot hold."""
    return signer.sign(base64_encode(_to_json(_tagged(dict(session))))).decode("ascii")


def loads(value: str, signer: Signer, max_age: int) -> dict[str, Any] | None:
    """The content of a cookie; None if its signature is invalid, it is older than *max_age* seconds, or malformed."""
    found = _verified(value, signer, max_age)
    return None if found is None else found[0]


def _verified(value: str, signer: Signer, max_age: int) -> tuple[dict[str, Any], float] | None:
    """The content of a cookie and its age in seconds; None as for :func:`loads`."""
    try:
        payload, signed_at = signer.unsign(value, max_age=max_age, return_timestamp=True)
        content = _untagged(json.loads(base64_decode(payload).decode()))
    except (BadData, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return (content, signer.get_timestamp() - signed_at.timestamp()) if isinstance(content, dict) else None


def _signer(app: Flask, environ: WSGIEnvironment) -> Signer | None:
    """The signer of the sessions of *app*, for the mount that this request came through; None without a key.

    The first of its secret keys signs; all are accepted.
    """
    key = app.secret_key
    if not (key is None or isinstance(key, (str, bytes))):
        key = tuple(key)
    return _make_signer(key, app.session_salt or _salt(app.package_name, environ)) if key else None


def _salt(package_name: str, environ: WSGIEnvironment) -> str:
    """The name of the package, and a line for each dispatcher that passed the request on: the key of the mount.

    Apps of one factory have one name. Unlike SCRIPT_NAME and Host, the keys cannot be chosen by a client.
    """
    keys: list[str] = []
    while "flask_embed.mounts" in environ:
        _, environ, key = environ["flask_embed.mounts"]
        if key not in ("", "/"):  # an app for all other paths has the place of its dispatcher
            keys.append(key)
    return "\n".join([package_name, *reversed(keys)]) if keys else package_name


def _cookie_path(script_name: str) -> str:
    """The path of a cookie for an app at *script_name*, percent-encoded as browsers send it."""
    return url_quote(text(script_name).rstrip("/")).replace(";", "%3B") or "/"


@lru_cache(maxsize=256, typed=True)
def _make_signer(key: str | bytes | tuple[str | bytes, ...], salt: str) -> Signer | None:
    keys = [one.encode() if isinstance(one, str) else one for one in (key if isinstance(key, tuple) else (key,)) if one]
    return Signer(keys, salt) if keys else None


class Signer(TimestampSigner):
    """A signer with HMAC and SHA-256 that prepares each key once and accepts one spelling of a signature."""

    def __init__(self, keys: list[bytes], salt: str) -> None:
        # itsdangerous signs with the last key of a list (Flask took the first: CVE-2025-47278).
        super().__init__(keys[::-1], salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
        self._keyed = [hmac.new(self.derive_key(key), digestmod=hashlib.sha256) for key in keys]

    def get_signature(self, value: str | bytes) -> bytes:
        return _signature(self._keyed[0], want_bytes(value))

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        value, sig = want_bytes(value), want_bytes(sig)
        return any(hmac.compare_digest(_signature(keyed, value), sig) for keyed in self._keyed)


def _signature(keyed: hmac.HMAC, value: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(value)
    return base64_encode(mac.digest())


def _lifetime(app: Flask) -> int:
    """The lifetime of a session of *app* in whole seconds (RFC 6265 section 4.1.1, Max-Age)."""
    lifetime = app.permanent_session_lifetime
    return int(lifetime.total_seconds() if isinstance(lifetime, timedelta) else lifetime)


#: the types that JSON has itself
_PLAIN = frozenset({str, int, float, bool, type(None)})
_TEXT = frozenset({str})
#: the types that may hold values of others
_CONTAINERS = frozenset({dict, list})
#: type → (tag, to JSON, from JSON); a tag begins with a space, which the keys of apps rarely do
_TAGS: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    tuple: (" t", lambda value: [_tagged(item) for item in value], lambda value: tuple(map(_untagged, value))),
    bytes: (" b", lambda value: base64_encode(value).decode("ascii"), base64_decode),
    Markup: (" m", str, Markup),
    datetime: (" d", datetime.isoformat, datetime.fromisoformat),
    UUID: (" u", str, UUID),
}
_BY_TAG: dict[str, Callable[[Any], Any]] = {tag: from_json for tag, _, from_json in _TAGS.values()}
_BY_TAG[" i"] = lambda items: {_untagged(key): _untagged(value) for key, value in items}


def _tagged(value: Any) -> Any:
    """*value* in JSON's types; a dict whose keys JSON would change, or that looks like a tag, is a list of pairs."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        if _TEXT.issuperset(map(type, value)) and not (len(value) == 1 and next(iter(value)).startswith(" ")):
            if _PLAIN.issuperset(map(type, value.values())):
                return value
            return {key: _tagged(item) for key, item in value.items()}
        return {" i": [[_tagged(key), _tagged(item)] for key, item in value.items()]}
    for kind, (tag, to_json, _) in _TAGS.items():
        if isinstance(value, kind):
            return {tag: to_json(value)}
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"a session cannot hold {value!r} of type {type(value).__name__}: store a str, number, list or dict"
    )


def _untagged(value: Any) -> Any:
    """The value of which :func:`_tagged` made this one; KeyError for an unknown tag."""
    if type(value) is list:
        return [_untagged(item) for item in value]
    if type(value) is dict:
        if len(value) == 1:
            ((key, content),) = value.items()
            if key.startswith(" "):
                return _BY_TAG[key](content)
        if _CONTAINERS.isdisjoint(map(type, value.values())):
            return value
        return {key: _untagged(item) for key, item in value.items()}
    return value
