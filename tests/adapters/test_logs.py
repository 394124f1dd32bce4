"""The logs of the runners: one line for each request and record, whatever somebody has put into it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.serving.logs import AccessLog, logging_to, reopen_logs
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


@pytest.mark.parametrize("key", ["REQUEST_METHOD", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_USER", "PATH_INFO"])
def test_no_part_of_a_request_ends_the_line(log: AccessLog, tmp_path: Path, key: str) -> None:
    log.write({**ENVIRON, "REQUEST_URI": None, key: 'x\n\x1b" 200 5 "'}, "200 OK", 1)
    assert written(tmp_path)["length"] == "1"


def test_a_user_is_one_word(log: AccessLog, tmp_path: Path) -> None:
    log.write({**ENVIRON, "REMOTE_USER": "ada - [x]"}, "200 OK", 1)
    assert written(tmp_path)["user"] == r"ada\x20-\x20[x]"


def test_what_an_app_has_done_to_the_environ_breaks_no_line(log: AccessLog, tmp_path: Path) -> None:
    log.write({}, "200 OK", 1)
    log.write({**ENVIRON, "REMOTE_USER": 5, "REQUEST_METHOD": None, "HTTP_REFERER": ["x"]}, "200 OK", 1)
    log.write({**ENVIRON, "REQUEST_URI": None, "PATH_INFO": "/\u20ac"}, "200 OK", 1)
    assert len((tmp_path / "access.log").read_text().splitlines()) == 3


def test_the_month_is_the_same_word_everywhere(log: AccessLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form, *when: form.replace("%b", "März"))
    log.write(ENVIRON, "200 OK", 1)
    monkeypatch.undo()
    assert "März" not in (tmp_path / "access.log").read_text("utf-8")


def test_the_time_is_that_of_now(log: AccessLog, tmp_path: Path) -> None:
    before = int(time.time())
    log.write(ENVIRON, "200 OK", 1)
    text = (tmp_path / "access.log").read_text().partition("[")[2].partition(" ")[0]
    assert before <= time.mktime(time.strptime(text, "%d/%b/%Y:%H:%M:%S")) <= time.time()


def test_lines_of_several_threads_do_not_mix(log: AccessLog, tmp_path: Path) -> None:
    def write(agent: str) -> None:
        for _ in range(200):
            log.write({**ENVIRON, "HTTP_USER_AGENT": agent}, "200 OK", 1)

    threads = [threading.Thread(target=write, args=(digit * 5000,)) for digit in "0123"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "access.log").read_text().splitlines()
    assert len(lines) == 800
    assert all(len(set(line.split('"')[-2])) == 1 for line in lines)


def test_lines_are_appended_and_not_for_everybody_to_read(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    before = os.umask(0)
    try:
        for _ in range(2):
            with contextlib.closing(AccessLog(str(path))) as log:
                log.write(ENVIRON, "200 OK", 1)
    finally:
        os.umask(before)
    assert len(path.read_text().splitlines()) == 2
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_dash_is_stderr_which_stays_open(capfd: pytest.CaptureFixture[str]) -> None:
    log = AccessLog("-")
    log.write(ENVIRON, "200 OK", 1)
    reopen_logs()
    log.write(ENVIRON, "200 OK", 1)
    log.close()
    os.write(2, b"still open\n")
    assert len(capfd.readouterr().err.splitlines()) == 3


def test_logs_are_opened_anew(log: AccessLog, tmp_path: Path) -> None:
    log.write(ENVIRON, "200 OK", 1)
    (tmp_path / "access.log").rename(tmp_path / "old.log")
    log.write(ENVIRON, "200 OK", 2)
    reopen_logs()
    log.write(ENVIRON, "200 OK", 3)
    assert len((tmp_path / "old.log").read_text().splitlines()) == 2
    assert written(tmp_path)["length"] == "3"


def test_a_log_is_opened_anew_where_it_was_wherever_the_app_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(AccessLog("access.log")) as log:
        (tmp_path / "access.log").rename(tmp_path / "old.log")
        monkeypatch.chdir("elsewhere")
        reopen_logs()
        log.write(ENVIRON, "200 OK", 1)
    assert written(tmp_path)["length"] == "1"


def test_no_line_goes_astray_while_a_log_is_opened_anew(log: AccessLog, tmp_path: Path) -> None:
    over = threading.Event()
    count = 0

    def write() -> None:
        nonlocal count
        while not over.is_set():
            log.write(ENVIRON, "200 OK", 1)
            count += 1

    thread = threading.Thread(target=write)
    thread.start()
    for number in range(200):
        (tmp_path / "access.log").rename(tmp_path / f"old{number}.log")
        reopen_logs()
    over.set()
    thread.join()
    assert sum(path.read_text().count("\n") for path in tmp_path.iterdir()) == count


def test_a_log_that_cannot_be_opened_anew_is_kept(
    log: AccessLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "access.log").unlink()
    (tmp_path / "access.log").mkdir()
    reopen_logs()
    log.write(ENVIRON, "200 OK", 1)
    assert "the old file is kept" in caplog.text


def test_a_log_that_cannot_be_written_is_told_once_each_time(
    log: AccessLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = os.write

    def full(fileno: int, line: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for write, told in ((full, 1), (full, 1), (real, 1), (full, 2)):
        monkeypatch.setattr(os, "write", write)
        log.write(ENVIRON, "200 OK", 1)
        assert len(caplog.records) == told
    monkeypatch.undo()
    assert caplog.messages[0] == f"cannot write the log '{tmp_path}/access.log': No space left on device"
    assert written(tmp_path)["length"] == "1"


def test_an_error_log_that_cannot_be_written_is_told_on_stderr_once(capsys: pytest.CaptureFixture[str]) -> None:
    name = "flask_embed.full"
    with logging_to(Options(error_logfile="/dev/full"), name):
        for _ in range(3):
            logging.getLogger(name).error("line")
    assert capsys.readouterr().err == "flask_embed: cannot write the log '/dev/full': No space left on device\n"


def test_a_line_that_was_cut_off_does_not_spoil_the_next_one(
    log: AccessLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fileno, line: real(fileno, line[:20]))
    log.write(ENVIRON, "200 OK", 1)
    monkeypatch.undo()
    log.write(ENVIRON, "200 OK", 1)
    cut, whole = (tmp_path / "access.log").read_text().splitlines(keepends=True)
    assert len(cut) == 21
    assert LINE.fullmatch(whole)


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write the log '/nowhere/x\.log': No such file or directory"):
        AccessLog("/nowhere/x.log")


def error_log(path: Path, level: str = "info", name: str = "flask_embed.test") -> str:
    """The error log after a few records."""
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


def test_a_traceback_that_another_handler_has_formatted_is_indented_all_the_same(tmp_path: Path) -> None:
    other = logging.Handler()
    other.emit = other.format  # type: ignore[assignment]  # which keeps the text in the record
    inner = logging.getLogger("flask_embed.test.inner")
    inner.addHandler(other)
    try:
        with logging_to(Options(error_logfile=str(tmp_path / "error.log")), "flask_embed.test"):
            try:
                raise ValueError("one\ntwo\x1b")
            except ValueError:
                inner.exception("failed", stack_info=True)
    finally:
        inner.removeHandler(other)
    first, *rest = (tmp_path / "error.log").read_text().splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("  ") for line in rest)
    assert r"  two\x1b" in rest


def test_the_name_of_a_logger_forges_no_record(tmp_path: Path) -> None:
    with logging_to(Options(error_logfile=str(tmp_path / "error.log")), "flask_embed.test"):
        logging.getLogger("flask_embed.test.a\nb").error("%s", "\ud800ü")
    assert (tmp_path / "error.log").read_text("utf-8").endswith("flask_embed.test.a\\nb: \\ud800ü\n")


def test_the_error_log_is_opened_anew_with_the_others(tmp_path: Path) -> None:
    logger = logging.getLogger("flask_embed.test")
    with logging_to(Options(error_logfile=str(tmp_path / "error.log")), logger.name):
        logger.error("first")
        (tmp_path / "error.log").rename(tmp_path / "old.log")
        reopen_logs()
        logger.error("second")
    assert [name for name in ("old", "error") if "first" in (tmp_path / f"{name}.log").read_text()] == ["old"]
    assert "second" in (tmp_path / "error.log").read_text()


def test_an_error_log_that_cannot_be_opened_is_named() -> None:
    with (
        pytest.raises(UsageError, match=r"cannot write the log '/nowhere/error\.log'"),
        logging_to(Options(error_logfile="/nowhere/error.log"), "flask_embed.test"),
    ):
        pass


def test_all_of_a_command_s_records_are_in_its_error_log(tmp_path: Path) -> None:
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []  # those of pytest
    level = root.level
    try:
        with logging_to(Options(error_logfile=str(tmp_path / "error.log"))):
            logging.getLogger("shop").info("open")
        assert (root.handlers, root.level) == ([], level)
    finally:
        root.handlers = handlers
    assert (tmp_path / "error.log").read_text().endswith(" INFO shop: open\n")
