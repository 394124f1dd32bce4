"""What ``flask-embed doctor`` makes of what came back: a table of small functions over the answers, without a network.

Each one answers one question with "ok", a "note" (right for some apps and not for others, or worth knowing) or a
"fault", and with the lines of configuration to change. Paths are WSGI strings, latin-1 characters that stand for bytes.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from flask_embed.doctor.questions import BODY, FORGED, STALE, TWINS
from flask_embed.environ import readable
from flask_embed.middleware.prefix import below
from flask_embed.probe import AUTHORIZATION, OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flask_embed.doctor.questions import Answer, Seen

__all__ = [
    "CHECKS",
    "CONFIGURATIONS",
    "NEEDS",
    "Change",
    "Configuration",
    "Verdict",
    "front_of",
    "judge",
    "recognized",
    "speaks_cgi",
]

#: what an app may need and others do without: a note about it becomes a fault when it is named
NEEDS = ("authorization", "chunked", "encoded-slash", "slashes", "streaming")

_NAMES = {"nginx": "nginx", "lighttpd": "lighttpd", "apache": "Apache"}


class Change(NamedTuple):
    """What to write, and where."""

    #: "nginx", "lighttpd", "Apache", "the runner", with a word on the place where one is due
    where: str
    lines: tuple[str, ...]


class Verdict(NamedTuple):
    """The answer of one check."""

    level: Literal["ok", "note", "fault"]
    #: in a few words
    text: str
    #: what it means for the app
    why: str = ""
    #: what was asked, what the app sees, what it should see: a line for each
    detail: tuple[str, ...] = ()
    #: the first helps, and so does each that begins with "or"
    changes: tuple[Change, ...] = ()


class Configuration(NamedTuple):
    """A way to configure a front that is known, and known to be wrong."""

    name: str
    what: str
    #: what it does to the app
    why: str


#: by the letter that the README has for each
CONFIGURATIONS = {
    "a": Configuration(
        "lighttpd-prefix-without-border",
        "The key of fastcgi.server matches every path that begins with it, not only those below it",
        "All of such a word becomes SCRIPT_NAME: whoever writes a link chooses the prefix of the URLs in the page.",
    ),
    "b1": Configuration(
        "lighttpd-root-without-fix",
        'fastcgi.server has the key "/" and no fix-root-scriptname',
        "The first segment of each path becomes SCRIPT_NAME, so that the app misses it in PATH_INFO and builds URLs "
        "below it.",
    ),
    "b3": Configuration(
        "lighttpd-rewrite-to-fcgi",
        "url.rewrite leads to a .fcgi file",
        "The name of the file becomes SCRIPT_NAME: every URL that the app builds begins with it.",
    ),
    "c": Configuration(
        "nginx-path-info-by-regex",
        "nginx cuts PATH_INFO out with 'if' and a regular expression",
        "PATH_INFO comes without its first slash and still percent-encoded: no route matches but that of the root.",
    ),
    "e": Configuration(
        "nginx-split-without-border",
        "location and fastcgi_split_path_info match every path that begins with the prefix, not only those below it",
        "The rest of such a word becomes a PATH_INFO without a slash.",
    ),
    "f3": Configuration(
        "nginx-location-without-slash",
        "The location has no slash at its end and its proxy_pass has one",
        "Paths come with two slashes in front, and those that only begin like the prefix come as well.",
    ),
    "g": Configuration(
        "nginx-params-alone",
        "nginx's fastcgi_params send the whole path as SCRIPT_NAME, which is for PHP",
        "There is no PATH_INFO: each URL looks like the root of another app.",
    ),
    "h1": Configuration(
        "apache-proxy-fcgi-alone",
        "mod_proxy_fcgi sends the whole path as SCRIPT_NAME, which is for PHP",
        "There is no PATH_INFO: each URL looks like the root of another app.",
    ),
}


# What is known of the front


def front_of(seen: Seen) -> str:
    """``nginx``, ``lighttpd``, ``apache`` or ``""``: by SERVER_SOFTWARE, which CGI and FastCGI tell, or by Server."""
    answers = list(seen.answers.values())
    told = [answer.environ.get("SERVER_SOFTWARE", "") for answer in answers]
    for text in [*told, *(answer.headers.get("server", "") for answer in answers)]:
        for name in _NAMES:
            if name in text.lower():
                return name
    return ""


def speaks_cgi(seen: Seen) -> bool:
    """Whether the app gets variables of CGI: by FastCGI, CGI or mod_wsgi, not by HTTP."""
    return any("GATEWAY_INTERFACE" in answer.environ for answer in seen.answers.values())


def _split(answer: Answer) -> tuple[str, str]:
    return answer.environ.get("SCRIPT_NAME", ""), answer.environ.get("PATH_INFO", "")


def _path_only(path_info: str) -> str:
    """A PATH_INFO, without what flup invents where the front sends none."""
    return path_info if path_info.startswith("/") else ""


def plain(seen: Seen) -> Answer:
    """The probe's answer to a request without anything odd."""
    for name in ("path", "slash", "bare"):
        answer = seen.answers.get(name)
        if answer is not None and answer.told is not None:
            return answer
    raise LookupError("the probe has answered no plain request")


def layout(seen: Seen) -> Literal["mounted", "whole", "stripped", "other"]:
    """How the prefix comes to the app: in SCRIPT_NAME, in front of PATH_INFO, not at all, or in another way."""
    prefix, answer = seen.address.prefix, plain(seen)
    split = _split(answer)
    if split == (prefix, answer.rest):
        return "mounted"
    if split == ("", prefix + answer.rest):
        return "whole"
    return "stripped" if split == ("", answer.rest) else "other"


def _rest(seen: Seen, answer: Answer) -> str:
    """The path below the prefix as the app sees it, however the prefix comes."""
    path_info = _split(answer)[1]
    inner = below(path_info, seen.address.prefix) if layout(seen) == "whole" else None
    return path_info if inner is None else inner


def recognized(seen: Seen) -> str | None:
    """The letter of the configuration in :data:`CONFIGURATIONS` that these answers are known from, or None."""
    front, prefix = front_of(seen), seen.address.prefix
    answer = plain(seen)
    script_name, path_info = _split(answer)
    rest, whole = answer.rest, prefix + answer.rest
    how = layout(seen)
    border = seen.answers.get("border")
    if border is not None and border.told is not None and how in ("mounted", "stripped"):
        at_border = _split(border)
        if front in ("lighttpd", "") and at_border[0] == f"{prefix}foo" and not _path_only(at_border[1]):
            outside = seen.answers.get("outside")
            return "a" if outside is None or outside.told is None else "b1"
        if front in ("nginx", "") and at_border == (prefix, "foo"):
            return "e"
    if front in ("nginx", "") and path_info == f"/{rest}" and script_name in ("", prefix):
        return "f3"
    if how != "other":
        return None
    # flup makes a PATH_INFO of the end of REQUEST_URI where SCRIPT_NAME is shorter than that: it has no slash.
    if script_name == whole and whole != "/" and not _path_only(path_info):
        return {"nginx": "g", "apache": "h1", "": "g"}.get(front)
    if front in ("nginx", "") and script_name == prefix and path_info and not path_info.startswith("/"):
        return "c"
    if front in ("lighttpd", ""):
        if re.search(r"\.\w+$", script_name) and path_info in (whole, rest) and below(prefix, script_name) is None:
            return "b3"
        if script_name + path_info == whole and script_name == f"/{whole.split('/')[1]}":
            return "b1"
    return None


# The lines to change


def _pattern(prefix: str) -> str:
    """The prefix in a regular expression of a configuration file."""
    return re.sub(r"([.+*?^$()\[\]{}|\\])", r"\\\1", readable(prefix))


def recommended(seen: Seen, front: str) -> Change:
    """The lines that hand paths over as they should be."""
    prefix, shown = _pattern(seen.address.prefix), readable(seen.address.prefix)
    if front == "nginx" and speaks_cgi(seen) and prefix:
        return Change(
            "nginx, in place of the location",
            (
                "merge_slashes off;",
                f"location ~ ^{prefix}(?:/|$) {{",
                "    include fastcgi_params;",
                f"    fastcgi_split_path_info ^({prefix})(|/.*)$;",
                "    fastcgi_param SCRIPT_NAME $fastcgi_script_name;",
                "    fastcgi_param PATH_INFO $fastcgi_path_info;",
                "    fastcgi_param HTTP_HOST $http_host;",
                '    fastcgi_param HTTP_PROXY "";',
                "    fastcgi_pass ADDRESS;    # as it is",
                "}",
            ),
        )
    if front == "nginx" and speaks_cgi(seen):
        return Change(
            "nginx, in place of the location",
            (
                "merge_slashes off;",
                "location / {",
                "    include fastcgi_params;",
                "    fastcgi_param PATH_INFO $fastcgi_script_name;",
                '    fastcgi_param SCRIPT_NAME "";',
                "    fastcgi_param HTTP_HOST $http_host;",
                '    fastcgi_param HTTP_PROXY "";',
                "    fastcgi_pass ADDRESS;    # as it is",
                "}",
            ),
        )
    if front == "nginx":
        return Change(
            f"nginx, in place of the location, and the runner with --prefix {shown}" if prefix else "nginx",
            (
                "merge_slashes off;",
                f"location ~ ^{prefix}(?:/|$) {{" if prefix else "location / {",
                "    proxy_pass http://HOST:PORT;    # the same host, no slash and no path behind it",
                "    proxy_set_header Host $http_host;",
                "}",
            ),
        )
    if front == "lighttpd" and prefix:
        return Change(
            "lighttpd",
            (
                f'$HTTP["url"] =~ "^{prefix}(/|$)" {{',
                f'    fastcgi.server = ( "{shown}" => (( "socket" => "PATH", "check-local" => "disable" )) )',
                "}",
            ),
        )
    if front == "lighttpd":
        return Change(
            "lighttpd",
            (
                'fastcgi.server = ( "/" => (( "socket" => "PATH", "check-local" => "disable",',
                '                              "fix-root-scriptname" => "enable" )) )',
            ),
        )
    if speaks_cgi(seen) and prefix:
        return Change(
            "Apache, in place of ProxyPass",
            (
                f'ProxyPassMatch "^{prefix}(/.*)?$" "unix:PATH|fcgi://localhost"',
                "ProxyFCGIBackendType GENERIC",
                f'ProxyFCGISetEnvIf "true" SCRIPT_NAME "{shown}"',
                f'ProxyFCGISetEnvIf "%{{REQUEST_URI}} =~ m#^{prefix}(/.*)?$#" PATH_INFO "$1"',
            ),
        )
    if speaks_cgi(seen):
        return Change(
            "Apache, in place of ProxyPass",
            (
                "ProxyFCGIBackendType GENERIC",
                'ProxyFCGISetEnvIf "true" SCRIPT_NAME ""',
                'ProxyFCGISetEnvIf "%{REQUEST_URI} =~ m#^(.*)$#" PATH_INFO "$1"',
                'ProxyPass "/" "unix:PATH|fcgi://localhost/"',
            ),
        )
    return Change(
        f"Apache, and the runner with --prefix {shown}" if prefix else "Apache",
        (f'ProxyPass "{shown or "/"}" "http://HOST:PORT{shown or "/"}"', "ProxyPreserveHost On"),
    )


def _for_front(
    seen: Seen, lines: Mapping[str, tuple[str, ...]], places: Mapping[str, str] | None = None
) -> tuple[Change, ...]:
    """Those of *lines* that are for the front, or all of them where it is not known which one it is.

    *places* has what to say of where they go, where the name of the front is not enough.
    """
    front = front_of(seen)
    names = {**_NAMES, **(places or {})}
    return tuple(Change(names[name], those) for name, those in lines.items() if front in (name, ""))


def _paths_right(seen: Seen) -> tuple[Change, ...]:
    front = front_of(seen)
    return tuple(recommended(seen, name) for name in ([front] if front else _NAMES))


def _param(seen: Seen, header: str, value: str) -> str:
    """nginx's line that sets a header of the request."""
    if speaks_cgi(seen):
        return f"fastcgi_param HTTP_{header.upper().replace('-', '_')} {value};"
    return f"proxy_set_header {header} {value};"


# The checks


def _shown(script_name: str, path_info: str) -> str:
    return f'SCRIPT_NAME "{readable(script_name)}", PATH_INFO "{readable(path_info)}"'


def _detail(seen: Seen, answer: Answer) -> tuple[str, ...]:
    """What was asked, what the app sees and what it should see."""
    lines = [f"asked for   {answer.target}", f"app sees    {_shown(*_split(answer))}"]
    if answer.told is not None and answer.told["refused"]:
        lines.append(f"            refused by runners: {readable(answer.told['refused'])}")
    should = _shown(seen.address.prefix, answer.rest) if answer.is_below else "nothing, it is not for this app"
    return (*lines, f"should see  {should}")


def _unanswered(answer: Answer) -> str:
    """What came in place of the probe's answer."""
    return readable(answer.problem) or f"the front answers {answer.status} itself"


def _unless_recognized(seen: Seen) -> tuple[Change, ...]:
    """The lines that hand paths over; none where the verdict on the configuration has them."""
    return () if recognized(seen) else _paths_right(seen)


def _configuration(seen: Seen) -> Verdict:
    row = recognized(seen)
    if row is None:
        return Verdict("ok", "none of those that are known to be wrong")
    found = CONFIGURATIONS[row]
    shows_at_border = row in ("a", "e") or (row == "b1" and layout(seen) != "other")
    detail = _detail(seen, seen.answers["border"] if shows_at_border else plain(seen))
    changes = _paths_right(seen)
    prefix = readable(seen.address.prefix)
    if row in ("b1", "b3") or (row in ("g", "h1") and not prefix):
        changes += (Change("or the runner", (f"--fix lighttpd-root{f' --prefix {prefix}' if prefix else ''}",)),)
    elif row in ("c", "g", "h1"):
        option = f"--fix nginx-path-info{f' --script-name {prefix}' if row != 'c' else ''}"
        changes += (Change("or the runner", (option,)),)
    front = front_of(seen) or "nginx"
    ways = "--socket PATH" if speaks_cgi(seen) else "--runner gevent --tcp 127.0.0.1:8000"
    whole = f"flask-embed config {front} --app APP{f' --prefix {prefix}' if prefix else ''} {ways}"
    changes += (Change("or all of it, as this prints it", (whole,)),)
    return Verdict("fault", f"{row}, {found.name}", f"{found.what}. {found.why}", detail, changes)


def _prefix(seen: Seen) -> Verdict:
    prefix = seen.address.prefix
    shown = readable(prefix)
    answer = plain(seen)
    rest, split = answer.rest, _split(answer)
    how, detail = layout(seen), _detail(seen, answer)
    if answer.told is not None and answer.told["refused"] == OUTSIDE:
        return Verdict(
            "fault",
            f"the runner waits for {readable(split[1])!r} to begin with its --prefix",
            "The front has taken the prefix off, or the runner has been told another one: it answers 404.",
            detail,
            (Change("the runner", (f"--script-name {shown}    # in place of --prefix",)),),
        )
    if how == "mounted":
        return Verdict("ok", _shown(*split))
    if how == "whole":
        change = Change("the runner", (f"--prefix {shown}",))
        return Verdict("note", f"the whole path comes: the runner needs --prefix {shown}", "", (), (change,))
    if how == "stripped":
        change = Change("the runner", (f"--script-name {shown}",))
        return Verdict("note", f"the prefix is taken off: the runner needs --script-name {shown}", "", (), (change,))
    if prefix and split in ((prefix, prefix + rest), (prefix * 2, rest), ("", prefix * 2 + rest)):
        return Verdict(
            "fault",
            "the prefix is doubled",
            "The app has it twice in the URLs that it builds, or looks for its routes below it.",
            detail,
            (
                Change("the runner, if the front sends the whole path", (f"--prefix {shown}    # and nothing else",)),
                Change("or the front", ("no X-Forwarded-Prefix, if the runner has --prefix or --script-name",)),
            ),
        )
    text = "SCRIPT_NAME and PATH_INFO do not add up to the path"
    return Verdict("fault", text, "", detail, _unless_recognized(seen))


def _border(seen: Seen) -> Verdict:
    answer = seen.answers.get("border")
    if answer is None:
        return Verdict("ok", "there is none at the root")
    if answer.told is None:
        return Verdict("ok", f"{answer.target} does not come to the app: {_unanswered(answer)}")
    if _split(answer) == ("", f"{seen.address.prefix}foo") or answer.told["refused"] == OUTSIDE:
        return Verdict("ok", f"{answer.target} comes to the runner as another path")
    text = f"{answer.target} comes to the app, and is not below the prefix"
    return Verdict("fault", text, "", _detail(seen, answer), _unless_recognized(seen))


def _bare(seen: Seen) -> Verdict:
    answer = seen.answers.get("bare")
    if answer is None:
        return Verdict("ok", "there is none at the root")
    if answer.told is not None:
        if _rest(seen, answer) == "/" and recognized(seen) is None:
            return Verdict("note", f"{answer.target} looks to the app as if it ended with a slash")
        return Verdict("ok", f"{answer.target} comes to the app")
    if answer.status not in (301, 302, 303, 307, 308):
        return Verdict("note", f"{answer.target} does not come to the app: {_unanswered(answer)}")
    address, location = seen.address, answer.headers.get("location", "")
    try:
        leads = urlsplit(location)
    except ValueError:
        leads = urlsplit("?")
    there = (leads.scheme or address.scheme, (leads.netloc or address.netloc).lower(), leads.path)
    if there == (address.scheme, address.netloc.lower(), f"{address.quoted}/"):
        return Verdict("ok", f"the front answers {answer.status} to {answer.target} and adds the slash")
    return Verdict(
        "fault",
        f"{answer.target} leads to {readable(location)[:200]!r}",
        "The front does not know by which address it is reached.",
        (),
        _for_front(seen, {"nginx": ("absolute_redirect off;",), "apache": ("UseCanonicalName Off",)}),
    )


def _encoding(seen: Seen) -> Verdict:
    answer = seen.answers["text"]
    if answer.told is None:
        return Verdict("fault", f"{answer.target} does not come to the app: {_unanswered(answer)}")
    detail, changes = _detail(seen, answer), _unless_recognized(seen)
    # Neither the slash in front nor the place where the path is split counts here.
    expected, text = answer.rest[1:], "".join(_split(answer))
    if not text.endswith(expected):
        if _unquoted(text).endswith(expected):
            fault = "the path is still percent-encoded when it comes"
        elif text.endswith(_unquoted(expected)):
            fault = "the path is decoded twice when it comes"
        else:
            fault = "the path comes with other letters"
        return Verdict("fault", fault, "", detail, changes)
    query = answer.environ.get("QUERY_STRING", "")
    if query != "x=%26":
        lines = {"nginx": ("fastcgi_param QUERY_STRING $query_string;",)} if speaks_cgi(seen) else {}
        text = f"the query string is changed: x=%26 comes as {readable(query)!r}"
        return Verdict("fault", text, "", (), _for_front(seen, lines))
    return Verdict("ok", "paths come decoded, once; the query string as it is")


def _unquoted(path: str) -> str:
    # A server of somebody else's may have left there what stands for no byte.
    return unquote_to_bytes(path.encode("latin-1", "replace")).decode("latin-1")


def _encoded_slash(seen: Seen) -> Verdict:
    answer = seen.answers["encoded"]
    if answer.told is None:
        changes = _for_front(seen, {"apache": ("AllowEncodedSlashes On",)})
        return Verdict("note", f"%2F in a path does not come to the app: {_unanswered(answer)}", "", (), changes)
    if "%2F" in "".join(_split(answer)):
        return Verdict("note", "%2F comes as %2F, not as the slash that it stands for")
    return Verdict("ok", "%2F comes as a slash")


def _slashes(seen: Seen) -> Verdict:
    answer = seen.answers["doubled"]
    if answer.told is None:
        return Verdict("note", f"{answer.target} does not come to the app: {_unanswered(answer)}")
    if "".join(_split(answer)).endswith(seen.answers["doubled"].rest):
        return Verdict("ok", "two slashes in a row stay two")
    nginx = ["merge_slashes off;    # in server"]
    if not speaks_cgi(seen):
        nginx.append("proxy_pass http://HOST:PORT;    # nothing behind the host, and --prefix for the runner")
    hint = ", always with lighttpd" if front_of(seen) == "lighttpd" else ""
    changes = _for_front(
        seen,
        {"nginx": tuple(nginx), "apache": ("MergeSlashes Off",)},
        {"apache": "Apache with mod_proxy (mod_fcgid, mod_cgi and mod_wsgi always do that)"},
    )
    return Verdict("note", f"two slashes in a row come as one{hint}", "", (), changes)


def _host(seen: Seen) -> Verdict:
    host, expected = plain(seen).environ.get("HTTP_HOST", "").lower(), seen.address.netloc.lower()
    default = ":443" if seen.address.scheme == "https" else ":80"
    if host.removesuffix(default) == expected:
        return Verdict("ok", f"Host comes as {expected}")
    if speaks_cgi(seen):
        where = "nginx, behind 'include fastcgi_params;'"
        changes = _for_front(seen, {"nginx": ("fastcgi_param HTTP_HOST $http_host;",)}, {"nginx": where})
    else:
        lines = {"nginx": ("proxy_set_header Host $http_host;",), "apache": ("ProxyPreserveHost On",)}
        changes = _for_front(seen, lines)
    detail = (f"asked for   {expected}", f"app sees    {readable(host)}")
    if host and host == expected.rpartition(":")[0]:
        why = "URLs with a host lead nowhere, and forms look as if another site had sent them."
        return Verdict("fault", "the port is lost from Host", why, detail, changes)
    return Verdict("fault", "Host comes as another one", "URLs with a host lead there.", detail, changes)


def _scheme(seen: Seen) -> Verdict:
    scheme, expected = plain(seen).environ.get("wsgi.url_scheme", ""), seen.address.scheme
    if scheme == expected:
        return Verdict("ok", f"the scheme comes as {expected}")
    value = "on" if expected == "https" else "off"
    if speaks_cgi(seen):
        lines = {
            "nginx": ("fastcgi_param HTTPS $https if_not_empty;", "fastcgi_param REQUEST_SCHEME $scheme;"),
            "lighttpd": (f'setenv.add-environment = ( "HTTPS" => "{value}" )    # mod_setenv',),
            "apache": (f"SetEnv HTTPS {value}",),
        }
    else:
        lines = {
            "nginx": ("proxy_set_header X-Forwarded-Proto $scheme;",),
            "lighttpd": ('proxy.forwarded = ( "for" => 1, "proto" => 1 )',),
            "apache": (f"RequestHeader set X-Forwarded-Proto {expected}",),
        }
    changes = _for_front(seen, lines)
    if not speaks_cgi(seen):
        option = "--trust-proxy 1    # and --forwarded-allow-ips unix, for a socket file"
        changes += (Change("and the runner", (option,)),)
    text = f"the app takes the site for {readable(scheme)}: it is {expected}"
    return Verdict("fault", text, "Its URLs with a host and its secure cookies are for the other one.", (), changes)


def _script_name(seen: Seen) -> Verdict:
    for name in ("forged", "twins"):
        answer = seen.answers[name]
        found = re.search(r"/forged-by-([a-z_-]+)", _split(answer)[0])
        if found is not None:
            header = re.sub("[a-z]+", lambda word: word[0].capitalize(), found[1])
            changes = _for_front(seen, _cleared(seen, (header,)) if name == "forged" else _NO_UNDERSCORES)
            if header.startswith("X-Forwarded") or header.startswith("X_Forwarded"):
                changes += (_NO_TRUST,)
            detail = _detail(seen, answer)
            text = f"SCRIPT_NAME can be forged with a header: {header}"
            return Verdict("fault", text, "Whoever sends it chooses the prefix of the URLs.", detail, changes)
    plain_ones = ("path", "slash", "bare", "text", "encoded", "doubled", "border", "outside")
    told = [seen.answers[name] for name in plain_ones if name in seen.answers]
    if len({_split(answer)[0] for answer in told if answer.told and answer.told["refused"] != OUTSIDE}) > 1:
        return Verdict("fault", "SCRIPT_NAME can be forged with the path", "", (), _unless_recognized(seen))
    return Verdict("ok", "a client cannot change SCRIPT_NAME")


_NO_UNDERSCORES = {"nginx": ("underscores_in_headers off;",)}
_NO_TRUST = Change("or the runner", ("no --trust-proxy, where no proxy in front sets these headers",))


def _cleared(seen: Seen, headers: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The lines that keep headers of clients from the app."""
    pairs = [f'    "{header}" => "",' for header in headers]
    return {
        "nginx": tuple(_param(seen, header, '""') for header in headers),
        "lighttpd": ("setenv.set-request-header = (    # mod_setenv", *pairs, ")"),
        "apache": tuple(f"RequestHeader unset {header} early" for header in headers),
    }


def _forwarded(seen: Seen) -> Verdict:
    answer, environ = seen.answers["forged"], seen.answers["forged"].environ
    if answer.told is None:
        return Verdict("note", f"a request with forged X-Forwarded-* headers: {_unanswered(answer)}")
    other = "http" if seen.address.scheme == "https" else "https"
    host = environ.get("HTTP_HOST", "")
    effects = {
        "X-Forwarded-For": environ.get("REMOTE_ADDR") == "203.0.113.7",
        "X-Forwarded-Host": "forged.example" in host,
        "X-Forwarded-Port": environ.get("SERVER_PORT") == "4242" or host.endswith(":4242"),
        "X-Forwarded-Proto": environ.get("wsgi.url_scheme") == other != plain(seen).environ.get("wsgi.url_scheme"),
    }
    believed = tuple(header for header, effect in effects.items() if effect)
    if believed:
        detail = (
            f"app sees    {readable(environ.get('wsgi.url_scheme', ''))}://{readable(host)} "
            f"from {readable(environ.get('REMOTE_ADDR', ''))}",
        )
        why = "The front has to overwrite these headers, and does not."
        changes = (*_for_front(seen, _cleared(seen, believed)), _NO_TRUST)
        return Verdict("fault", f"the app believes a client's {' and '.join(believed)}", why, detail, changes)
    sent = {**dict(FORGED), "X-Forwarded-Proto": other}
    passed = tuple(header for header, value in sent.items() if environ.get(_key(header)) == value)
    passed = tuple(header for header in passed if header.startswith("X-Forwarded"))
    if passed:
        names = passed[0] if len(passed) == 1 else "X-Forwarded-" + ", -".join(header[12:] for header in passed)
        why = "They do no harm as long as nobody believes them: no --trust-proxy, no ProxyFix."
        return Verdict("note", f"a client's {names} come to the app", why, (), _for_front(seen, _cleared(seen, passed)))
    return Verdict("ok", "a client's X-Forwarded-* headers do not come to the app")


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _twins(seen: Seen) -> Verdict:
    answer, environ = seen.answers["twins"], seen.answers["twins"].environ
    if answer.told is None:
        return Verdict("note", f"a request with underscores in the names of headers: {_unanswered(answer)}")
    if (
        environ.get("REMOTE_ADDR") == "203.0.113.8"
        or "twin.example" in environ.get("HTTP_HOST", "")
        or environ.get("wsgi.url_scheme") != plain(seen).environ.get("wsgi.url_scheme")
    ):
        text = "the app believes X_Forwarded_* of a client, with underscores"
        return Verdict("fault", text, "", (), (*_for_front(seen, _NO_UNDERSCORES), _NO_TRUST))
    passed = [header for header, value in TWINS if "_" in header and environ.get(_key(header)) == value]
    if passed or environ.get("HTTP_X_FLASK_EMBED_TWIN", "dashes") != "dashes":
        why = "A client can write Remote_User for Remote-User: believe no header that the front is to set."
        changes = _for_front(seen, _NO_UNDERSCORES)
        return Verdict("note", "headers with underscores pass for those with dashes", why, (), changes)
    return Verdict("ok", "headers with underscores do not come to the app")


def _proxy(seen: Seen) -> Verdict:
    answer = seen.answers["forged"]
    if answer.told is None or "HTTP_PROXY" not in answer.environ:
        return Verdict("ok", "a client's Proxy header does not come as HTTP_PROXY")
    lines = {"nginx": (_param(seen, "Proxy", '""'),), "apache": ("RequestHeader unset Proxy early",)}
    changes = _for_front(seen, lines)
    why = "Libraries take it for a setting and send their requests there (CVE-2016-5385)."
    return Verdict("fault", "a client's Proxy header comes as HTTP_PROXY", why, (), changes)


def _authorization(seen: Seen) -> Verdict:
    answer = seen.answers["authorization"]
    if answer.told is None:
        return Verdict("note", f"a request with Authorization does not come to the app: {_unanswered(answer)}")
    value = answer.environ.get("HTTP_AUTHORIZATION")
    if value == AUTHORIZATION:
        return Verdict("ok", "Authorization comes to the app")
    if value is not None:
        return Verdict("note", "the front puts another Authorization in its place")
    lines = {
        "nginx": (_param(seen, "Authorization", "$http_authorization"),),
        "apache": (f'<Location "{readable(seen.address.prefix) or "/"}">', "    CGIPassAuth On", "</Location>"),
    }
    changes = _for_front(seen, lines)
    if any(change.where == "Apache" for change in changes):
        changes += (Change("or Apache with mod_wsgi", ("WSGIPassAuthorization On",)),)
    return Verdict("note", "Authorization is dropped", "Log-ins by HTTP and bearer tokens cannot work.", (), changes)


def _body(seen: Seen) -> Verdict:
    return _whole_body(seen, "body", "a body with a length")


def _chunked(seen: Seen) -> Verdict:
    answer = seen.answers["chunked"]
    if answer.status == 411:
        changes = _for_front(seen, {"apache": ("WSGIChunkedRequest On",)}, {"apache": "Apache, for mod_wsgi"})
        return Verdict("note", "a body in chunks is refused with 411, clients must send a length", "", (), changes)
    verdict = _whole_body(seen, "chunked", "a body in chunks")
    is_ended = answer.told is not None and answer.told["input_terminated"]
    if verdict.level == "ok" and "HTTP_TRANSFER_ENCODING" in answer.environ and not is_ended:
        why = "HTTP_TRANSFER_ENCODING stands beside CONTENT_LENGTH, and Flask and Werkzeug read nothing then."
        change = Change("in place of the server of the app", ("python -m flask_embed.fastcgi",))
        return Verdict("fault", "a body in chunks is lost in the app", why, (), (change,))
    return verdict


def _whole_body(seen: Seen, name: str, what: str) -> Verdict:
    answer = seen.answers[name]
    if answer.told is None:
        return Verdict("fault", f"{what} does not come to the app: {_unanswered(answer)}")
    if answer.told["body"]["sha256"] == hashlib.sha256(BODY).hexdigest():
        return Verdict("ok", f"{what} comes whole")
    changes: tuple[Change, ...] = ()
    if name == "chunked":
        protocol = "fastcgi" if speaks_cgi(seen) else "proxy"
        lines = {
            "nginx": (f"{protocol}_request_buffering on;",),
            "lighttpd": ("server.stream-request-body = 0",),
            "apache": ("SetEnv proxy-sendcl 1",),
        }
        changes = _for_front(seen, lines)
    return Verdict("fault", f"{what} is lost", f"Of {len(BODY)} bytes {answer.told['body']['size']} come.", (), changes)


def _streaming(seen: Seen) -> Verdict:
    first, second = seen.streams.get("stream", "not asked"), seen.streams.get("unbuffered", "not asked")
    if first == "pieces":
        return Verdict("ok", "an answer comes in pieces, as the app makes them")
    if first != "whole":
        return Verdict("fault", f"an answer in pieces does not come whole: {readable(first)}")
    lines = {
        "nginx": ("fastcgi_buffering off;" if speaks_cgi(seen) else "proxy_buffering off;",),
        "lighttpd": ("server.stream-response-body = 1",),
        "apache": ("flushpackets=on",),
    }
    places = {"apache": "Apache, at the end of the line ProxyPass or ProxyPassMatch"}
    changes = _for_front(seen, lines, places)
    if any(change.where == places["apache"] for change in changes):
        changes += (Change("or Apache with mod_fcgid", ("FcgidOutputBufferSize 0",)),)
    if second == "pieces":
        text = "the response is buffered, unless the app sends X-Accel-Buffering: no"
        return Verdict("note", text, "", (), changes)
    why = "What the app makes piece by piece comes at its end, or when there is a good deal of it."
    return Verdict("note", "the response is buffered", why, (), changes)


def _fresh(seen: Seen) -> Verdict:
    stale = [answer.target for answer in seen.answers.values() if answer.problem == STALE]
    if stale:
        return Verdict("fault", f"{stale[0]} is answered from a cache", "The probe forbids it, with no-store.")
    return Verdict("ok", "each answer is new")


#: every check by its name, in the order in which they are shown
CHECKS: Mapping[str, Callable[[Seen], Verdict]] = {
    "configuration": _configuration,
    "prefix": _prefix,
    "border": _border,
    "bare-address": _bare,
    "encoding": _encoding,
    "encoded-slash": _encoded_slash,
    "slashes": _slashes,
    "host": _host,
    "scheme": _scheme,
    "script-name": _script_name,
    "forwarded": _forwarded,
    "underscores": _twins,
    "proxy-header": _proxy,
    "authorization": _authorization,
    "body": _body,
    "chunked": _chunked,
    "streaming": _streaming,
    "cache": _fresh,
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
