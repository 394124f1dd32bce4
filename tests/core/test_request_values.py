"""The attributes of a request beside werkzeug's: the same values, though they are made on first access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ
from werkzeug.wrappers import Request as WerkzeugRequest

from flask_embed import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

NAMES = ("method", "scheme", "server", "root_path", "path", "query_string", "remote_addr", "args", "url", "full_path")
LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=20)


def values(kind: type[WerkzeugRequest], environ: WSGIEnvironment) -> dict[str, Any]:
    request = kind(environ.copy(), populate_request=False)
    return {**{name: getattr(request, name) for name in NAMES}, "headers": list(request.headers)}


@given(
    st.fixed_dictionaries(
        {"SCRIPT_NAME": LATIN.map("/{}".format) | st.just(""), "PATH_INFO": LATIN.map("/x{}".format) | st.just("")},
        optional={
            "QUERY_STRING": st.text(st.sampled_from("ab=&%+20f;c"), max_size=30),
            "SERVER_PORT": st.sampled_from(["80", "", "x", "8000"]),
            "REMOTE_ADDR": st.just("127.0.0.2"),
            "REQUEST_METHOD": st.sampled_from(["GET", "post", "M-SEARCH"]),
            "wsgi.url_scheme": st.sampled_from(["http", "https"]),
            "HTTP_X_A": LATIN,
        },
    )
)
def test_they_are_werkzeug_s(changes: dict[str, str]) -> None:
    environ = {**create_environ("/"), **changes}

    assert values(Request, environ) == values(WerkzeugRequest, environ)


@pytest.mark.parametrize("missing", [("SERVER_NAME",), ("SERVER_PORT",), ("REMOTE_ADDR", "QUERY_STRING")])
def test_also_where_a_server_says_nothing(missing: tuple[str, ...]) -> None:
    environ = {key: value for key, value in create_environ("/a?b=c").items() if key not in missing}

    ours, theirs = Request(environ), WerkzeugRequest(environ, populate_request=False)

    for name in ("server", "remote_addr", "query_string", "args"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_slashes_in_front_are_not_merged() -> None:
    assert Request({**create_environ("/"), "PATH_INFO": "//a"}).path == "//a"


def test_one_that_is_set_is_that() -> None:
    request = Request(create_environ("/a", method="POST"))

    request.method = "PUT"  # pyright: ignore[reportAttributeAccessIssue]
    request.path = "/b"  # pyright: ignore[reportAttributeAccessIssue]
    assert (request.method, request.path, request.full_path) == ("PUT", "/b", "/b?")
    del request.path  # pyright: ignore[reportAttributeAccessIssue]
    assert request.path == "/a"


def test_the_class_tells_what_they_are() -> None:
    assert Request.args.__doc__ == "The values of the query, by name."
