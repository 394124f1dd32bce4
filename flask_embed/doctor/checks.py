"""The checks: each one judges the answers of the probe by one question, without a network.

A verdict is "ok", a "note" (right for some apps and wrong for others, or worth knowing) or a "fault".
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from flask_embed.config import Snippet
from flask_embed.doctor.client import STALE
from flask_embed.doctor.known import plain, speaks_cgi, split
from flask_embed.doctor.path_checks import bare_address, border, configuration, encoded_slash, encoding, prefix, slashes
from flask_embed.doctor.questions import BODY, FORGED, TWINS
from flask_embed.doctor.verdict import Verdict, changes_for, detail_of, paths_unless_recognized, unanswered
from flask_embed.environ import readable
from flask_embed.probe import AUTHORIZATION, OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flask_embed.doctor.questions import Seen

__all__ = ["CHECKS", "NEEDS", "judge"]

#: what an app may need and others do without: a note about it becomes a fault when it is named
NEEDS = ("authorization", "chunked", "encoded-slash", "slashes", "streaming")

_NO_TRUST = Snippet("or the runner", ("no --trust-proxy, where no proxy in front sets these headers",))
_HARMLESS = "They are harmless as long as nothing trusts them: no --trust-proxy, no ProxyFix."


def _host(seen: Seen) -> Verdict:
    host, expected = plain(seen).environ.get("HTTP_HOST", "").lower(), seen.address.netloc.lower()
    default = ":443" if seen.address.scheme == "https" else ":80"
    if host.removesuffix(default) == expected:
        return Verdict("ok", f"Host arrives as {expected}")
    changes = changes_for(seen, "host")
    detail = (f"asked for   {expected}", f"app sees    {readable(host)}")
    if host and host == expected.rpartition(":")[0]:
        why = "URLs with a host lead nowhere, and forms look as if another site had sent them."
        return Verdict("fault", "the port is lost from Host", why, detail, changes)
    return Verdict("fault", "Host arrives as another one", "URLs with a host lead there.", detail, changes)


def _scheme(seen: Seen) -> Verdict:
    scheme, expected = plain(seen).environ.get("wsgi.url_scheme", ""), seen.address.scheme
    if scheme == expected:
        return Verdict("ok", f"the scheme arrives as {expected}")
    changes = changes_for(seen, "scheme")
    if not speaks_cgi(seen):
        option = "--trust-proxy 1    # and --forwarded-allow-ips unix, for a socket file"
        changes += (Snippet("and the runner", (option,)),)
    text = f"the app takes the site for {readable(scheme)}: it is {expected}"
    return Verdict("fault", text, "Its URLs with a host and its secure cookies are for the other one.", (), changes)


def _script_name(seen: Seen) -> Verdict:
    for name in ("forged", "twins"):
        answer = seen.answers[name]
        found = re.search(r"/forged-by-([a-z_-]+)", split(answer)[0])
        if found is not None:
            header = re.sub("[a-z]+", lambda word: word[0].capitalize(), found[1])
            changes = changes_for(seen, "headers", (header,)) if name == "forged" else changes_for(seen, "underscores")
            if header.startswith(("X-Forwarded", "X_Forwarded")):
                changes += (_NO_TRUST,)
            text = f"SCRIPT_NAME can be forged with a header: {header}"
            why = "A client that sends it chooses the prefix of the URLs."
            return Verdict("fault", text, why, detail_of(seen, answer), changes)
    names = ("path", "slash", "bare", "text", "encoded", "doubled", "border", "outside")
    plain_ones = [seen.answers[name] for name in names if name in seen.answers]
    if len({split(answer)[0] for answer in plain_ones if answer.report and answer.report["refused"] != OUTSIDE}) > 1:
        return Verdict("fault", "SCRIPT_NAME can be forged with the path", "", (), paths_unless_recognized(seen))
    return Verdict("ok", "a client cannot change SCRIPT_NAME")


def _forwarded(seen: Seen) -> Verdict:
    answer, environ = seen.answers["forged"], seen.answers["forged"].environ
    if answer.report is None:
        return Verdict("note", f"a request with forged X-Forwarded-* headers: {unanswered(answer)}")
    other = "http" if seen.address.scheme == "https" else "https"
    host = environ.get("HTTP_HOST", "")
    effects = {
        "X-Forwarded-For": environ.get("REMOTE_ADDR") == "203.0.113.7",
        "X-Forwarded-Host": "forged.example" in host,
        "X-Forwarded-Port": environ.get("SERVER_PORT") == "4242" or host.endswith(":4242"),
        "X-Forwarded-Proto": environ.get("wsgi.url_scheme") == other != plain(seen).environ.get("wsgi.url_scheme"),
    }
    trusted = tuple(header for header, effect in effects.items() if effect)
    if trusted:
        detail = (
            f"app sees    {readable(environ.get('wsgi.url_scheme', ''))}://{readable(host)} "
            f"from {readable(environ.get('REMOTE_ADDR', ''))}",
        )
        why = "The front has to overwrite these headers, and does not."
        changes = (*changes_for(seen, "headers", trusted), _NO_TRUST)
        return Verdict("fault", f"the app trusts a client's {' and '.join(trusted)}", why, detail, changes)
    sent = {**dict(FORGED), "X-Forwarded-Proto": other}
    passed = tuple(header for header, value in sent.items() if environ.get(_key(header)) == value)
    passed = tuple(header for header in passed if header.startswith("X-Forwarded"))
    if passed:
        names = passed[0] if len(passed) == 1 else "X-Forwarded-" + ", -".join(header[12:] for header in passed)
        text, why = f"a client's {names} {'reaches' if len(passed) == 1 else 'reach'} the app", _HARMLESS
        return Verdict("note", text, why, (), changes_for(seen, "headers", passed))
    return Verdict("ok", "a client's X-Forwarded-* headers do not reach the app")


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _underscores(seen: Seen) -> Verdict:
    answer, environ = seen.answers["twins"], seen.answers["twins"].environ
    if answer.report is None:
        return Verdict("note", f"a request with underscores in the names of headers: {unanswered(answer)}")
    changes = changes_for(seen, "underscores")
    if (
        environ.get("REMOTE_ADDR") == "203.0.113.8"
        or "twin.example" in environ.get("HTTP_HOST", "")
        or environ.get("wsgi.url_scheme") != plain(seen).environ.get("wsgi.url_scheme")
    ):
        text = "the app trusts X_Forwarded_* of a client, with underscores"
        return Verdict("fault", text, "", (), (*changes, _NO_TRUST))
    passed = [header for header, value in TWINS if "_" in header and environ.get(_key(header)) == value]
    if passed or environ.get("HTTP_X_FLASK_EMBED_TWIN", "dashes") != "dashes":
        why = "A client can write Remote_User for Remote-User: trust no header that only the front should set."
        return Verdict("note", "headers with underscores pass for those with dashes", why, (), changes)
    return Verdict("ok", "headers with underscores do not reach the app")


def _proxy(seen: Seen) -> Verdict:
    answer = seen.answers["forged"]
    if answer.report is None or "HTTP_PROXY" not in answer.environ:
        return Verdict("ok", "a client's Proxy header does not arrive as HTTP_PROXY")
    changes = changes_for(seen, "proxy")
    why = "Libraries read it as a setting and send their requests there (CVE-2016-5385)."
    return Verdict("fault", "a client's Proxy header arrives as HTTP_PROXY", why, (), changes)


def _authorization(seen: Seen) -> Verdict:
    answer = seen.answers["authorization"]
    if answer.report is None:
        return Verdict("note", f"a request with Authorization does not reach the app: {unanswered(answer)}")
    value = answer.environ.get("HTTP_AUTHORIZATION")
    if value == AUTHORIZATION:
        return Verdict("ok", "Authorization reaches the app")
    if value is not None:
        return Verdict("note", "the front puts another Authorization in its place")
    why = "Log-ins by HTTP and bearer tokens cannot work."
    return Verdict("note", "Authorization is dropped", why, (), changes_for(seen, "authorization"))


def _body(seen: Seen) -> Verdict:
    return _whole_body(seen, "body", "a body with a length")


def _chunked(seen: Seen) -> Verdict:
    answer = seen.answers["chunked"]
    if answer.status == 411:
        text = "a body in chunks is refused with 411, clients must send a length"
        return Verdict("note", text, "", (), changes_for(seen, "chunked-refused"))
    verdict = _whole_body(seen, "chunked", "a body in chunks")
    is_ended = answer.report is not None and answer.report["input_terminated"]
    if verdict.level == "ok" and "HTTP_TRANSFER_ENCODING" in answer.environ and not is_ended:
        why = "HTTP_TRANSFER_ENCODING stands beside CONTENT_LENGTH, and Flask and Werkzeug read nothing then."
        change = Snippet("in place of the server of the app", ("python -m flask_embed.fastcgi",))
        return Verdict("fault", "a body in chunks is lost in the app", why, (), (change,))
    return verdict


def _whole_body(seen: Seen, name: str, what: str) -> Verdict:
    answer = seen.answers[name]
    if answer.report is None:
        return Verdict("fault", f"{what} does not reach the app: {unanswered(answer)}")
    if answer.report["body"]["sha256"] == hashlib.sha256(BODY).hexdigest():
        return Verdict("ok", f"{what} arrives whole")
    changes = changes_for(seen, "chunked-lost") if name == "chunked" else ()
    why = f"{answer.report['body']['size']} of {len(BODY)} bytes arrive."
    return Verdict("fault", f"{what} is lost", why, (), changes)


def _streaming(seen: Seen) -> Verdict:
    first, second = seen.streams.get("stream", "not asked"), seen.streams.get("unbuffered", "not asked")
    if first == "streamed":
        return Verdict("ok", "a response is streamed, as the app makes it")
    if first != "whole":
        return Verdict("fault", f"a streamed response does not arrive whole: {readable(first)}")
    changes = changes_for(seen, "streaming")
    if second == "streamed":
        text = "the response is buffered, unless the app sends X-Accel-Buffering: no"
        return Verdict("note", text, "", (), changes)
    why = "What the app streams reaches clients at its end, or in large blocks."
    return Verdict("note", "the response is buffered", why, (), changes)


def _cache(seen: Seen) -> Verdict:
    stale = [answer.target for answer in seen.answers.values() if answer.problem == STALE]
    if stale:
        why = "The probe forbids that with Cache-Control: no-store."
        return Verdict("fault", f"{stale[0]} is answered from a cache", why)
    return Verdict("ok", "each answer is new")


#: every check by its name, in the order in which they are shown
CHECKS: Mapping[str, Callable[[Seen], Verdict]] = {
    "configuration": configuration,
    "prefix": prefix,
    "border": border,
    "bare-address": bare_address,
    "encoding": encoding,
    "encoded-slash": encoded_slash,
    "slashes": slashes,
    "host": _host,
    "scheme": _scheme,
    "script-name": _script_name,
    "forwarded": _forwarded,
    "underscores": _underscores,
    "proxy-header": _proxy,
    "authorization": _authorization,
    "body": _body,
    "chunked": _chunked,
    "streaming": _streaming,
    "cache": _cache,
}


def judge(seen: Seen, needs: Collection[str] = ()) -> dict[str, Verdict]:
    """The verdict of each check; a note of one that is among *needs* (of :data:`NEEDS`) is a fault."""
    verdicts = {}
    for name, check in CHECKS.items():
        verdict = check(seen)
        if verdict.level == "note" and name in needs:
            verdict = verdict._replace(level="fault")
        verdicts[name] = verdict
    return verdicts
