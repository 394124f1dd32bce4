"""Where a way to an app does not do what the table of behaviours says, and why.

One that is not listed fails the tests, and so does one that is listed and does it after all.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import NamedTuple

__all__ = ["DEVIATIONS", "NOTES", "Deviation", "deviation"]


class Deviation(NamedTuple):
    """A deviation of some ways."""

    #: a key of :data:`NOTES`
    note: str
    #: their names
    behaviours: tuple[str, ...]
    #: patterns of names of ways, as of files: ``nginx*``, ``* at the root``
    ways: tuple[str, ...]
    #: what the failure says, as a regular expression
    seen: str


#: the reasons, in the order of their numbers
NOTES: dict[str, str] = {
    "slashes": "The server merges slashes before any app sees the path; Apache at the root "
    "those at its beginning, too.",
    "dots": "The server resolves `/a/../b` before it judges the path by its rules, and passes on what it has judged: "
    "the app gets `/b`.",
    "encoded dots": "The server resolves `%2e%2e` as well, and `…/%2e%2e/b` leads out of the prefix: it answers 404 "
    "itself. lighttpd at the root takes it for `/b`, and the app gets that.",
    "bare characters": "lighttpd encodes in a query what should have been encoded.",
    "needless encoding": "lighttpd decodes in a query what need not be encoded, and writes the rest in capitals.",
    "controls": "lighttpd answers 400 to `%00` to `%1F`, `%7F` and what is no UTF-8, in queries, too "
    "(`url-ctrls-reject`, `url-invalid-utf8-reject`).",
    "underscores": "To lighttpd `X_Token` and `X-Token` are one header for CGI and FastCGI, and the last one counts. "
    "Its configuration clears those that tell who the client is, however they are spelled.",
    "headers": "The server's own limit: 32 KB with nginx (`large_client_header_buffers`), 8 KB with lighttpd "
    "(`server.max-request-field-size`).",
    "buffered uploads": "The server waits for the whole of an upload, so that slow clients keep no worker busy: nginx "
    "unless `…_request_buffering off`, lighttpd unless `server.stream-request-body = 1`, mod_fcgid always.",
    "stream": "A CGI script, mod_wsgi and mod_fcgid have no word for an answer that is not whole: a stream without a "
    "length just ends (mod_fcgid adds its error page).",
}

DEVIATIONS: list[Deviation] = [
    Deviation(
        "slashes",
        ("double_slashes",),
        ("lighttpd*", "Apache, mod_fcgid*", "Apache, mod_cgid*", "Apache, mod_wsgi*"),
        r"'/double/slash'",
    ),
    Deviation(
        "slashes",
        ("double_slashes",),
        ("Apache, mod_proxy_fcgi at the root", "Apache, mod_proxy_http * at the root"),
        r"'/double//slash'",
    ),
    Deviation(
        "dots",
        ("dot_segments",),
        ("nginx, FastCGI*", "lighttpd*", "Apache, mod_proxy_fcgi*", "Apache, mod_*cgi*", "Apache, mod_wsgi*"),
        r"the app sees \('(/yourapplication)?', '/b'\)",
    ),
    Deviation("encoded dots", ("encoded_dot_segments",), ("lighttpd* at the root",), r"the app sees \('', '/b'\)"),
    Deviation(
        "encoded dots",
        ("encoded_dot_segments",),
        ("nginx* at a prefix", "lighttpd* at a prefix", "Apache* at a prefix"),
        "status: 404,",
    ),
    Deviation("bare characters", ("bare_characters_in_a_query",), ("lighttpd*",), "%5B%5D"),
    Deviation("needless encoding", ("needless_encoding_in_a_query",), ("lighttpd*",), r"'~A=\.%2F'"),
    Deviation("controls", ("controls_in_a_query",), ("lighttpd*",), "status: 400,"),
    Deviation("underscores", ("underscores",), ("lighttpd, FastCGI*", "lighttpd, CGI*"), "HTTP_X_TOKEN: 'forged'"),
    Deviation("headers", ("headers_of_60_kb",), ("nginx*",), "status: 400,"),
    Deviation("headers", ("headers_of_60_kb",), ("lighttpd*",), "status: 431,"),
    Deviation(
        "buffered uploads",
        ("an_upload_in_pieces",),
        ("nginx*", "lighttpd*", "Apache, mod_fcgid*"),
        "nothing before it was all sent",
    ),
    Deviation(
        "stream",
        ("an_error_in_mid_stream",),
        ("lighttpd, CGI*", "Apache, mod_cgid*", "Apache, mod_wsgi*"),
        "a whole answer of 200 with 65536 bytes",
    ),
    Deviation(
        "stream", ("an_error_in_mid_stream",), ("Apache, mod_fcgid*",), r"a whole answer of 200 with 66\d{3} bytes"
    ),
]


def deviation(behaviour: str, way: str) -> Deviation | None:
    """The deviation that is listed for a behaviour on a way, if there is one."""
    for listed in DEVIATIONS:
        if behaviour in listed.behaviours and any(fnmatch(way, pattern) for pattern in listed.ways):
            return listed
    return None
