"""URLs of url_for lead back to their view and values, or are not built."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.routing import BuildError, Rule

from flask_embed.middleware.strict import environ_fault
from flask_embed.routing import Map

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.differential

TEXTS = st.one_of(
    st.text(),
    st.text(string.ascii_letters + "./\\%?#;:@ \t\n\0", max_size=8),
    st.sampled_from(
        ["//evil.example", "..", ".", "/", "a/..", "%2e%2e", "\\\\evil.example", "a//b", "a/", "\ud800", "é", ""]
    ),
)
INTEGERS = st.one_of(st.integers(), st.integers(-5, 120), st.sampled_from([0, -1, 10**30, True]))
FLOATS = st.one_of(st.floats(), st.floats(-10, 10), st.sampled_from([0.0, -0.0, 1e-7, 1e22, 1.5, 2]))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "string(minlength=2)": TEXTS,
    "string(maxlength=3)": TEXTS,
    "string(length=2)": TEXTS,
    "path": TEXTS,
    "any(a, b, 'c d')": st.one_of(TEXTS, st.sampled_from(["a", "b", "c d"])),
    "int": INTEGERS,
    "int(signed=True)": INTEGERS,
    "int(fixed_digits=2)": INTEGERS,
    "int(min=1, max=5)": INTEGERS,
    "float": FLOATS,
    "float(signed=True)": FLOATS,
    "uuid": st.one_of(st.uuids(), TEXTS),
}
PLACES = ["/{}", "/{}/", "/a/{}", "/a/{}/b", "/a-{}", "/{}.html", "/a/b{}c/"]


def built_or_refused(build: Callable[[], str]) -> str | None:
    """The URL, or None if it is refused."""
    try:
        return build()
    except (BuildError, ValueError, OverflowError):  # ValidationError is a ValueError
        return None


@pytest.mark.parametrize("converter", VALUES)
@given(data=st.data())
def test_a_url_leads_back_to_the_value_it_was_built_from(converter: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[converter], "value")
    place = data.draw(st.sampled_from(PLACES), "place")
    if converter == "path" and place.endswith("}/") and str(value).endswith("/"):
        return  # the converter cannot know that a slash follows
    map_ = Map([Rule(place.format(f"<{converter}:x>"), endpoint="view")])

    url = built_or_refused(lambda: map_.bind("good.example", "/").build("view", {"x": value}))

    if url is not None:
        parts = urlsplit(url)
        assert url.startswith("/")
        assert not url.startswith("//")
        assert (parts.query, parts.fragment) == ("", "")
        assert url.isascii()
        assert url.isprintable()
        assert not {".", ".."}.intersection(parts.path.split("/"))
        if not {"\0", "\r", "\n"}.intersection(str(value)):  # such a path is refused by whoever receives it
            environ = {"PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"), "REQUEST_METHOD": "GET"}
            assert environ_fault({**environ, "wsgi.url_scheme": "http"}) is None
            rule, values = map_.match(environ)
            assert (rule.endpoint, values) == ("view", {"x": value})
