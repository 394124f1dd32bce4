"""The checks of paths: what becomes of the prefix, of encodings and of slashes on the way to the app.

Paths are WSGI strings, latin-1 characters that stand for bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from flask_embed.config import Snippet
from flask_embed.doctor.known import CONFIGURATIONS, front_of, layout, plain, recognized, speaks_cgi, split
from flask_embed.doctor.verdict import Verdict, changes_for, detail_of, paths_unless_recognized, shown, unanswered
from flask_embed.environ import readable
from flask_embed.middleware.prefix import below
from flask_embed.probe import OUTSIDE

if TYPE_CHECKING:
    from flask_embed.doctor.client import Answer
    from flask_embed.doctor.questions import Seen

__all__ = ["bare_address", "border", "configuration", "encoded_slash", "encoding", "prefix", "slashes"]


def configuration(seen: Seen) -> Verdict:
    """A fault if the front is configured in a way that is known to be wrong."""
    name = recognized(seen)
    if name is None:
        return Verdict("ok", "none of those known to be wrong")
    found = CONFIGURATIONS[name]
    is_lost_border = name in ("lighttpd-prefix-without-border", "nginx-split-without-border")
    shows_at_border = is_lost_border or (name == "lighttpd-root-without-fix" and layout(seen) != "other")
    detail = detail_of(seen, seen.answers["border"] if shows_at_border else plain(seen))
    at = readable(seen.address.prefix)
    changes = changes_for(seen, "paths")
    fix = _fix(name, at)
    if fix:
        changes += (Snippet("or the runner", (fix,)),)
    front = front_of(seen) or "nginx"
    ways = "--socket PATH" if speaks_cgi(seen) else "--runner gevent --tcp 127.0.0.1:8000"
    whole = f"flask-embed config {front} --app APP{f' --prefix {at}' if at else ''} {ways}"
    changes += (Snippet("or all of it, as this command prints it", (whole,)),)
    return Verdict("fault", name, f"{found.what}. {found.why}", detail, changes)


def _fix(name: str, prefix: str) -> str:
    """The options of a runner that put this configuration right, or ``""``."""
    sends_whole_path = name in ("nginx-params-alone", "apache-proxy-fcgi-alone")
    if name in ("lighttpd-root-without-fix", "lighttpd-rewrite-to-fcgi") or (sends_whole_path and not prefix):
        return f"--fix lighttpd-root{f' --prefix {prefix}' if prefix else ''}"
    if sends_whole_path:
        return f"--fix nginx-path-info --script-name {prefix}"
    return "--fix nginx-path-info" if name == "nginx-path-info-by-regex" else ""


def prefix(seen: Seen) -> Verdict:
    """A fault if SCRIPT_NAME and PATH_INFO are not the path; a note if the runner needs an option for the prefix."""
    at, written = seen.address.prefix, readable(seen.address.prefix)
    answer = plain(seen)
    rest, found = answer.rest, split(answer)
    how, detail = layout(seen), detail_of(seen, answer)
    if answer.report is not None and answer.report["refused"] == OUTSIDE:
        return Verdict(
            "fault",
            f"the runner expects {readable(found[1])!r} to begin with its --prefix",
            "The front has taken the prefix off, or the runner has another one: it answers 404.",
            detail,
            (Snippet("the runner", (f"--script-name {written}    # in place of --prefix",)),),
        )
    if how == "mounted":
        return Verdict("ok", shown(*found))
    if how == "whole":
        change = Snippet("the runner", (f"--prefix {written}",))
        return Verdict("note", f"the whole path arrives: the runner needs --prefix {written}", "", (), (change,))
    if how == "stripped":
        change = Snippet("the runner", (f"--script-name {written}",))
        return Verdict("note", f"the prefix is taken off: the runner needs --script-name {written}", "", (), (change,))
    if at and found in ((at, at + rest), (at * 2, rest), ("", at * 2 + rest)):
        return Verdict(
            "fault",
            "the prefix is doubled",
            "The app builds URLs with two of them, or looks for its routes below the second one.",
            detail,
            (
                Snippet(
                    "the runner, if the front sends the whole path", (f"--prefix {written}    # and nothing else",)
                ),
                Snippet("or the front", ("no X-Forwarded-Prefix, if the runner has --prefix or --script-name",)),
            ),
        )
    text = "SCRIPT_NAME and PATH_INFO do not add up to the path"
    return Verdict("fault", text, "", detail, paths_unless_recognized(seen))


def border(seen: Seen) -> Verdict:
    """A fault if a path that only begins like the prefix reaches the app."""
    answer = seen.answers.get("border")
    if answer is None:
        return Verdict("ok", "the app is at the root and has none")
    if answer.report is None:
        return Verdict("ok", f"{answer.target} does not reach the app: {unanswered(answer)}")
    if split(answer) == ("", f"{seen.address.prefix}foo") or answer.report["refused"] == OUTSIDE:
        return Verdict("ok", f"{answer.target} reaches the runner as another path")
    text = f"{answer.target} reaches the app, and is not below the prefix"
    return Verdict("fault", text, "", detail_of(seen, answer), paths_unless_recognized(seen))


def bare_address(seen: Seen) -> Verdict:
    """A fault if a redirect from the prefix to the prefix with a slash leads elsewhere."""
    answer = seen.answers.get("bare")
    if answer is None:
        return Verdict("ok", "the app is at the root and has none")
    if answer.report is not None:
        if _rest(seen, answer) == "/" and recognized(seen) is None:
            return Verdict("note", f"{answer.target} reaches the app as if it ended with a slash")
        return Verdict("ok", f"{answer.target} reaches the app")
    if answer.status not in (301, 302, 303, 307, 308):
        return Verdict("note", f"{answer.target} does not reach the app: {unanswered(answer)}")
    address, location = seen.address, answer.headers.get("location", "")
    try:
        target = urlsplit(location)
    except ValueError:
        target = urlsplit("?")
    there = (target.scheme or address.scheme, (target.netloc or address.netloc).lower(), target.path)
    if there == (address.scheme, address.netloc.lower(), f"{address.quoted}/"):
        return Verdict("ok", f"the front answers {answer.status} to {answer.target} and adds the slash")
    text = f"{answer.target} leads to {readable(location)[:200]!r}"
    return Verdict("fault", text, "The front redirects to another address.", (), changes_for(seen, "redirect"))


def encoding(seen: Seen) -> Verdict:
    """A fault if the path is not decoded exactly once, or the query string is changed."""
    answer = seen.answers["text"]
    if answer.report is None:
        return Verdict("fault", f"{answer.target} does not reach the app: {unanswered(answer)}")
    detail, changes = detail_of(seen, answer), paths_unless_recognized(seen)
    # Neither the slash in front nor the place where the path is split counts here.
    expected, text = answer.rest[1:], "".join(split(answer))
    if not text.endswith(expected):
        if _unquoted(text).endswith(expected):
            fault = "the path is still percent-encoded when it arrives"
        elif text.endswith(_unquoted(expected)):
            fault = "the path is decoded twice when it arrives"
        else:
            fault = "the path arrives with other letters"
        return Verdict("fault", fault, "", detail, changes)
    query = answer.environ.get("QUERY_STRING", "")
    if query != "x=%26":
        text = f"the query string is changed: x=%26 arrives as {readable(query)!r}"
        return Verdict("fault", text, "", (), changes_for(seen, "query"))
    return Verdict("ok", "paths arrive decoded, once; the query string as it is")


def _unquoted(path: str) -> str:
    # The server of the app may be another one, and its strings may hold characters that stand for no byte.
    return unquote_to_bytes(path.encode("latin-1", "replace")).decode("latin-1")


def encoded_slash(seen: Seen) -> Verdict:
    """A note if %2F does not arrive as a slash."""
    answer = seen.answers["encoded"]
    if answer.report is None:
        text = f"%2F in a path does not reach the app: {unanswered(answer)}"
        return Verdict("note", text, "", (), changes_for(seen, "encoded-slash"))
    if "%2F" in "".join(split(answer)):
        return Verdict("note", "%2F arrives as %2F, not as the slash that it stands for")
    return Verdict("ok", "%2F arrives as a slash")


def slashes(seen: Seen) -> Verdict:
    """A note if two slashes in a row do not stay two."""
    answer = seen.answers["doubled"]
    if answer.report is None:
        return Verdict("note", f"{answer.target} does not reach the app: {unanswered(answer)}")
    if "".join(split(answer)).endswith(answer.rest):
        return Verdict("ok", "two slashes in a row stay two")
    changes = changes_for(seen, "slashes")
    always = f", always with {front_of(seen)}" if front_of(seen) and not changes else ""
    return Verdict("note", f"two slashes in a row arrive as one{always}", "", (), changes)


def _rest(seen: Seen, answer: Answer) -> str:
    """The path below the prefix as the app sees it, wherever the prefix is."""
    path_info = split(answer)[1]
    inner = below(path_info, seen.address.prefix) if layout(seen) == "whole" else None
    return path_info if inner is None else inner
