"""Whatever a request or a record holds: the access log has one line for it, the error log one and what is indented."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_embed.adapters.serving.logs import AccessLog, logging_to
from flask_embed.options import Options

if TYPE_CHECKING:
    from pathlib import Path

PIECES = [
    "a",
    " ",
    '"',
    "\\",
    "\n",
    "\r",
    "\t",
    "\0",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\u2028",
    "\u202e",
    "\xff",
    "\ud800",
    "-",
    "[",
    "]",
]
TEXTS = st.text(max_size=8) | st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
KEYS = ["REMOTE_ADDR", "REMOTE_USER", "REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"]
KEYS += ["SERVER_PROTOCOL", "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "wsgi.input"]
#: the combined format of Apache and nginx
COMBINED = re.compile(
    r'\S+ - \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}(?::\d\d){3} [+-]\d{4}\] "(?:[^"\\]|\\x[0-9a-f]{2})*" \d{3} (?:\d+|-) '
    r'"(?:[^"\\]|\\x[0-9a-f]{2})*" "(?:[^"\\]|\\x[0-9a-f]{2})*"'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def is_harmless(line: str) -> bool:
    """True if a terminal writes all of it, and does nothing else."""
    return not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)


@given(
    st.dictionaries(st.sampled_from(KEYS), TEXTS | st.sampled_from([None, 5, b"\n", ["a\nb"]])),
    st.sampled_from(["200 OK", "404 Not\nFound", "500 "]),
    st.integers(0, 10**12),
)
def test_a_request_is_one_line_of_the_format(folder: Path, environ: dict[str, Any], status: str, length: int) -> None:
    path = folder / "access.log"
    path.unlink(missing_ok=True)
    log = AccessLog(str(path))
    try:
        log.write({**environ, "HTTP_COOKIE": "secret-cookie", "HTTP_AUTHORIZATION": "secret-word"}, status, length)
    finally:
        log.close()

    (line, end) = path.read_text("utf-8", "surrogateescape").split("\n")
    assert end == ""
    assert COMBINED.fullmatch(line), line
    assert is_harmless(line)
    assert "secret" not in line


@given(TEXTS, TEXTS, st.none() | TEXTS)
def test_a_record_is_one_line_and_what_is_indented(folder: Path, name: str, message: str, error: str | None) -> None:
    path = folder / "error.log"
    path.unlink(missing_ok=True)
    logger = logging.getLogger(__name__)
    trouble = None if error is None else LookupError(error)
    with logging_to(Options(error_logfile=str(path)), __name__):
        info = None if trouble is None else (LookupError, trouble, None)
        logger.handle(logger.makeRecord(f"any.{name}", logging.ERROR, "", 0, message.replace("%", "%%"), (), info))

    first, *others, end = path.read_text("utf-8", "surrogateescape").split("\n")
    assert end == ""
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[\d+\] ERROR any\.", first)
    assert all(is_harmless(line) for line in [first, *others])
    assert all(line.startswith("  ") for line in others)
    assert bool(others) >= (error is not None)
