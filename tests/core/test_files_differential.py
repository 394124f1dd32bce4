"""A file is sent as werkzeug's send_file() would send it, but for what is named at the end."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.utils import send_file as werkzeug_send_file

from flask_embed import Flask, Response, send_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from werkzeug.wrappers import Response as WerkzeugResponse

pytestmark = pytest.mark.differential

CONTENTS = {
    "style.css": b"body {}",
    "page.html": b"<p>",
    "empty.txt": b"",
    "archive.tar.gz": b"\x1f\x8b",
    "nothing known": b"0123456789",
    "größe 'ü'.svg": b"<svg/>",
    "日本": b"x",
}
#: 2009-02-13 23:31:30, and a part of a second
MODIFIED = 1234567890.5
DATES = st.sampled_from([MODIFIED, MODIFIED - 1, MODIFIED + 1, 0.0]).map(lambda when: formatdate(when, usegmt=True))
TAGS = st.sampled_from(['"tag"', 'W/"tag"', "*", '"other", "tag"', '"other"', "nonsense", ""])


class Sent(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    import os

    app = Flask(__name__)
    root: Path = tmp_path_factory.mktemp("files")
    app.root_path = str(root)
    for name, content in CONTENTS.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (MODIFIED, MODIFIED))
    return app


def sent(app: Flask, asked: EnvironBuilder, respond: Callable[[dict[str, Any]], WerkzeugResponse]) -> Sent | str:
    """The answer without its times; the error if there is one."""
    environ = asked.get_environ()
    with app.request_context(environ):
        try:
            response = respond(environ)
        except HTTPException as error:
            response = Response(status=error.code, headers=error.get_headers(environ))
        except (TypeError, ValueError) as error:
            return type(error).__name__
    body, status, headers = run_wsgi_app(response, environ)
    told = sorted((name, value) for name, value in headers if name not in ("Date", "Expires"))
    content = b"".join(body)
    response.close()
    return Sent(status, told, content)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "mimetype": st.sampled_from(["text/plain", "image/png", "application/json", None]),
        "as_attachment": st.booleans(),
        "download_name": st.sampled_from(["a.txt", "größe.css", 'quo"te.html', "no suffix", "a.svg.gz", None]),
        "conditional": st.booleans(),
        "etag": st.sampled_from([True, False, "tag"]),
        "last_modified": st.sampled_from(
            [None, 0, 1234567890, MODIFIED, datetime(2009, 2, 13, 23, 31, 30), datetime(2030, 1, 1, tzinfo=UTC)]
        ),
        "max_age": st.sampled_from([None, 0, 60, -1, lambda path: 5 if path is None else len(path)]),
    },
)


def plain(asked: dict[str, str]) -> bool:
    """True unless the request is one of those with another answer; see the tests at the end."""
    conditions = {"If-None-Match", "If-Modified-Since", "If-Match"} & set(asked)
    return not ("Range" in asked and conditions) and "," not in asked.get("Range", "")


HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "If-None-Match": TAGS,
        "If-Modified-Since": st.one_of(DATES, st.just("nonsense")),
        "If-Match": TAGS,
        "Range": st.sampled_from(["bytes=0-1", "bytes=1-", "bytes=-1", "bytes=99-", "bytes=x", "bytes=-0", "bytes=-"]),
        "If-Range": st.one_of(TAGS.filter(bool), DATES),
    },
).filter(plain)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(CONTENTS)), st.booleans(), st.sampled_from(["GET", "HEAD", "POST"]), OPTIONS, HEADERS)
def test_a_file_is_sent_as_werkzeug_sends_it(
    app: Flask, name: str, is_open: bool, method: str, options: dict[str, Any], headers: dict[str, str]
) -> None:
    if method == "HEAD":
        headers.pop("Range", None)

    def file() -> Any:
        return io.BytesIO(CONTENTS[name]) if is_open else name

    def theirs(environ: dict[str, Any]) -> WerkzeugResponse:
        return werkzeug_send_file(file(), environ, _root_path=app.root_path, response_class=Response, **options)

    asked = EnvironBuilder(method=method, headers=list(headers.items()))
    ours = sent(app, asked, lambda environ: send_file(file(), **options))
    expected = sent(app, asked, theirs)

    if isinstance(expected, Sent) and expected.status.startswith("412"):  # theirs has the file, which is not its body
        assert isinstance(ours, Sent)
        assert (ours.status, ours.body, dict(ours.headers)["Content-Length"]) == (expected.status, b"", "0")
    else:
        assert ours == expected


# What is meant to differ


def ask(app: Flask, method: str = "GET", **headers: str) -> Sent:
    environ = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    answer = sent(
        app,
        EnvironBuilder(method=method, environ_overrides=environ),
        lambda _: send_file("nothing known", etag="tag"),
    )
    assert isinstance(answer, Sent)
    return answer


def test_what_the_client_has_is_not_sent_in_part_either(app: Flask) -> None:
    assert ask(app, range="bytes=0-1", if_none_match='"tag"').status == "304 NOT MODIFIED"
    assert ask(app, range="bytes=0-1", if_match='"other"').status == "412 PRECONDITION FAILED"
    assert ask(app, range="bytes=0-1", if_none_match='"other"')[::2] == ("206 PARTIAL CONTENT", b"01")


def test_several_ranges_are_answered_with_the_file(app: Flask) -> None:
    assert ask(app, range="bytes=0-1,3-4")[::2] == ("200 OK", b"0123456789")


def test_more_bytes_of_the_end_than_there_are_are_all(app: Flask) -> None:
    answer = ask(app, range="bytes=-11")

    assert (answer.status, answer.body) == ("206 PARTIAL CONTENT", b"0123456789")
    assert dict(answer.headers)["Content-Range"] == "bytes 0-9/10"


def test_the_head_of_a_range_is_that_of_the_file(app: Flask) -> None:
    answer = ask(app, "HEAD", range="bytes=0-1")

    assert (answer.status, dict(answer.headers)["Content-Length"]) == ("200 OK", "10")


def test_a_tag_that_is_none_is_refused_before_the_file_is_open(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(ValueError, match="invalid etag"):
        send_file("style.css", etag='"')  # an open file would be told as a warning


def test_an_open_file_that_the_client_has_is_closed(app: Flask) -> None:
    file = io.BytesIO(b"x")
    with app.test_request_context(headers={"If-None-Match": "*"}):
        assert send_file(file, "text/plain", etag="tag").status_code == 304

    assert file.closed
