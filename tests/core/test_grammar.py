"""The edges of each rule in flask_embed.grammar."""

from __future__ import annotations

import re

import pytest

from flask_embed import grammar


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        (grammar.TOKEN, ["GET", "x-A.1", "!#$%&'*+.^_`|~"], ["", "a b", "a:", "a\n", "é", '"', "(", "\x7f"]),
        (grammar.FIELD_VALUE, ["", "a\tb c~", "\x80\xff"], ["\n", "a\r", "\0", "\x7f", "\x1f", "\u0100"]),
        (grammar.CONTENT_LENGTH, ["0", "007", "9" * 18], ["", "9" * 19, "+1", "-1", "1 ", "1\n", "0x1", "\u0661"]),
        (
            grammar.STATUS_LINE,
            ["200 OK", "100 ", "999 \xe9"],
            ["200", "20 OK", "2000 OK", " 200 OK", "200 \n"],
        ),
        (grammar.FINAL_STATUS_LINE, ["200 OK", "599 \xe9"], ["199 OK", "600 OK", "200", "200 a\r"]),
        (
            grammar.ABSOLUTE_FORM,
            ["http://a", "HTTPS://u@h:1/x?y", "http://a?b"],
            ["ftp://a/", "http:///x", "//a/b", "http://a#b", "http://a\\b", "http://a b/"],
        ),
        (grammar.PORT, ["0", "65535", "99999"], ["", "100000", "-1", "\u0661", "80\n"]),
        (
            grammar.TARGET,
            ["a:b", "a.b:c.d", "a:make()", "é:ü"],
            ["a", "a:", ":b", "a:b(1)", "a:b()()", "1a:b", "a..b:c", "a:b ", "a:b\n", "a-b:c"],
        ),
    ],
    ids=["token", "field-value", "length", "status", "final status", "absolute-form", "port", "target"],
)
def test_a_rule_describes_whole_texts(pattern: re.Pattern[str], accepted: list[str], refused: list[str]) -> None:
    assert [text for text in accepted if pattern.fullmatch(text) is None] == []
    assert [text for text in refused if pattern.fullmatch(text) is not None] == []


@pytest.mark.parametrize(
    ("pattern", "found", "missing"),
    [
        (grammar.LINE_BREAK, ["a\n", "\rb", "\0"], ["", "a\tb", "\x0b\x0c\x85\u2028"]),
        (grammar.DOT_SEGMENT, ["/.", "/..", "/./", "/a/../b"], ["/.a", "/a.", "/...", "/a", "..", "/..\n"]),
    ],
    ids=["line break", "dot segment"],
)
def test_a_mark_is_found_anywhere(pattern: re.Pattern[str], found: list[str], missing: list[str]) -> None:
    assert [text for text in found if pattern.search(text) is None] == []
    assert [text for text in missing if pattern.search(text) is not None] == []


@pytest.mark.parametrize("begun", [b"G", b"GET", b"GET /x HTTP/1.1"])
def test_a_request_begins_with_a_method(begun: bytes) -> None:
    assert grammar.METHOD_BEGINNING.match(begun)


@pytest.mark.parametrize("begun", [b" GET", b"\r\nGET", b"G(", b"GET\t", b"\x16\x03", b"\xe9"])
def test_no_method_is_found_in_other_bytes(begun: bytes) -> None:
    assert not grammar.METHOD_BEGINNING.match(begun)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("1", 1),
        ("0064k", 65536),
        ("16M", 16 * 1024**2),
        ("1g", 1024**3),
        ("9" * 15, 10**15 - 1),
        ("9" * 16, None),
        ("0", None),
        ("0k", None),
        ("", None),
        ("k", None),
        ("1kb", None),
        ("1t", None),
        ("-1", None),
        ("1.5m", None),
        ("1k\n", None),
        ("\u0661", None),
        ("1\u212a", None),  # KELVIN SIGN, which Unicode folds to a k
    ],
)
def test_a_size_is_a_number_and_perhaps_a_unit(size: str, expected: int | None) -> None:
    assert grammar.size_in_bytes(size) == expected


def test_every_public_name_is_listed() -> None:
    public = [name for name, value in vars(grammar).items() if isinstance(value, re.Pattern) and name[0] != "_"]

    assert sorted([*public, "size_in_bytes"]) == grammar.__all__
