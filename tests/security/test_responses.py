"""Answers of an app: a well-formed head with its body, or a 500."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from flask_embed import Flask, Response, make_response
from tests.security.calls import call
from tests.security.checks import absent, equal, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.security.calls import Answer


def steady_id(value: object) -> str:
    """The name of a value in the name of its test, the same in every process."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/fine", "fine", lambda: "fine")
    return app


def answer_to(app: Flask, view: Callable[[], Any], method: str = "GET") -> Answer:
    app.add_url_rule("/", "view", view, methods=["GET", "POST"])
    return call(app, "/", method)


def is_an_error(app: Flask, view: Callable[[], Any]) -> None:
    """A 500 that shows nothing, after which the app goes on."""
    answer = answer_to(app, view)

    equal((answer.status, answer.value("Content-Type")), (500, "text/html; charset=utf-8"))
    absent("evil", (answer.head + answer.text).lower())
    equal(call(app, "/fine").text, "fine")


def through_set(name: Any, value: Any) -> Any:
    response = make_response("x")
    response.headers.set(name, value)
    return response


def through_add(name: Any, value: Any) -> Any:
    response = make_response("x")
    response.headers.add(name, value)
    return response


def through_extend(name: Any, value: Any) -> Any:
    response = make_response("x")
    response.headers.extend([(name, value)])
    return response


def through_setlist(name: Any, value: Any) -> Any:
    response = make_response("x")
    response.headers.setlist(name, [value])
    return response


def as_wsgi_app(name: Any, value: Any) -> Any:
    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [(name, value)])
        return [b"x"]

    return wsgi_app


def as_stream(name: Any, value: Any) -> Any:
    return Response(iter(["x"]), headers=[(name, value)])


#: The ways that a header takes into a response.
WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "tuple with a dict": lambda name, value: ("x", {name: value}),
    "tuple with a list": lambda name, value: ("x", 200, [(name, value)]),
    "constructor": lambda name, value: Response("x", headers={name: value}),
    "set": through_set,
    "add": through_add,
    "extend": through_extend,
    "setlist": through_setlist,
    "WSGI app": as_wsgi_app,
    "stream": as_stream,
    "empty": lambda name, value: Response(headers=[(name, value)], status=204),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "value",
    [
        "a\r\nX-Evil: 1",
        "a\nX-Evil: 1",
        "a\rX-Evil: 1",
        "a\0evil",
        "\r\n",
        "a\r\n\r\n<evil>",
        "a\x0bevil",
        "a\x1b[evil",
        "a\x7fevil",
        "\nevil",
    ],
)
def test_promise_075_a_control_character_in_a_header_value_is_an_error(
    app: Flask, way: Callable[[Any, Any], Any], value: str
) -> None:
    is_an_error(app, lambda: way("X-Name", value))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", ["Content-Type", "Location", "Set-Cookie", "Content-Length", "Vary"])
def test_promise_075_also_in_those_that_the_framework_knows(
    app: Flask, way: Callable[[Any, Any], Any], name: str
) -> None:
    answer = answer_to(app, lambda: way(name, "a\r\nX-Evil: 1"))

    equal(answer.status, 500)
    absent("evil", answer.head.lower())


SHORTCUTS: dict[str, Callable[[str], Any]] = {
    "content_type": lambda value: Response("x", content_type=value),
    "mimetype": lambda value: Response("x", mimetype=value),
    "content_type of a stream": lambda value: Response(iter(["x"]), content_type=value),
    "mimetype of nothing": lambda value: Response(mimetype=value),
}


@pytest.mark.parametrize("way", SHORTCUTS.values(), ids=SHORTCUTS)
@pytest.mark.parametrize(
    "value",
    [
        "text/html\r\nX-Evil: 1",
        "text/html\nX-Evil: 1",
        "text/html\rX-Evil: 1",
        "a\0evil",
        "text/html\r\n\r\n<evil>",
        "a\x1b[evil",
        "text/€vil",
    ],
)
def test_promise_075_a_content_type_is_a_header_too(app: Flask, way: Callable[[str], Any], value: str) -> None:
    is_an_error(app, lambda: way(value))


@pytest.mark.parametrize(
    "attribute",
    [
        "content_type",
        "mimetype",
        "location",
        "content_location",
        "content_encoding",
        "content_md5",
        "last_modified",
        "retry_after",
        "etag",
    ],
)
def test_promise_075_an_attribute_is_a_header_too(app: Flask, attribute: str) -> None:
    def view() -> Any:
        response = make_response("x")
        if attribute == "etag":
            response.set_etag('a"\r\nX-Evil: 1')
        else:
            setattr(response, attribute, "a\r\nX-Evil: 1")
        return response

    answer = answer_to(app, view)

    one_of(answer.status, (200, 500))
    absent("x-evil: 1\r\n", answer.head.lower())


def test_promise_075_an_after_request_function_is_no_way_around(app: Flask) -> None:
    @app.after_request
    def add(response: Any) -> Any:
        if response.data == b"x":
            response.headers["X-Name"] = "a\r\nX-Evil: 1"
        return response

    is_an_error(app, lambda: "x")


NAMES = [
    "X-Evil\r\nX",
    "X-Evil\n",
    "X-Evil: 1\r\nX",
    "X Evil",
    "X-Evil:",
    "X-Evil ",
    " X-Evil",
    "",
    "X-Evil\0",
    "X-Evil\t",
    "X(Evil)",
    'X"Evil"',
    "X/Evil",
    "X,Evil",
    "X;Evil",
    "X=Evil",
    "X@Evil",
    "X[Evil]",
    "X{Evil}",
    "X\\Evil",
    "Xévil",
    "X\x7fEvil",
    "X\u2028Evil",
]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_promise_076_a_header_name_that_is_no_token_is_an_error(
    app: Flask, way: Callable[[Any, Any], Any], name: str
) -> None:
    is_an_error(app, lambda: way(name, "1"))


@pytest.mark.parametrize("name", NAMES)
def test_promise_076_an_after_request_function_is_no_way_around(app: Flask, name: str) -> None:
    @app.after_request
    def add(response: Any) -> Any:
        if response.data == b"x":
            response.headers[name] = "1"
        return response

    is_an_error(app, lambda: "x")


STATUS_WAYS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda status: ("x", status),
    "constructor": lambda status: Response("x", status=status),
    "stream": lambda status: Response(iter(["x"]), status=status),
    "attribute": lambda status: _with_status(status),
    "WSGI app": lambda status: lambda environ, start_response: (start_response(status, []), [b"x"])[1],
}


def _with_status(status: Any) -> Any:
    response = make_response("x")
    response.status = status
    return response


@pytest.mark.parametrize("way", STATUS_WAYS.values(), ids=STATUS_WAYS)
@pytest.mark.parametrize(
    "status",
    [
        "200 OK\r\nX-Evil: y",
        "200 OK\nX-Evil: y",
        "200 OK\rX-Evil: y",
        "200\r\nX-Evil: y",
        "200 evil\0",
        "200 \x1b[evil",
        "evil",
        "-200 evil",
        "2000 evil",
        "20 evil",
        "0200 evil",
        "200\tevil",
        "200 €vil",
        "+20 evil",
        "2_0 evil",
        "\u0662\u0660\u0660 evil",
    ],
)
def test_promise_077_a_status_that_is_no_status_line_is_an_error(
    app: Flask, way: Callable[[Any], Any], status: str
) -> None:
    is_an_error(app, lambda: way(status))


@pytest.mark.parametrize("status", [0, -1, 20, 1000, 99])
def test_promise_077_a_number_that_is_no_status_is_an_error(app: Flask, status: int) -> None:
    is_an_error(app, lambda: ("x", status))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("value", ["€vil", "\u2028evil", "\ud800evil", "\U0001f600evil", "evil\u010a"])
def test_promise_078_a_header_value_outside_of_latin_1_is_an_error_of_that_request(
    app: Flask, way: Callable[[Any, Any], Any], value: str
) -> None:
    is_an_error(app, lambda: way("X-Name", value))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_promise_078_one_of_latin_1_is_sent(app: Flask, way: Callable[[Any, Any], Any]) -> None:
    equal(answer_to(app, lambda: way("X-Name", "é\ttab")).value("X-Name"), "é\ttab")


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
@pytest.mark.parametrize(("value", "sent"), [("/ü", "/%C3%BC"), ("/€", "/%E2%82%AC"), ("/\u010a", "/%C4%8A")])
def test_promise_078_a_location_outside_of_ascii_is_encoded(app: Flask, name: str, value: str, sent: str) -> None:
    answer = answer_to(app, lambda: ("x", {name: value}))

    equal((answer.status, answer.value(name)), (200, sent))


class NoResponse:
    """Values that no view may return."""


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        1,
        200,
        1.5,
        True,
        False,
        ValueError,
        ValueError("x"),
        Response,
        NoResponse,
        NoResponse(),
        object(),
        (),
        {1},
        frozenset(),
        pytest.param(memoryview(b"x"), id="memoryview"),
        (1,),
        (None, 200, {}, 1, 2, 3, 4, 5),
    ],
    ids=steady_id,
)
def test_promise_080_a_value_that_is_no_response_is_an_error_that_names_the_endpoint(
    app: Flask, value: Any, debug: bool
) -> None:
    errors: list[BaseException | None] = []
    app.teardown_request(errors.append)
    app.add_url_rule("/x", "the_endpoint", lambda: value)
    app.debug = debug

    if debug:
        with pytest.raises(TypeError):
            call(app, "/x")
    else:
        equal(call(app, "/x").status, 500)

    equal([type(error) for error in errors], [TypeError])
    if not isinstance(value, tuple) or len(value) < 4:
        present("the_endpoint", str(errors[0]))


def test_promise_080_nor_does_an_error_handler_or_a_hook_return_such(app: Flask) -> None:
    app.errorhandler(404)(lambda error: 404)

    equal(call(app, "/missing").status, 500)

    app.before_request_funcs.append(lambda: 200)
    equal(call(app, "/fine").status, 500)


def test_promise_080_nor_does_an_after_request_function(app: Flask) -> None:
    app.after_request(lambda response: None)

    equal(call(app, "/fine").status, 500)


# Bodies


def chunks() -> Iterator[bytes]:
    yield b"some "
    yield b"body"


BODIES: dict[str, Callable[[], Any]] = {
    "text": lambda: "some body",
    "bytes": lambda: b"some body",
    "list": lambda: Response(["some ", "body"]),
    "tuple": lambda: Response((b"some ", b"body")),
    "stream": lambda: Response(chunks()),
    "generator": chunks,
    "JSON": lambda: {"some": "body"},
    "nothing": lambda: Response(),
    "passed through": lambda: Response(chunks(), direct_passthrough=True),
    "with headers": lambda: Response("some body", headers={"X-A": "b"}),
}


def run(app: Flask, body: Callable[[], Any], status: int, method: str) -> Answer:
    def view() -> Any:
        response = make_response(body())
        response.status_code = status
        return response

    app.add_url_rule("/body", "body", view, methods=["GET", "POST"])
    return call(app, "/body", method)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [200, 404, 500])
def test_promise_081_head_is_get_without_the_body(app: Flask, body: Callable[[], Any], status: int) -> None:
    get = run(app, body, status, "GET")
    head = call(app, "/body", "HEAD")

    equal((head.line, head.headers, head.body), (get.line, get.headers, b""))
    length = get.value("Content-Length")
    if length is not None:
        equal(int(length), len(get.body))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [204, 304])
def test_promise_081_a_status_without_a_body_has_none(
    app: Flask, body: Callable[[], Any], status: int, method: str
) -> None:
    answer = run(app, body, status, method)

    equal((answer.status, answer.body), (status, b""))
    equal(answer.values("Content-Length"), [])


@pytest.mark.parametrize("status", [204, 304, "204 No Content", "304 Not Modified", "204 text"])
def test_promise_081_also_if_the_view_says_otherwise(app: Flask, status: Any) -> None:
    answer = answer_to(app, lambda: ("some body", status, {"Content-Length": "9"}))

    equal((answer.body, answer.values("Content-Length")), (b"", []))


class Closing:
    """A body that records when it is closed."""

    def __init__(self, closed: list[str]) -> None:
        self.closed = closed

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"some body"])

    def close(self) -> None:
        self.closed.append("body")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("status", [200, 204, 304])
def test_promise_081_a_body_that_is_not_sent_is_closed(app: Flask, status: int, method: str) -> None:
    closed: list[str] = []

    def view() -> Any:
        response = Response(Closing(closed), status=status)
        response.call_on_close(lambda: closed.append("call_on_close"))
        return response

    answer_to(app, view, method)

    equal(closed, ["body", "call_on_close"])


@pytest.mark.parametrize("headers", [{"X-Name": "\x01"}, {"X Name": "1"}])
def test_promise_081_a_response_that_cannot_be_sent_is_closed(app: Flask, headers: dict[str, str]) -> None:
    closed: list[str] = []

    def view() -> Any:
        response = Response(Closing(closed), headers=headers)
        response.call_on_close(lambda: closed.append("call_on_close"))
        return response

    answer = answer_to(app, view)

    equal((answer.status, closed), (500, ["body", "call_on_close"]))
