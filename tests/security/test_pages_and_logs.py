"""The content of templates, error pages and logs, and values that must not be in them."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.exceptions import BadRequest, HTTPException

from flask_embed import (
    Flask,
    Markup,
    Response,
    abort,
    escape,
    flash,
    redirect,
    render_template,
    render_template_string,
    request,
)
from flask_embed.environ import escape_controls, readable
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
from tests.security.calls import call, environ_of, wsgi
from tests.security.checks import absent, check, equal, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.security.calls import Answer

SCRIPT = "<script>alert(1)</script>"
PASSWORD = "hunter2"


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    (tmp_path / "templates").mkdir()
    app = Flask(__name__)
    app.root_path = str(tmp_path)
    app.secret_key = "secret"
    app.add_url_rule("/fine", "fine", lambda: "fine")
    return app


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was logged, as a handler writes it."""
    caplog.set_level(logging.DEBUG)
    formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")
    return lambda: "\n".join(formatter.format(record) for record in caplog.records)


# Templates


@pytest.mark.parametrize(
    "name",
    [
        "page.html",
        "page.htm",
        "page.xml",
        "page.svg",
        "page.xhtml",
        "page.txt",
        "page.js",
        "page",
        "page.html.txt",
        "page.HTML",
        "page.jinja",
        "sub/page.j2",
        ".page",
    ],
)
@pytest.mark.parametrize("value", [SCRIPT, "\"'><b>", "&<>\"'"])
def test_promise_083_every_template_is_escaped(app: Flask, tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "templates" / "sub").mkdir()
    (tmp_path / "templates" / name).write_text('<a title="{{ value }}">{{ value }}</a>')
    app.add_url_rule("/", "index", lambda: render_template(name, value=value))

    body = call(app).text

    equal(re.sub(r"&[#a-z0-9]+;", "", body).count("<"), 2)
    equal(body.count('"'), 2)
    absent("'", body)


SOURCES = {
    "value": "{{ value }}",
    "attribute": "{{ {'a': value}.a }}",
    "loop": "{% for x in [value] %}{{ x }}{% endfor %}",
    "joined": "{{ [value, value]|join }}",
    "added": "{{ '' ~ value }}",
    "formatted": "{{ '%s'|format(value) }}",
    "default": "{{ missing|default(value) }}",
    "macro": "{% macro show(x) %}{{ x }}{% endmacro %}{{ show(value) }}",
    "set": "{% set x = value %}{{ x }}",
    "block set": "{% set x %}{{ value }}{% endset %}{{ x }}",
    "markup": "{{ markup ~ value }}",
    "request": "{{ request.args.q }}",
    "session": "{{ session.get('x') or request.args.q }}",
    "url": "{{ url_for('fine', q=value) }}{{ value }}",
    "undefined": "{{ missing }}{{ value }}",
    "repr": "{{ [value] }}",
    "upper": "{{ value|upper }}",
    "attributes": "<a{{ {'title': value}|xmlattr }}>",
    "JSON": "{{ value|tojson }}",
    "included": "{% include ['none.html'] ignore missing %}{{ value }}",
}


@pytest.mark.parametrize("name", ["{{ 7*7 }}", "{{ config }}", "{% include 'fine.html' %}", "<b>{{ 7*7 }}"])
def test_promise_086_a_name_or_a_value_is_never_the_source_of_a_template(app: Flask, name: str) -> None:
    @app.before_request
    def say() -> None:
        flash(name)

    app.add_url_rule("/named", "named", lambda: render_template(name))
    app.add_url_rule("/said", "said", lambda: render_template_string("{{ get_flashed_messages()[0] }}"))
    app.add_url_rule("/refused", "refused", lambda: abort(404, name))
    app.secret_key = "secret"

    named, said, refused = (call(app, path) for path in ("/named", "/said", "/refused"))

    equal((named.status, refused.status), (500, 404))
    equal(said.text, str(escape(name)))
    absent("49", named.text + said.text + refused.text)


def test_promise_086_and_the_helper_for_a_source_says_what_it_is() -> None:
    present("never build *source* from a client's input", render_template_string.__doc__ or "")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_promise_083_a_template_in_a_string_is_escaped(app: Flask, source: str) -> None:
    app.add_url_rule("/", "index", lambda: render_template_string(source, value=SCRIPT, markup=Markup("<b>")))

    answer = call(app, QUERY_STRING=f"q={SCRIPT}")

    equal(answer.status, 200)
    absent("<script", answer.text.lower())
    absent("</script", answer.text.lower())


def test_promise_083_a_context_processor_s_value_is_escaped(app: Flask) -> None:
    app.context_processor(lambda: {"value": SCRIPT})
    app.add_url_rule("/", "index", lambda: render_template_string("{{ value }}"))

    equal(call(app).text, "&lt;script&gt;alert(1)&lt;/script&gt;")


def test_promise_083_options_that_say_nothing_of_it_do_not_turn_it_off(tmp_path: Path) -> None:
    class Trimmed(Flask):
        jinja_options = {**Flask.jinja_options, "trim_blocks": True}  # noqa: RUF012

    app = Trimmed(__name__)
    app.add_url_rule("/", "index", lambda: render_template_string("{{ value }}", value=SCRIPT))

    absent("<script", call(app).text)


@pytest.mark.parametrize("options", [{}, {"trim_blocks": True}, {"line_comment_prefix": "##"}], ids=repr)
def test_promise_084_options_without_autoescape_leave_it_on(options: dict[str, Any]) -> None:
    for app in (type("Own", (Flask,), {"jinja_options": options})("own"), Flask("assigned")):
        app.jinja_options = options
        app.add_url_rule("/", "index", lambda: render_template_string("{{ value }}", value=SCRIPT))

        absent("<script", call(app).text)


def test_promise_084_one_app_changes_no_other_s_options() -> None:
    careless, other = Flask("careless"), Flask("other")
    careless.jinja_options["autoescape"] = False
    for app in (careless, other):
        app.add_url_rule("/", "index", lambda: render_template_string("{{ value }}", value=SCRIPT))

    present("<script", call(careless).text)
    absent("<script", call(other).text)


@pytest.mark.parametrize("kind", [HTTPException, Exception])
def test_promise_082_a_refusal_that_is_a_response_is_sent_whatever_handlers_there_are(kind: type[Exception]) -> None:
    app = Flask("app")
    app.errorhandler(kind)(lambda error: ({"error": error.name}, error.code))
    app.add_url_rule("/", "index", lambda: abort(Response("members only", 403)))
    app.add_url_rule("/login", "login", lambda: abort(redirect("/elsewhere")))

    equal((call(app).status, call(app).text), (403, "members only"))
    equal(call(app, PATH_INFO="/login").status, 302)


def flashing(*flashed: str) -> str:
    """A view that flashes a message."""
    flash(*flashed)
    return "flashed"


@pytest.mark.parametrize(
    "source",
    [
        "{{ get_flashed_messages()[0] }}",
        "{% for m in get_flashed_messages() %}{{ m }}{% endfor %}",
        "{{ get_flashed_messages(with_categories=True)[0][1] }}",
        "{{ get_flashed_messages(with_categories=true)[0][0] }}",
        "{{ get_flashed_messages() }}",
    ],
)
def test_promise_085_a_flashed_message_is_escaped(app: Flask, source: str) -> None:
    app.add_url_rule("/flash", "flash", lambda: flashing(SCRIPT, SCRIPT))
    app.add_url_rule("/show", "show", lambda: render_template_string(source))
    cookie = (call(app, "/flash").value("Set-Cookie") or "").partition(";")[0]

    answer = call(app, "/show", HTTP_COOKIE=cookie)

    absent("<script", answer.text)
    present("&lt;script&gt;", answer.text)


def test_promise_085_a_flashed_message_that_is_markup_stays_so(app: Flask) -> None:
    app.add_url_rule("/flash", "flash", lambda: flashing(Markup("<b>")))
    app.add_url_rule("/show", "show", lambda: render_template_string("{{ get_flashed_messages()[0] }}"))
    cookie = (call(app, "/flash").value("Set-Cookie") or "").partition(";")[0]

    equal(call(app, "/show", HTTP_COOKIE=cookie).text, "<b>")


# Error pages


HOSTILE_PATHS = [
    f"/{SCRIPT}",
    '/"><img src=x onerror=alert(1)>',
    "/int/<b>",
    "/only-get/<svg onload=alert(1)>",
    "/<b>/slash",
    "/\u202e<b>",
    "/{{7*7}}<b>",
    "/%3Cscript%3E<b>",
]


@pytest.fixture
def pages(app: Flask) -> Flask:
    app.add_url_rule("/int/<int:n>", "int", lambda n: str(n))
    app.add_url_rule("/only-get/<name>", "only_get", lambda name: name)
    app.add_url_rule("/<name>/slash/", "slash", lambda name: name)
    app.add_url_rule("/abort/<int:code>", "abort", lambda code: abort(code))
    app.add_url_rule("/text", "text", lambda: abort(400, request.args["q"]))
    app.add_url_rule("/key", "key", lambda: request.args[request.args["q"]])
    app.add_url_rule("/bad", "bad", lambda: (_ for _ in ()).throw(BadRequest(request.args["q"])))
    app.add_url_rule("/build", "build", lambda: app.url_for(request.args["q"]))
    app.add_url_rule("/redirect", "redirect", lambda: redirect("/x?" + request.args["q"]))
    return app


def reflects_nothing(answer: Answer) -> None:
    for mark in ("<script", "<b>", "<img", "<svg", "onerror=alert", "{{"):
        absent(mark, answer.text.lower())
    kind = answer.value("Content-Type") or ""
    check(
        kind == "text/html; charset=utf-8" or answer.value("X-Content-Type-Options") == "nosniff",
        f"a browser may guess what this is: {answer.headers!r}",
    )


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "<B>", "OPTIONS", "X" * 1_000])
@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_promise_087_error_pages_reflect_nothing_of_the_request(pages: Flask, path: str, method: str) -> None:
    answer = call(pages, wsgi(path), method, HTTP_REFERER=SCRIPT, HTTP_USER_AGENT=SCRIPT, QUERY_STRING=SCRIPT)

    if answer.status != 200:
        reflects_nothing(answer)
        absent("alert", answer.text.replace(answer.value("Location") or "-", ""))
    for value in answer.values("Allow"):
        check(re.fullmatch(r"[A-Z]+(?:, [A-Z]+)*", value), f"Allow is {value!r}")


@pytest.mark.parametrize(
    "mounted", [lambda app: DispatcherMiddleware(None, {"/app": app}), lambda app: PrefixMiddleware(app, "/app")]
)
@pytest.mark.parametrize("path", [f"/{SCRIPT}", f"/app/{SCRIPT}", f"/app{SCRIPT}", "/appx<b>"])
def test_promise_087_nor_do_those_of_the_middleware(pages: Flask, mounted: Callable[[Any], Any], path: str) -> None:
    answer = call(mounted(pages), path)

    equal(answer.status, 404)
    reflects_nothing(answer)
    absent("/app", answer.text)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("path", ["/text", "/key", "/bad"])
def test_promise_087_what_a_view_says_is_escaped(pages: Flask, path: str, debug: bool) -> None:
    pages.debug = debug

    answer = call(pages, path, QUERY_STRING=f"q={SCRIPT}<b>")

    equal(answer.status, 400)
    reflects_nothing(answer)


@pytest.mark.parametrize(
    "code",
    [
        400,
        401,
        403,
        404,
        405,
        406,
        408,
        409,
        410,
        411,
        412,
        413,
        414,
        415,
        416,
        417,
        418,
        422,
        428,
        429,
        431,
        451,
        500,
        501,
        502,
        503,
        504,
        505,
    ],
)
def test_promise_087_every_error_has_a_page_of_its_own_type(pages: Flask, code: int) -> None:
    answer = call(pages, f"/abort/{code}", HTTP_REFERER=SCRIPT, QUERY_STRING=SCRIPT)

    equal(answer.status, code)
    reflects_nothing(answer)


def test_promise_087_a_redirect_s_page_is_escaped(pages: Flask) -> None:
    answer = call(pages, "/redirect", QUERY_STRING='q="><script>alert(1)</script>')

    equal(answer.status, 302)
    reflects_nothing(answer)


def test_promise_087_the_405_names_the_methods_and_the_404_does_not(pages: Flask) -> None:
    equal(call(pages, "/only-get/x", "DELETE").value("Allow"), "GET, HEAD, OPTIONS")
    equal(call(pages, "/nothing", "DELETE").values("Allow"), [])


def raising(error: Exception) -> Callable[..., Any]:
    def function(*args: Any, **values: Any) -> Any:
        raise error

    return function


def in_context_processor(app: Flask, error: Exception) -> None:
    app.context_processor(raising(error))
    app.add_url_rule("/", "view", lambda: render_template_string(""))


def in_handler_of_500(app: Flask, error: Exception) -> None:
    app.errorhandler(500)(raising(error))
    app.add_url_rule("/", "view", raising(ValueError(PASSWORD)))


def in_session(app: Flask, error: Exception) -> None:
    app.save_session = raising(error)  # type: ignore[method-assign]
    app.add_url_rule("/", "view", lambda: flashing("x"))


FAILURES: dict[str, Callable[[Flask, Exception], object]] = {
    "view": lambda app, error: app.add_url_rule("/", "view", raising(error)),
    "before_request": lambda app, error: app.before_request(raising(error)),
    "after_request": lambda app, error: app.after_request(raising(error)),
    "template": lambda app, error: app.add_url_rule(
        "/", "view", lambda: render_template_string("{{ fail() }}", fail=raising(error))
    ),
    "error handler": lambda app, error: app.errorhandler(404)(raising(error)),
    "WSGI app": lambda app, error: app.add_url_rule("/", "view", lambda: lambda environ, start: raising(error)()),
    "context processor": in_context_processor,
    "handler of 500": in_handler_of_500,
    "session": in_session,
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"<b>{PASSWORD}</b> at /srv/app/secret.py"),
        ValueError(SCRIPT, PASSWORD),
        KeyError(PASSWORD),
        UnicodeDecodeError("utf-8", PASSWORD.encode(), 0, 1, SCRIPT),
        OSError(2, PASSWORD, "/srv/app/secret.py"),
        SyntaxError(PASSWORD, ("/srv/app/secret.py", 1, 1, SCRIPT)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_promise_088_a_500_says_nothing_of_what_happened(
    app: Flask, failure: Callable[[Flask, Exception], object], error: Exception
) -> None:
    plain = Flask(__name__)
    plain.add_url_rule("/", "view", raising(RuntimeError()))
    failure(app, error)

    answer = call(app)

    equal((answer.line, answer.headers, answer.body), call(plain))
    for word in (PASSWORD, "Traceback", "secret.py", "Error(", "<b>", "File "):
        absent(word, answer.text)


def test_promise_088_a_stream_that_breaks_shows_nothing_either(app: Flask) -> None:
    def stream() -> Iterator[str]:
        yield "begin"
        raise RuntimeError(PASSWORD)

    app.add_url_rule("/", "index", stream)
    with pytest.raises(RuntimeError):  # for the server, which ends the connection
        call(app)


# Logs

HOSTILE = [
    "\n",
    "\r\n",
    "\r",
    "\x1b[31m",
    "\x07",
    "\x08",
    "\0",
    "\x7f",
    "\x9b31m",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\n2026-01-01 INFO root: logged in",
]
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def is_one_line(text: str, what: str) -> None:
    line = text.partition("\nTraceback")[0]
    check("\n" not in line and not CONTROLS.search(line), f"{what} is no single line: {line!r}")


@pytest.mark.parametrize("mark", HOSTILE)
@pytest.mark.parametrize("where", ["path", "method", "script_name", "host", "user_agent", "query", "user", "referer"])
def test_promise_089_a_line_of_the_error_log_is_one_line(
    app: Flask, written: Callable[[], str], where: str, mark: str
) -> None:
    app.add_url_rule("/<path:rest>", "view", raising(RuntimeError("fault")), methods=["GET", "POST"])
    app.before_request(raising(RuntimeError("fault")))
    sent = wsgi(f"a{mark}b")
    changes = {
        "script_name": {"SCRIPT_NAME": f"/{sent}"},
        "host": {"HTTP_HOST": sent},
        "user_agent": {"HTTP_USER_AGENT": sent},
        "query": {"QUERY_STRING": sent},
        "user": {"REMOTE_USER": sent},
        "referer": {"HTTP_REFERER": sent},
    }

    call(app, f"/{sent}" if where == "path" else "/x", sent if where == "method" else "GET", **changes.get(where, {}))

    is_one_line(written(), "the log")


INVISIBLE = [
    *map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, 0x200E, 0x200F, 0x61C, 0xFEFF, 0xE0041])
]


@pytest.mark.parametrize("mark", INVISIBLE, ids=ascii)
def test_promise_090_what_cannot_be_seen_is_escaped(mark: str, caplog: pytest.LogCaptureFixture) -> None:
    shown = ascii(mark)[1:-1]
    equal(escape_controls(f"a{mark}b"), f"a{shown}b")
    equal(readable(wsgi(f"/ü{mark}b")), f"/ü{shown}b")
    call(PrefixMiddleware(lambda environ, start: [], "/app"), wsgi(f"/else{mark}"))
    present(shown, caplog.text)
    absent(mark, caplog.text)


def test_promise_090_what_can_be_seen_stays() -> None:
    text = "Zürich 東京 Ελλάδα שלום 😀 \\ 'a' %41"
    equal(escape_controls(text), text)


def test_promise_090_what_escapes_is_loaded_before_descriptors_run_out() -> None:
    """A log line that reports a shortage of descriptors could not import it any more."""
    code = "import sys, flask_embed.environ; print('encodings.unicode_escape' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    equal(done.stdout.strip(), "True")


@pytest.mark.parametrize("mark", HOSTILE)
def test_promise_089_also_where_the_body_is_streamed(app: Flask, written: Callable[[], str], mark: str) -> None:
    app.add_url_rule("/<path:rest>", "view", lambda rest: iter(["a", "b"]))

    body: Any = app(environ_of(wsgi(f"/x{mark}")), lambda *head: lambda data: None)
    del body  # neither read nor closed

    is_one_line(written(), "the log")


@pytest.mark.parametrize("mark", HOSTILE)
def test_promise_089_the_log_of_the_middleware_is_one_line(written: Callable[[], str], mark: str) -> None:
    call(PrefixMiddleware(lambda environ, start: [], "/app"), wsgi(f"/else{mark}"))

    check(written(), "nothing was logged")
    is_one_line(written(), "the log")


def test_promise_089_a_prefix_s_log_is_one_line_however_often(written: Callable[[], str]) -> None:
    app = PrefixMiddleware(lambda environ, start: [], "/app")
    for number in range(100):
        call(app, f"/else/{number}")

    is_one_line(written(), "the log")


@pytest.mark.parametrize(
    "fails", ["view", "before_request", "after_request", "teardown", "template", "stream", "404", "400"]
)
def test_promise_091_what_is_secret_is_in_no_log(app: Flask, written: Callable[[], str], fails: str) -> None:
    if fails == "view":
        app.add_url_rule("/", "index", raising(RuntimeError("fault")))
    elif fails == "template":
        app.add_url_rule("/", "index", lambda: render_template_string("{{ missing.x }}"))
    elif fails == "stream":
        app.add_url_rule("/", "index", lambda: map(raising(RuntimeError("fault")), ["x"]))
    elif fails in ("before_request", "after_request", "teardown"):
        app.add_url_rule("/", "index", lambda: "index")
        register = app.teardown_request if fails == "teardown" else getattr(app, fails)
        register(raising(RuntimeError("fault")))

    secret = {
        "HTTP_AUTHORIZATION": f"Basic {PASSWORD}",
        "HTTP_PROXY_AUTHORIZATION": f"Basic {PASSWORD}",
        "HTTP_COOKIE": f"session={PASSWORD}; other={PASSWORD}",
        "HTTP_X_API_KEY": PASSWORD,
        "QUERY_STRING": f"token={PASSWORD}",
        "HTTP_REFERER": f"https://good.example/?token={PASSWORD}",
        "HTTP_HOST": "a@b" if fails == "400" else "good.example",
    }
    body = f"password={PASSWORD}".encode()
    try:
        call(
            app,
            "/missing" if fails == "404" else "/",
            "GET",
            body,
            CONTENT_TYPE="application/x-www-form-urlencoded",
            **secret,
        )
    except RuntimeError:
        equal(fails, "stream")

    absent(PASSWORD, written())
    if fails not in ("404", "400", "stream"):
        check(written(), "the fault was not logged")


@pytest.mark.parametrize("path", ["/fine", "/missing", "/static/x"])
def test_promise_091_there_is_no_access_log(app: Flask, written: Callable[[], str], path: str) -> None:
    call(app, path, QUERY_STRING="token=x")

    equal(written(), "")


class First(Exception):
    """The exception that the view raises."""


class Second(Exception):
    """The exception that the error handler raises."""


@pytest.mark.parametrize("registered", [500, First, Exception])
def test_promise_092_an_error_handler_that_raises_is_one_500(
    app: Flask, caplog: pytest.LogCaptureFixture, registered: Any
) -> None:
    teardowns: list[BaseException | None] = []
    handled: list[Exception] = []

    def handler(error: Exception) -> Any:
        handled.append(error)
        raise Second

    app.teardown_request(teardowns.append)
    app.errorhandler(registered)(handler)
    app.add_url_rule("/", "index", raising(First()))

    answer = call(app)

    equal(answer.status, 500)
    equal([type(error) for error in handled], [First])
    equal(len(teardowns), 1)
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    text = "".join(f"{error!r}{error.__context__!r}{error.__cause__!r}" for error in logged if error is not None)
    present("First()", text)
    present("Second()", text)
    equal(call(app, "/fine").text, "fine")


@pytest.mark.parametrize("code", [404, 405, 400])
def test_promise_092_also_a_handler_of_another_error(app: Flask, caplog: pytest.LogCaptureFixture, code: int) -> None:
    teardowns: list[BaseException | None] = []
    app.teardown_request(teardowns.append)
    app.errorhandler(code)(raising(Second()))
    app.add_url_rule("/abort", "abort", lambda: abort(code))

    equal(call(app, "/abort").status, 500)
    equal(len(teardowns), 1)
    equal([type(record.exc_info[1]) for record in caplog.records if record.exc_info], [Second])


def test_promise_092_a_handler_that_aborts_answers_with_that(app: Flask) -> None:
    app.errorhandler(404)(lambda: abort(410))

    one_of(call(app, "/missing").status, (410,))


def test_promise_092_handlers_that_abort_into_each_other_come_to_an_end(app: Flask) -> None:
    app.errorhandler(404)(lambda: abort(410))
    app.errorhandler(410)(lambda: abort(404))

    one_of(call(app, "/missing").status, (404, 410, 500))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/plain", "/plain"),
        ("/b\xc3\xbcro/\xe2\x82\xac", "/büro/€"),
        ("/\xff", "/\\xff"),
        ("/a\nb\x1b", "/a\\nb\\x1b"),
        ("/\xe2\x80\xa8", "/\\u2028"),
        ("/\u20ac", "/\\u20ac"),
    ],
)
def test_promise_089_a_path_is_readable_in_a_log(value: str, shown: str) -> None:
    equal(readable(value), shown)
