"""Cookies are read as werkzeug reads them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.sansio.http import parse_cookie

from flask_embed import Request

pytestmark = pytest.mark.differential

HEADERS = st.lists(
    st.sampled_from([*'ab= \t";,\\01\n', "ü", "\\101", '"x"', "a=b", "; ", '="', "session=", "\ud7ff", "\\377"]),
    max_size=20,
).map("".join)


def cookies(header: str) -> list[tuple[str, str]]:
    return list(Request({"HTTP_COOKIE": header.encode().decode("latin-1")}).cookies.items(multi=True))


@given(HEADERS)
@example('a="b;c"; d')
@example('a= "b" ;c=d')
@example('=a; b="\\"c"; d=e"')
@example('a="\\303\\274"; b="ü"')
@example('a=    "; b=c')
def test_a_cookie_header_is_read_as_werkzeug_does(header: str) -> None:
    assert cookies(header) == list(parse_cookie(header).items(multi=True))


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_blanks_before_a_quote_end_no_cookie_that_follows(blank: str) -> None:
    assert cookies("session=" + blank * 60_000 + '"; a=b') == [("a", "b")]
