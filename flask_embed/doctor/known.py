"""Configurations of fronts that are known to be wrong, and how they are recognized by what reaches the app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from flask_embed.config import FRONTS
from flask_embed.middleware.prefix import below

if TYPE_CHECKING:
    from flask_embed.doctor.client import Answer
    from flask_embed.doctor.questions import Seen

__all__ = ["CONFIGURATIONS", "Configuration", "front_of", "layout", "plain", "recognized", "speaks_cgi", "split"]


class Configuration(NamedTuple):
    """A way to configure a front that is known to be wrong."""

    #: a short code for the name, for scripts
    row: str
    what: str
    #: its effect on the app
    why: str


_OF_PHP = "There is no PATH_INFO: each URL looks like the root of another app."

#: by the names under which the doctor and the README know them
CONFIGURATIONS = {
    "lighttpd-prefix-without-border": Configuration(
        "a",
        "The key of fastcgi.server matches every path that begins with it, not only those below it",
        "The whole first segment becomes SCRIPT_NAME: the author of a link chooses the prefix of the URLs in the page.",
    ),
    "lighttpd-root-without-fix": Configuration(
        "b1",
        'fastcgi.server has the key "/" and no fix-root-scriptname',
        "The first segment of each path becomes SCRIPT_NAME, so that it is missing from PATH_INFO and the app builds "
        "URLs below it.",
    ),
    "lighttpd-rewrite-to-fcgi": Configuration(
        "b3",
        "url.rewrite leads to a .fcgi file",
        "The name of the file becomes SCRIPT_NAME: every URL that the app builds begins with it.",
    ),
    "nginx-path-info-by-regex": Configuration(
        "c",
        "nginx cuts PATH_INFO out with 'if' and a regular expression",
        "PATH_INFO lacks its first slash and is still percent-encoded: no route matches but that of the root.",
    ),
    "nginx-split-without-border": Configuration(
        "e",
        "location and fastcgi_split_path_info match every path that begins with the prefix, not only those below it",
        "The rest of such a segment becomes a PATH_INFO without a slash.",
    ),
    "nginx-location-without-slash": Configuration(
        "f3",
        "The location has no slash at its end and its proxy_pass has one",
        "Paths arrive with two slashes in front, and paths that only begin like the prefix arrive as well.",
    ),
    "nginx-params-alone": Configuration(
        "g", "nginx's fastcgi_params send the whole path as SCRIPT_NAME, which is for PHP", _OF_PHP
    ),
    "apache-proxy-fcgi-alone": Configuration(
        "h1", "mod_proxy_fcgi sends the whole path as SCRIPT_NAME, which is for PHP", _OF_PHP
    ),
}


def front_of(seen: Seen) -> str:
    """A name of :data:`~flask_embed.config.FRONTS`, by SERVER_SOFTWARE (RFC 3875 section 4.1.17) or by Server.

    ``""`` for an unknown front.
    """
    answers = list(seen.answers.values())
    software = [answer.environ.get("SERVER_SOFTWARE", "") for answer in answers]
    for text in [*software, *(answer.headers.get("server", "") for answer in answers)]:
        for name in FRONTS:
            if name in text.lower():
                return name
    return ""


def speaks_cgi(seen: Seen) -> bool:
    """True if the app gets variables of CGI: by FastCGI, CGI or mod_wsgi, not by HTTP."""
    return any("GATEWAY_INTERFACE" in answer.environ for answer in seen.answers.values())


def split(answer: Answer) -> tuple[str, str]:
    """SCRIPT_NAME and PATH_INFO as the app gets them."""
    return answer.environ.get("SCRIPT_NAME", ""), answer.environ.get("PATH_INFO", "")


def plain(seen: Seen) -> Answer:
    """The probe's answer to a request without anything odd."""
    for name in ("path", "slash", "bare"):
        answer = seen.answers.get(name)
        if answer is not None and answer.report is not None:
            return answer
    raise LookupError("the probe has answered no plain request")


def layout(seen: Seen) -> Literal["mounted", "whole", "stripped", "other"]:
    """The place of the prefix: in SCRIPT_NAME, in front of PATH_INFO, taken off, or something else."""
    prefix, answer = seen.address.prefix, plain(seen)
    found = split(answer)
    if found == (prefix, answer.rest):
        return "mounted"
    if found == ("", prefix + answer.rest):
        return "whole"
    return "stripped" if found == ("", answer.rest) else "other"


def recognized(seen: Seen) -> str | None:
    """The name in :data:`CONFIGURATIONS` of what these answers are known from, or None."""
    front, prefix = front_of(seen), seen.address.prefix
    answer = plain(seen)
    script_name, path_info = split(answer)
    rest, whole = answer.rest, prefix + answer.rest
    is_nginx, is_lighttpd = front in ("nginx", ""), front in ("lighttpd", "")
    at_border = _at_border(seen)
    if at_border is not None:
        return at_border
    if is_nginx and path_info == f"/{rest}" and script_name in ("", prefix):
        return "nginx-location-without-slash"
    if layout(seen) != "other":
        return None
    # Where SCRIPT_NAME is shorter than REQUEST_URI, flup makes a PATH_INFO of the end of that: it has no slash.
    if script_name == whole and whole != "/" and not _path_only(path_info):
        of_php = {"nginx": "nginx-params-alone", "apache": "apache-proxy-fcgi-alone", "": "nginx-params-alone"}
        return of_php.get(front)
    if is_nginx and script_name == prefix and path_info and not path_info.startswith("/"):
        return "nginx-path-info-by-regex"
    if is_lighttpd:
        if re.search(r"\.\w+$", script_name) and path_info in (whole, rest) and below(prefix, script_name) is None:
            return "lighttpd-rewrite-to-fcgi"
        if script_name + path_info == whole and script_name == f"/{whole.split('/')[1]}":
            return "lighttpd-root-without-fix"
    return None


def _at_border(seen: Seen) -> str | None:
    """The configuration that is recognized by a path which only begins like the prefix, or None."""
    front, prefix, border = front_of(seen), seen.address.prefix, seen.answers.get("border")
    if border is None or border.report is None or layout(seen) not in ("mounted", "stripped"):
        return None
    script_name, path_info = split(border)
    if front in ("lighttpd", "") and script_name == f"{prefix}foo" and not _path_only(path_info):
        outside = seen.answers.get("outside")
        is_root = outside is not None and outside.report is not None
        return "lighttpd-root-without-fix" if is_root else "lighttpd-prefix-without-border"
    if front in ("nginx", "") and (script_name, path_info) == (prefix, "foo"):
        return "nginx-split-without-border"
    return None


def _path_only(path_info: str) -> str:
    """A PATH_INFO, without what flup invents where the front sends none."""
    return path_info if path_info.startswith("/") else ""
