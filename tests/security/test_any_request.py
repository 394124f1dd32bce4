"""Whatever a server can put into an environ is answered without a fault of the app."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_embed import (
    Flask,
    flash,
    get_flashed_messages,
    redirect,
    render_template_string,
    request,
    secure_filename,
    session,
    url_for,
)
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
from tests.security.calls import environ_of, send
from tests.security.checks import absent, check, equal

#: the strings of an environ are bytes as characters (PEP 3333)
BYTES = st.characters(max_codepoint=0xFF)
PIECES = st.sampled_from(
    [
        "/",
        "//",
        "a",
        "..",
        "\\",
        "%",
        "%2f",
        "\xff",
        "\xc3\xbc",
        "\0",
        "\r\n",
        " ",
        "\t",
        ";",
        "=",
        "&",
        "?",
        "#",
        ":",
        "@",
        ",",
        '"',
        "'",
        "<script>",
        "evil.example",
        "http://",
        "1",
        "-1",
        "9" * 30,
        "[",
        "]",
        "::1",
        "[21]",
        ":65536",
        "xn--",
        "xn--strae-oqa.example",
        "*",
        "bytes=",
        "W/",
        "session=",
        "Basic ",
        "boundary=",
        "charset=",
        "multipart/form-data",
        "application/json",
        "application/x-www-form-urlencoded",
        "\x85",
        "\xa0",
        "=?utf-8?b?",
        "{{",
        "../" * 20,
        "A" * 300,
    ]
)
ANY = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(BYTES, max_size=20))
KEYS = [
    "QUERY_STRING",
    "HTTP_HOST",
    "SCRIPT_NAME",
    "HTTP_COOKIE",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "REQUEST_METHOD",
    "HTTP_AUTHORIZATION",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_CHARSET",
    "HTTP_RANGE",
    "HTTP_IF_RANGE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_REFERER",
    "HTTP_ORIGIN",
    "HTTP_USER_AGENT",
    "HTTP_CACHE_CONTROL",
    "HTTP_DATE",
    "HTTP_MAX_FORWARDS",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
    "REMOTE_ADDR",
    "REMOTE_USER",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
]


def make_app() -> Flask:
    """An app that reads whatever there is to read, and says what it read."""
    app = Flask(__name__)
    app.secret_key = "secret"
    app.logger.disabled = True

    def read() -> str:
        seen: list[Any] = [
            *(request.args, request.form, request.files, request.values, request.cookies, request.headers),
            *(request.url, request.base_url, request.url_root, request.host, request.host_url, request.path),
            *(request.full_path, request.script_root, request.root_path, request.remote_addr, request.remote_user),
            *(request.authorization, request.accept_mimetypes.best, request.accept_languages.best),
            *(request.accept_encodings, request.accept_charsets, request.cache_control, request.range),
            *(request.if_none_match, request.if_modified_since, request.if_range.etag, request.date, request.referrer),
            *(request.user_agent, request.origin, request.mimetype_params, request.content_length, request.method),
            *(
                request.get_json(silent=True),
                request.data,
                request.access_route,
                request.max_forwards,
                request.endpoint,
            ),
            *(request.access_control_request_headers, request.is_json, request.is_secure, repr(request)),
        ]
        session["read"] = len(seen)
        flash(request.path)
        names = [secure_filename(file.filename or "") for file in request.files.values()]
        return render_template_string(
            "{{ seen }}{{ names }}{{ url }}{{ flashed }}",
            seen=seen,
            names=names,
            url=url_for("read", q=request.full_path),
            flashed=get_flashed_messages(),
        )

    app.add_url_rule("/", "read", read, methods=["GET", "POST"])
    app.add_url_rule("/item/<name>/", "item", lambda name: read() + url_for("item", name=name), methods=["GET", "POST"])
    app.add_url_rule("/int/<int:n>", "int", lambda n: read() + url_for("int", n=n))
    app.add_url_rule("/float/<float:n>", "float", lambda n: read())
    app.add_url_rule("/files/<path:name>", "files", lambda name: read())
    app.add_url_rule("/old/<path:name>", "old", redirect_to="/files/<name>")
    app.add_url_rule("/to", "to", lambda: redirect("/x?" + request.query_string.decode("latin-1")))
    return app


STARTS = ["/", "/item/a/", "/item/", "/int/1", "/int/", "/files/", "/old/", "/to", "/static/", ""]
STARTS += ["/app/", "/app/item/a/", "/mounted/", "/mounted/files/", "/mounted/item/", "/mounted/item/int/1"]
APP = make_app()
MOUNTED = DispatcherMiddleware(PrefixMiddleware(APP, "/app"), {"/mounted": APP, "/mounted/item": APP})


@pytest.mark.parametrize("mounted", [False, True])
@settings(max_examples=400)
@given(
    start=st.sampled_from(STARTS),
    rest=st.just("") | ANY,
    changes=st.dictionaries(st.sampled_from(KEYS), ANY, max_size=4),
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS"]),
    body=st.binary(max_size=40),
)
def test_no_request_is_a_fault_of_the_app(
    mounted: bool, start: str, rest: str, changes: dict[str, str], method: str, body: bytes
) -> None:
    environ = environ_of(start + rest, method, body)
    environ.update(changes)
    before = {key: value for key, value in environ.items() if isinstance(value, str)}

    answer = send(MOUNTED if mounted else APP, environ)

    check(answer.status < 500, f"{answer.line} for {before}")
    absent("<script>", answer.text)
    for location in answer.values("Location"):
        check(location[:1] == "/" and location[1:2] not in ("/", "\\"), f"Location is {location!r} for {before}")
        check(location.isascii() and location.isprintable(), f"Location is {location!r} for {before}")
    if environ["REQUEST_METHOD"] == "HEAD":
        equal(answer.body, b"")
