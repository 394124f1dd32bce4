"""Files: those of the static folder, templates and resources, and what a client must not reach of the rest."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import TemplateNotFound

from flask_embed import Flask, render_template, render_template_string, request, send_from_directory
from flask_embed.middleware import StrictEnviron
from tests.security.calls import call, environ_of, wsgi
from tests.security.checks import absent, check, equal, linear, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.calls import Answer

SECRET = "top secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An app's folder: a static file, and private files beside the static folder."""
    folder = tmp_path / "app"
    for name in ("static/sub/deep", "static_secret", "templates", "templates_secret"):
        (folder / name).mkdir(parents=True)
    (folder / "static/ok.txt").write_text("0123456789")
    (folder / "static/sub/page.html").write_text("<p>page")
    (folder / "templates/page.html").write_text("page")
    (folder / "templates/included.html").write_text("{% include name %}")
    for secret in ("app.py", "secret.html", "static_secret/ok.txt", "templates_secret/page.html"):
        (folder / secret).write_text(SECRET)
    (tmp_path / "outside.txt").write_text(SECRET)
    return folder


@pytest.fixture
def app(folder: Path) -> Flask:
    app = Flask(__name__)
    app.root_path = str(folder)

    @app.route("/downloads/<path:name>")
    def download(name: str) -> object:
        return send_from_directory("static", name)

    return app


def not_there(answer: Answer) -> None:
    equal(answer.status, 404)
    absent(SECRET, answer.text)
    absent("root:", answer.text)


def test_the_file_that_may_be_seen_is_seen(app: Flask) -> None:
    equal(call(app, "/static/ok.txt").text, "0123456789")
    equal(call(app, "/downloads/sub/page.html").text, "<p>page")


# Ways out


@pytest.mark.parametrize("start", ["/static/", "/downloads/"])
@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "../../outside.txt",
        "..",
        "../",
        "../static/../app.py",
        "sub/../../app.py",
        "sub/../../../outside.txt",
        "sub/deep/../../../app.py",
        "./../app.py",
        ".//../app.py",
        "%2e%2e/app.py",
        "%2e%2e%2fapp.py",
        "..%2fapp.py",
        "..%5capp.py",
        "....//app.py",
        "..../app.py",
        "..;/app.py",
        ".../app.py",
        "/etc/passwd",
        "//etc/passwd",
        "/../app.py",
        "sub//../../app.py",
        "sub/../../../../../../../../../../etc/passwd",
        "~/outside.txt",
        "~root/.profile",
        "file:///etc/passwd",
        "..\xc0\xafapp.py",
        "\xc0\xae\xc0\xae/app.py",
        "..\xef\xbc\x8fapp.py",
        "\xe2\x80\xa5/app.py",
        "../app.py\0",
        "../app.py\n",
    ],
)
def test_promise_052_no_path_leads_out_of_the_folder(app: Flask, start: str, name: str) -> None:
    answer = call(app, start + name)

    one_of(answer.status, (400, 404))
    absent(SECRET, answer.text)
    absent("root:", answer.text)


@pytest.mark.parametrize("start", ["/static/", "/downloads/"])
@pytest.mark.parametrize(
    "name",
    ["../app.py", "..", "../", ".", "sub/.", "sub/..", "sub/../../app.py", ".//../app.py", "//../app.py", "\xff/.."],
)
def test_promise_052_a_segment_of_dots_is_refused_where_the_gate_stands_and_not_there_where_it_does_not(
    app: Flask, start: str, name: str
) -> None:
    refused = call(StrictEnviron(app), start + name)

    equal((refused.status, refused.text), (400, "Bad Request\n"))
    not_there(call(app, start + name))


@pytest.mark.parametrize("name", ["./ok.txt", "sub/../ok.txt", "sub/./../ok.txt", "../static/ok.txt"])
def test_promise_052_also_one_that_would_lead_to_a_file_of_the_folder(app: Flask, name: str) -> None:
    for start in ("/static/", "/downloads/"):
        equal(call(StrictEnviron(app), start + name).status, 400)


@pytest.mark.parametrize("start", ["/static/", "/downloads/"])
@pytest.mark.parametrize(
    "name", ["....//app.py", "..;/app.py", "%2e%2e/app.py", "..%2fapp.py", "..\\app.py", "..\xc0\xafapp.py", ".../x"]
)
def test_promise_052_what_is_no_segment_of_dots_passes_the_gate_and_is_not_there(
    app: Flask, start: str, name: str
) -> None:
    not_there(call(StrictEnviron(app), start + name))


def test_promise_052_a_name_that_begins_with_dots_passes_the_gate_to_its_file(app: Flask, folder: Path) -> None:
    for name in (".hidden", "..two", "...", "end..", "sub/.x"):
        (folder / "static" / name).write_text(name)

        equal(call(StrictEnviron(app), f"/static/{name}").text, name)
        equal(call(StrictEnviron(app), f"/downloads/{name}").text, name)


def test_promise_052_nor_does_an_absolute_one(app: Flask, folder: Path) -> None:
    for name in (str(folder / "app.py"), str(folder / "static" / "ok.txt"), str(folder.parent / "outside.txt")):
        not_there(call(app, "/static/" + name))
        not_there(call(app, "/downloads/" + name))


@pytest.mark.parametrize(
    "name",
    [
        "..\\app.py",
        "..\\..\\outside.txt",
        "sub\\..\\..\\app.py",
        "\\app.py",
        "\\\\host\\share",
        "\\\\?\\C:\\x",
        "\\\\.\\pipe\\x",
        "//host/share",
        "C:/x",
        "C:x",
        "C:",
        "C:\\x",
        "c:ok.txt",
        "ok.txt::$DATA",
        "ok.txt:$i30",
        "sub::$INDEX_ALLOCATION/page.html",
        "sub:stream",
        ":",
    ],
)
def test_promise_053_the_ways_out_of_windows_are_none_anywhere(app: Flask, folder: Path, name: str) -> None:
    if "/" not in name:  # such a file may lie there on other systems: the name alone is refused
        (folder / "static" / name).write_text(SECRET)

    not_there(call(app, f"/static/{name}"))
    not_there(call(app, f"/downloads/{name}"))


@pytest.mark.parametrize(
    "name",
    [
        "CON",
        "con",
        "Con",
        "NUL",
        "nul.txt",
        "nul.tar.gz",
        "AUX",
        "PRN.html",
        "COM1",
        "COM9.log",
        "LPT1",
        "COM\u00b9",
        "COM\u00b2.txt",
        "LPT\u00b3",
        "NUL ",
        "NUL.",
        "NUL .txt",
        "CONIN$",
        "CONOUT$",
    ],
)
@pytest.mark.parametrize("below", ["", "sub/"])
def test_promise_054_the_devices_of_windows_are_not_found(
    app: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch, below: str, name: str
) -> None:
    not_there(call(app, f"/static/{below}{wsgi(name)}"))

    (folder / "static" / below / name).write_text(SECRET)  # as Windows has it: such a name is always there
    with monkeypatch.context() as windows:
        windows.setattr("os.name", "nt")
        not_there(call(app, f"/static/{below}{wsgi(name)}"))


def test_promise_054_a_device_of_windows_is_no_folder_either(
    app: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "static" / "NUL").mkdir()
    (folder / "static" / "NUL" / "x").write_text(SECRET)

    with monkeypatch.context() as windows:
        windows.setattr("os.name", "nt")
        not_there(call(app, "/static/NUL/x"))


@pytest.mark.parametrize(
    "name",
    [
        "a\0b",
        "ok.txt\0.png",
        "ok.txt\0",
        "\0",
        "ok.txt%00.png",
        "ok.txt%00",
        "sub/\0/page.html",
        "ok.txt\n",
        "ok.txt\r",
    ],
)
def test_promise_055_a_nul_in_a_name_is_no_fault_of_the_app(app: Flask, name: str) -> None:
    one_of(call(app, f"/static/{name}").status, (400, 404))
    one_of(call(app, f"/downloads/{name}").status, (400, 404))


@pytest.mark.parametrize(
    "name",
    [
        "a" * 5_000,
        "a/" * 5_000 + "b",
        "\xff\xfe",
        "\xed\xa0\x80",
        wsgi("ü" * 300),
        "ok.txt/",
        "ok.txt/x",
        "x" * 255 + "/y",
    ],
)
def test_promise_055_nor_is_a_name_that_no_file_can_have(app: Flask, name: str) -> None:
    not_there(call(app, f"/static/{name}"))


# Links and what is no file


def link(app: Flask, name: str, target: str | os.PathLike[str]) -> str:
    """The URL of a symbolic link in the static folder."""
    os.symlink(target, os.path.join(app.root_path, "static", name))
    return f"/static/{name}"


def test_promise_056_a_link_out_of_the_folder_is_not_followed(app: Flask, folder: Path) -> None:
    not_there(call(app, link(app, "absolute", "/etc/passwd")))
    not_there(call(app, link(app, "relative", "../app.py")))
    not_there(call(app, link(app, "sibling", folder / "static_secret" / "ok.txt")))
    not_there(call(app, link(app, "chain", "relative")))
    not_there(call(app, link(app, "folder", "..") + "/app.py"))
    not_there(call(app, link(app, "far", folder.parent) + "/outside.txt"))
    not_there(call(app, link(app, "loop", "loop")))
    not_there(call(app, link(app, "broken", "nothing")))
    not_there(call(app, link(app, "self", ".") + "/../app.py"))


def test_promise_056_a_link_within_the_folder_is_followed(app: Flask, folder: Path) -> None:
    equal(call(app, link(app, "inside", "ok.txt")).text, "0123456789")
    equal(call(app, link(app, "inner", "sub") + "/page.html").text, "<p>page")
    equal(call(app, link(app, "round", folder / "static" / "sub" / ".." / "ok.txt")).text, "0123456789")


def test_promise_056_a_static_folder_may_be_a_link_itself(app: Flask, folder: Path) -> None:
    (folder / "static").rename(folder.parent / "elsewhere")
    (folder / "static").symlink_to(folder.parent / "elsewhere")

    equal(call(app, "/static/ok.txt").text, "0123456789")
    not_there(call(app, link(app, "out", folder / "app.py")))


def test_promise_056_links_are_followed_if_the_app_says_so(app: Flask) -> None:
    app.follow_symlinks = True

    equal(call(app, link(app, "out", "../app.py")).text, SECRET)
    not_there(call(app, "/static/../app.py"))


@pytest.mark.parametrize(
    "name", ["../static_secret/ok.txt", "_secret/ok.txt", "/../static_secret/ok.txt", "sub/../../static_secret/ok.txt"]
)
def test_promise_057_a_folder_whose_name_begins_alike_is_another(app: Flask, name: str) -> None:
    not_there(call(app, f"/static/{name}"))
    not_there(call(app, f"/static{name}"))
    not_there(call(app, f"/downloads/{name}"))


def test_promise_057_also_through_a_link(app: Flask, folder: Path) -> None:
    not_there(call(app, link(app, "alike", folder / "static_secret") + "/ok.txt"))


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static",
        "/static/sub",
        "/static/sub/",
        "/static/.",
        "/static/./",
        "/static/sub/deep",
        "/static/sub/.",
        "/static/sub/..",
    ],
)
def test_promise_058_a_folder_is_not_listed(app: Flask, path: str) -> None:
    answer = call(app, path)

    not_there(answer)
    absent("ok.txt", answer.text)
    absent("page.html", answer.text)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("follow", [True, False])
def test_promise_059_what_is_no_plain_file_is_not_opened(app: Flask, folder: Path, follow: bool) -> None:
    app.follow_symlinks = follow
    os.mkfifo(folder / "static" / "pipe")

    not_there(call(app, "/static/pipe"))
    not_there(call(app, link(app, "to-pipe", "pipe")))
    for device in ("/dev/zero", "/dev/tty", "/proc/self/fd", "/dev/stdin"):
        not_there(call(app, link(app, device.replace("/", "-"), device)))


@pytest.mark.timeout(10)
def test_promise_059_a_socket_is_not_opened(app: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "static")  # the path of a socket may have 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")

        not_there(call(app, "/static/socket"))


# Parts of files and files that the client has


@pytest.mark.parametrize(
    "header",
    [
        "bytes=9-1",
        "bytes=-0",
        "bytes=-",
        "bytes=",
        "bytes",
        "",
        "=",
        "bytes=a-b",
        "bytes=0-0,-1",
        "bytes=0-,0-",
        "bytes=5-2,1-",
        "bytes=-1-5",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=10-",
        "bytes=10-20",
        "bytes=0-" + "9" * 5_000,
        "bytes=" + "9" * 5_000 + "-",
        "bytes=-" + "9" * 5_000,
        "bytes=\u0661-".encode().decode("latin-1"),
        "bytes=1_0-",
        "bytes=+1-",
        "bytes= 1 - 2 ",
        "items=0-5",
        "bytes=0-1;x",
        "\xff",
        "bytes=0-5\0",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_promise_060_a_range_is_answered_in_part_or_whole_or_refused(app: Flask, header: str, method: str) -> None:
    answer = call(app, "/static/ok.txt", method, HTTP_RANGE=header)

    one_of(answer.status, (200, 206, 416))
    if answer.status == 416:
        equal(answer.value("Content-Range"), "bytes */10")
    elif method == "GET":
        equal(answer.value("Content-Length"), str(len(answer.body)))
        check(answer.body and answer.text in "0123456789", f"the body is {answer.body!r}")


@pytest.mark.parametrize(
    ("header", "body"),
    [("bytes=0-3", "0123"), ("bytes=7-", "789"), ("bytes=-2", "89"), ("bytes=9-9", "9"), ("bytes=5-99", "56789")],
)
def test_promise_060_a_range_that_is_there_is_sent(app: Flask, header: str, body: str) -> None:
    answer = call(app, "/static/ok.txt", HTTP_RANGE=header)

    equal((answer.status, answer.text, answer.value("Content-Length")), (206, body, str(len(body))))


RANGES: dict[str, Callable[[int], str]] = {
    "parts": lambda n: "bytes=" + "0-," * n,
    "overlapping": lambda n: "bytes=" + ",".join(f"{i}-" for i in range(n)),
    "suffixes": lambda n: "bytes=" + "-1," * n,
    "digits": lambda n: "bytes=" + "1" * n + "-",
    "spaces": lambda n: "bytes=" + " " * n + "1-2",
    "commas": lambda n: "bytes=" + "," * n,
    "no unit": lambda n: "b" * n,
}


@pytest.mark.parametrize("header", RANGES.values(), ids=RANGES)
def test_promise_060_a_long_range_header_costs_its_length(app: Flask, header: Callable[[int], str]) -> None:
    def prepare(length: int) -> Callable[[], object]:
        sent = header(length)
        return lambda: one_of(call(app, "/static/ok.txt", HTTP_RANGE=sent).status, (200, 206, 416))

    linear(prepare, 40_000)


@pytest.mark.parametrize("path", ["/static/ok.txt", "/downloads/ok.txt"])
def test_promise_061_head_has_the_length_and_no_body(app: Flask, path: str) -> None:
    answer = call(app, path, "HEAD")

    equal((answer.status, answer.value("Content-Length"), answer.body), (200, "10", b""))


@pytest.mark.parametrize(
    "header", ["HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE"]
)
@pytest.mark.parametrize(
    "value",
    [
        "garbage",
        "",
        '"',
        '""',
        "W/",
        'W/"',
        "\xff",
        "9" * 5_000,
        "-1",
        "Thu, 99 Foo 2099 99:99:99 GMT",
        "Mon, 01 Jan 0000 00:00:00 GMT",
        '"' * 5_000,
        "\0",
    ],
)
def test_promise_061_conditions_that_say_nothing_are_ignored(app: Flask, header: str, value: str) -> None:
    answer = call(app, "/static/ok.txt", **{header: value})

    equal((answer.status, answer.text), (200, "0123456789"))


def test_promise_061_conditions_that_hold_are_answered_without_a_body(app: Flask) -> None:
    first = call(app, "/static/ok.txt")

    for header in (
        {"HTTP_IF_NONE_MATCH": first.value("ETag")},
        {"HTTP_IF_MODIFIED_SINCE": first.value("Last-Modified")},
    ):
        answer = call(app, "/static/ok.txt", **header)
        equal((answer.status, answer.body), (304, b""))
        equal(answer.values("Content-Length"), [])


# Templates and resources


@pytest.mark.parametrize(
    "name",
    [
        "../secret.html",
        "../templates_secret/page.html",
        "./../secret.html",
        "x/../../secret.html",
        "x/../page.html",
        "..",
        ".",
        "",
        "/",
        "/etc/passwd",
        "/../secret.html",
        "//etc/passwd",
        "..\\secret.html",
        "\\page.html",
        "page.html\0",
        "\0",
        "page.html\0.txt",
        "../secret.html\0.html",
        "C:\\x",
        "a" * 5_000,
        "\ud800",
    ],
)
def test_promise_062_a_template_outside_of_the_folder_is_not_found(app: Flask, folder: Path, name: str) -> None:
    with app.test_request_context():
        with pytest.raises(TemplateNotFound):
            render_template(name)
        for source in ("{% include name %}", "{% extends name %}", "{% import name as x %}"):
            with pytest.raises(TemplateNotFound):
                render_template_string(source, name=name)
        with pytest.raises(TemplateNotFound):
            render_template("included.html", name=name)


def test_promise_062_an_absolute_one_neither(app: Flask, folder: Path) -> None:
    with app.test_request_context():
        equal(render_template("page.html"), "page")
        for name in ("templates/page.html", "templates_secret/page.html", "secret.html"):
            with pytest.raises(TemplateNotFound):
                render_template(str(folder / name))


def test_promise_062_a_page_that_asks_for_one_is_a_500_without_its_name(app: Flask) -> None:
    app.add_url_rule("/page/<path:name>", "page", lambda name: render_template(name))

    answer = call(app, "/page/../secret.html")

    equal(answer.status, 500)
    absent("secret", answer.text)


@pytest.mark.parametrize("mode", ["rb", "r"])
@pytest.mark.parametrize(
    "resource",
    [
        "../../etc/passwd",
        "../outside.txt",
        "..",
        "",
        ".",
        "./",
        "static/..",
        "static/../../outside.txt",
        "/etc/passwd",
        "//etc/passwd",
        "app.py\0",
        "\0",
        "../app_secret/x",
    ],
)
def test_promise_063_a_resource_outside_of_the_folder_is_refused(
    app: Flask, folder: Path, resource: str, mode: str
) -> None:
    (folder.parent / "app_secret").mkdir()
    (folder.parent / "app_secret" / "x").write_text(SECRET)

    with pytest.raises(ValueError, match="resource"):
        app.open_resource(resource, mode)


@pytest.mark.parametrize("mode", ["w", "wb", "a", "r+", "rb+", "x", "w+b", "", "U"])
def test_promise_063_a_resource_is_opened_for_reading_alone(app: Flask, folder: Path, mode: str) -> None:
    with pytest.raises(ValueError, match="reading"):
        app.open_resource("app.py", mode)

    equal((folder / "app.py").read_text(), SECRET)


def test_promise_063_a_resource_of_the_folder_is_opened(app: Flask) -> None:
    with app.open_resource("static/../static/ok.txt") as file:
        equal(file.read(), b"0123456789")
    with app.open_resource("static/ok.txt", "r") as file:
        present("0123", file.read())


@pytest.mark.parametrize("asked", [None, "bytes=0-"])
def test_promise_064_a_file_that_grows_is_sent_as_long_as_it_was(app: Flask, asked: str | None) -> None:
    path = Path(app.root_path) / "static" / "growing.log"
    path.write_bytes(b"a" * 200_000)
    heads: list[dict[str, str]] = []
    environ = environ_of("/static/growing.log", HTTP_RANGE=asked)

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        heads.append(dict(headers))
        return heads.append  # type: ignore[return-value]

    body: Any = app(environ, start_response)
    with path.open("ab") as file:
        file.write(b"b" * 200_000)
    data = b"".join(body)
    body.close()

    equal((len(data), heads[0]["Content-Length"]), (200_000, "200000"))


@pytest.mark.parametrize(
    "date", ["1 Jan 2147483648 0:0", "Mon, 01 Jan 2024 00:00:00 99999999999999", "1 Jan 99999999999999 0:0"]
)
@pytest.mark.parametrize("header", ["HTTP_IF_MODIFIED_SINCE", "HTTP_IF_RANGE", "HTTP_IF_UNMODIFIED_SINCE"])
def test_promise_061_a_date_that_no_calendar_has_is_ignored(app: Flask, header: str, date: str) -> None:
    (Path(app.root_path) / "static" / "dated.txt").write_text("content")

    answer = call(app, "/static/dated.txt", HTTP_RANGE="bytes=0-1", **{header: date})

    one_of((answer.status, answer.text), [(200, "content"), (206, "co")])


@pytest.mark.parametrize("date", ["1 Jan 2147483648 0:0", "Mon, 01 Jan 2024 00:00:00 99999999999999"])
def test_promise_061_nor_does_a_view_that_reads_it_fail(app: Flask, date: str) -> None:
    @app.route("/dates")
    def dates() -> list[Any]:
        return [request.date, request.if_modified_since, request.if_unmodified_since, request.if_range.date]

    headers = dict.fromkeys(("HTTP_DATE", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE"), date)

    equal(call(app, "/dates", **headers).text, "[null,null,null,null]")
