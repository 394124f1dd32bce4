"""The logs of the runners: one line for each request and record, whatever somebody has put into it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.logs import AccessLog, logging_to, reopen_logs
from flask_embed.errors import UsageError
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed.wsgi import WSGIEnvironment

ENVIRON: WSGIEnvironment = {
    "REQUEST_METHOD": "GET",
    "REQUEST_URI": "/a?b=c",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
}
LINE = re.compile(
    r'(?P<host>\S+) - (?P<user>\S+) \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(?P<request>[^"]*)" '
    r'(?P<status>\d{3}|-) (?P<length>\d+|-) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"\n'
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AccessLog]:
    log = AccessLog(str(tmp_path / "access.log"))
    yield log
    log.close()


def written(tmp_path: Path) -> dict[str, str]:
    """The parts of the one line of the access log."""
    match = LINE.fullmatch((tmp_path / "access.log").read_text("ascii"))
    assert match is not None
    return match.groupdict()


def test_a_request_is_a_line_in_the_combined_format(log: AccessLog, tmp_path: Path) -> None:
    more = {"HTTP_REFERER": "http://x/", "HTTP_USER_AGENT": "curl", "REMOTE_USER": "ada", "HTTP_COOKIE": "secret"}
    log.write({**ENVIRON, **more, "HTTP_AUTHORIZATION": "secret"}, "200 OK", 5)
    assert written(tmp_path) == {
        "host": "192.0.2.1",
        "user": "ada",
        "request": "GET /a?b=c HTTP/1.1",
        "status": "200",
        "length": "5",
        "referer": "http://x/",
        "agent": "curl",
    }


def test_what_is_not_known_is_a_dash(log: AccessLog, tmp_path: Path) -> None:
    log.write({"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/p", "PATH_INFO": "/\xc3\xbc", "QUERY_STRING": "q"}, "-", 0)
    assert written(tmp_path) == {
        "host": "-",
        "user": "-",
        "request": "GET /p/%C3%BC?q -",
        "status": "-",
        "length": "-",
        "referer": "-",
        "agent": "-",
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('a"b\\', r"a\x22b\x5c"),
        ("a\n192.0.2.9 - -", r"a\x0a192.0.2.9 - -"),
        ("\r\x1b[31m\x00\x7f", r"\x0d\x1b[31m\x00\x7f"),
        ("\xfc\x85", r"\xfc\x85"),
        ("\u2028\U0001f40d", r"\xe2\x80\xa8\xf0\x9f\x90\x8d"),
        ("\ud800", r"\xed\xa0\x80"),
    ],
)
def test_nothing_in_a_value_ends_the_line_or_moves_the_cursor(
    log: AccessLog, tmp_path: Path, value: str, shown: str
) -> None:
    for key, part in (("HTTP_USER_AGENT", "agent"), ("HTTP_REFERER", "referer"), ("REQUEST_URI", "request")):
        (tmp_path / "access.log").write_text("")
        log.write({**ENVIRON, key: value}, "200 OK", 1)
        assert shown in written(tmp_path)[part]


def test_logs_are_opened_anew(log: AccessLog, tmp_path: Path) -> None:
    log.write(ENVIRON, "200 OK", 1)
    (tmp_path / "access.log").rename(tmp_path / "old.log")
    log.write(ENVIRON, "200 OK", 2)
    reopen_logs()
    log.write(ENVIRON, "200 OK", 3)
    assert len((tmp_path / "old.log").read_text().splitlines()) == 2
    assert written(tmp_path)["length"] == "3"


def test_a_log_that_cannot_be_opened_anew_is_kept(
    log: AccessLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "access.log").unlink()
    (tmp_path / "access.log").mkdir()
    reopen_logs()
    log.write(ENVIRON, "200 OK", 1)
    assert "the old file is kept" in caplog.text


def test_a_log_that_cannot_be_written_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    log = AccessLog("/dev/full")
    log.write(ENVIRON, "200 OK", 1)
    log.write(ENVIRON, "200 OK", 1)
    log.close()
    assert capsys.readouterr().err == "flask_embed: cannot write the log '/dev/full': No space left on device\n"


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write the log '/nowhere/x\.log': No such file or directory"):
        AccessLog("/nowhere/x.log")


def error_log(path: Path, level: str = "info", name: str = "flask_embed.test") -> str:
    """What is in the error log after a few records."""
    logger = logging.getLogger(name)
    with logging_to(Options(error_logfile=str(path), log_level=level), name):
        logger.info("one")
        logger.warning("two\n2026-01-01 00:00:00 [1] ERROR forged: %s", "\x1b[31m")
        try:
            raise ValueError("three\n2026-01-01 00:00:00 [1] ERROR forged: x\x1b")
        except ValueError:
            logger.exception("failed")
    logger.error("nobody listens")
    return path.read_text("utf-8")


def test_a_record_is_a_line_and_its_traceback_is_indented(tmp_path: Path) -> None:
    lines = error_log(tmp_path / "error.log").splitlines()
    records = [line for line in lines if not line.startswith("  ")]
    heads = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[\d+\] ", "", line) for line in records]
    assert heads == [
        "INFO flask_embed.test: one",
        r"WARNING flask_embed.test: two\n2026-01-01 00:00:00 [1] ERROR forged: \x1b[31m",
        "ERROR flask_embed.test: failed",
    ]
    assert "  ValueError: three" in lines
    assert r"  2026-01-01 00:00:00 [1] ERROR forged: x\x1b" in lines


def test_less_important_lines_are_left_out(tmp_path: Path) -> None:
    text = error_log(tmp_path / "error.log", "error")
    assert "one" not in text
    assert "failed" in text


def test_an_app_that_logs_itself_keeps_that(tmp_path: Path) -> None:
    name = "flask_embed.own"
    handler = logging.NullHandler()
    logging.getLogger(name).addHandler(handler)
    with logging_to(Options(error_logfile=str(tmp_path / "error.log")), name):
        assert logging.getLogger(name).handlers == [handler]
    logging.getLogger(name).removeHandler(handler)
    assert not (tmp_path / "error.log").exists()
