"""A response is sent as werkzeug's own would be, whatever was done to it before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.test import create_environ
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_embed import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.differential


class Theirs(WerkzeugResponse):
    """Werkzeug's response with the one default that is ours."""

    default_mimetype = "text/html"


class Stream:
    """A body that is not whole, and knows whether it was closed."""

    def __init__(self, parts: tuple[str | bytes, ...]) -> None:
        self.parts = iter(parts)
        self.closed = 0

    def __iter__(self) -> Iterator[str | bytes]:
        return self.parts

    def close(self) -> None:
        self.closed += 1


#: how to make a body, as often as it takes
Body = tuple[str, Any]

TEXTS = st.sampled_from(["", "a", "body", "über", "a\nb"])
DATA = st.sampled_from([b"", b"a", b"body", b"\xff\0"])
PARTS = st.lists(st.one_of(TEXTS, DATA), max_size=3).map(tuple)
BODIES: st.SearchStrategy[Body] = st.one_of(
    st.just(("none", None)),
    st.tuples(st.just("whole"), TEXTS),
    st.tuples(st.just("whole"), DATA),
    st.tuples(st.just("bytearray"), DATA),
    st.tuples(st.sampled_from(["list", "tuple", "stream", "generator"]), PARTS),
)
STATUS = st.sampled_from(
    [
        200,
        201,
        204,
        206,
        304,
        404,
        500,
        100,
        101,
        299,
        599,
        "200",
        "200 OK",
        "404 Not Found",
        "404 Nothing here",
        "204 ",
        "304 x",
        " 200 OK ",
        HTTPStatus.OK,
        HTTPStatus.NO_CONTENT,
    ]
)
TYPES = st.sampled_from(
    [
        "text/html",
        "text/plain; charset=latin-1",
        "application/json",
        "image/png",
        "application/xml",
        "text/css",
        "x/y",
    ]
)
NAMES = st.sampled_from(
    [
        "X-A",
        "x-a",
        "Content-Type",
        "content-length",
        "Location",
        "Content-Location",
        "ETag",
        "Vary",
        "Set-Cookie",
        "Last-Modified",
        "Expires",
        "Allow",
        "Accept-Ranges",
    ]
)
VALUES = st.sampled_from(["", "a", "b", "é", "0", "3", "/x", "/ü?q=ü", "http://other.example/ü", 'W/"x"', "*"])
HEADERS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.just({}),
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.lists(st.tuples(NAMES, VALUES), max_size=3),
    st.dictionaries(st.just("X-A"), st.lists(VALUES, max_size=2), max_size=1),
)
CONDITIONS = st.sampled_from(
    [
        {},
        {"If-None-Match": "*"},
        {"If-None-Match": '"x"'},
        {"If-Match": '"none"'},
        {"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
        {"Range": "bytes=0-1"},
        {"Range": "bytes=1-"},
        {"Range": "bytes=9-"},
        {"Range": "nonsense"},
    ]
)


class Plan(NamedTuple):
    """A response and what is done to it."""

    body: Body
    arguments: dict[str, Any]
    steps: list[tuple[Any, ...]]


ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUS,
        "headers": HEADERS,
        "as_headers": st.booleans(),
        "mimetype": TYPES,
        "content_type": TYPES,
        "direct_passthrough": st.booleans(),
    },
)


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


STEPS = st.one_of(
    step("set", NAMES, VALUES),
    step("add", NAMES, VALUES),
    step("remove", NAMES),
    step("pop", NAMES),
    step("setdefault", NAMES, VALUES),
    step("extend", st.lists(st.tuples(NAMES, VALUES), max_size=2)),
    step("clear"),
    step("replace headers", st.lists(st.tuples(NAMES, VALUES), max_size=2)),
    step("look at headers"),
    step("set_data", st.one_of(TEXTS, DATA)),
    step("data", st.one_of(TEXTS, DATA)),
    step("look at data"),
    step("status", STATUS),
    step("status_code", st.sampled_from([200, 204, 304, 404, 206])),
    step("attribute", st.sampled_from(["mimetype", "content_type"]), TYPES),
    step("attribute", st.just("content_length"), st.sampled_from([0, 3, None])),
    step("attribute", st.just("location"), st.sampled_from(["/x", "/ü", None])),
    step("attribute", st.just("automatically_set_content_length"), st.booleans()),
    step("attribute", st.just("direct_passthrough"), st.booleans()),
    step("attribute", st.just("implicit_sequence_conversion"), st.booleans()),
    step("attribute", st.just("autocorrect_location_header"), st.just(True)),
    step(
        "look at",
        st.sampled_from(
            [
                "status",
                "status_code",
                "mimetype",
                "content_type",
                "content_length",
                "is_sequence",
                "is_streamed",
                "mimetype_params",
                "is_json",
                "location",
            ]
        ),
    ),
    step("set_cookie", st.sampled_from(["a", "b"]), VALUES),
    step("delete_cookie", st.sampled_from(["a", "b"])),
    step("vary", st.sampled_from(["Cookie", "Accept"])),
    step("cache_control", st.sampled_from([0, 60])),
    step("replace response", st.sampled_from(["list", "tuple", "stream"]), PARTS),
    step("append", st.one_of(TEXTS, DATA)),
    step("stream.write", DATA),
    step("stream.tell"),
    step("call_on_close"),
    step("make_conditional", CONDITIONS, st.sampled_from([False, True]), st.sampled_from([None, 4])),
    step("set_etag", st.sampled_from(["x", "y"])),
    step("add_etag", st.booleans(), st.booleans()),
    step("freeze"),
    step("make_sequence"),
    step("calculate_content_length"),
    step("iter_encoded"),
    step("last_modified"),
    step("repr"),
)


class Sent(NamedTuple):
    """All that can be seen of a response."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    seen: list[Any]
    closed: list[str]


def make_body(body: Body, streams: list[Stream]) -> Any:
    kind, content = body
    if kind == "bytearray":
        return bytearray(content)
    if kind == "list":
        return list(content)
    if kind == "generator":
        return (part for part in content)
    if kind == "stream":
        streams.append(Stream(content))
        return streams[-1]
    return content


def in_bytes(plan: Plan) -> Plan:
    """*plan* with bodies of bytes alone, as they have to be where they are passed through."""

    def encoded(value: Any) -> Any:
        return value.encode() if isinstance(value, str) else value

    kind, content = plan.body
    steps = [
        ("replace response", step[1], tuple(map(encoded, step[2])))
        if step[0] == "replace response"
        else ("append", encoded(step[1]))
        if step[0] == "append"
        else step
        for step in plan.steps
    ]
    return plan._replace(
        body=(kind, tuple(map(encoded, content)) if isinstance(content, tuple) else content), steps=steps
    )


def passes_through(plan: Plan) -> bool:
    return "direct_passthrough" in plan.arguments or any(step[1:2] == ("direct_passthrough",) for step in plan.steps)


PLANS = st.builds(Plan, BODIES, ARGUMENTS, st.lists(STEPS, max_size=6)).map(
    lambda plan: in_bytes(plan) if passes_through(plan) else plan
)


class Trial:
    """One response of a class, to which the steps of a plan are done."""

    def __init__(self, response_class: Callable[..., WerkzeugResponse], plan: Plan, environ: WSGIEnvironment) -> None:
        self.environ = environ
        self.streams: list[Stream] = []
        self.closed: list[str] = []
        arguments = dict(plan.arguments)
        if arguments.pop("as_headers", False) and arguments.get("headers") is not None:
            arguments["headers"] = Headers(arguments["headers"])
        self.response = response_class(make_body(plan.body, self.streams), **arguments)

    def do(self, step: tuple[Any, ...]) -> Any:
        """Do a step; what it returns, or the type of what it raises."""
        name, *arguments = step
        method = getattr(self, f"do_{name.replace(' ', '_').replace('.', '_')}", None)
        try:
            if method is not None:
                return method(*arguments)
            return getattr(self.response, name)(*arguments)
        except HTTPException as error:
            return type(error), error.code
        except Exception as error:
            return type(error)

    def do_set(self, name: str, value: str) -> None:
        self.response.headers[name] = value

    def do_add(self, name: str, value: str) -> None:
        self.response.headers.add(name, value)

    def do_remove(self, name: str) -> None:
        del self.response.headers[name]

    def do_pop(self, name: str) -> Any:
        return self.response.headers.pop(name)

    def do_setdefault(self, name: str, value: str) -> Any:
        return self.response.headers.setdefault(name, value)

    def do_extend(self, pairs: list[tuple[str, str]]) -> None:
        self.response.headers.extend(pairs)

    def do_clear(self) -> None:
        self.response.headers.clear()

    def do_replace_headers(self, pairs: list[tuple[str, str]]) -> None:
        self.response.headers = Headers(pairs)

    def do_look_at_headers(self) -> Any:
        return [(name, value) for name, value in self.response.headers if name != "Date"]

    def do_data(self, value: str | bytes) -> None:
        self.response.data = value

    def do_look_at_data(self) -> Any:
        return self.response.data, self.response.get_data()

    def do_status(self, value: Any) -> None:
        self.response.status = value

    def do_status_code(self, value: int) -> None:
        self.response.status_code = value

    def do_attribute(self, name: str, value: Any) -> None:
        len(self.response.headers)
        setattr(self.response, name, value)

    def do_look_at(self, name: str) -> Any:
        return getattr(self.response, name)

    def do_vary(self, name: str) -> None:
        self.response.vary.add(name)

    def do_cache_control(self, seconds: int) -> None:
        self.response.cache_control.max_age = seconds

    def do_replace_response(self, kind: str, parts: tuple[Any, ...]) -> None:
        len(self.response.headers)  # where they were not made before, ours say what the new body is
        self.response.response = make_body((kind, parts), self.streams)

    def do_append(self, part: Any) -> None:
        len(self.response.headers)
        self.response.response.append(part)  # type: ignore[union-attr]

    def do_stream_write(self, data: bytes) -> Any:
        return self.response.stream.write(data)

    def do_stream_tell(self) -> Any:
        return self.response.stream.tell()

    def do_call_on_close(self) -> None:
        self.response.call_on_close(lambda: self.closed.append("called"))

    def do_make_conditional(self, condition: dict[str, str], accept_ranges: bool, length: int | None) -> None:
        environ = create_environ(method=self.environ["REQUEST_METHOD"], headers=condition)
        self.response.make_conditional(environ, accept_ranges=accept_ranges, complete_length=length)

    def do_last_modified(self) -> None:
        self.response.last_modified = datetime(2024, 1, 1, tzinfo=UTC)

    def do_iter_encoded(self) -> Any:
        return list(self.response.iter_encoded())

    def do_repr(self) -> str:
        return repr(self.response).replace("Theirs", "Response")

    def send(self, seen: list[Any]) -> Sent:
        """Send the response as a server does."""
        heads: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            heads.append((status, headers))
            return None

        body = self.response(self.environ, start_response)
        content = b"".join(body)
        close = getattr(body, "close", None)
        if close is not None:
            close()
        ((status, headers),) = heads
        headers = [(name, "now" if name == "Date" else value) for name, value in headers]
        return Sent(status, headers, content, seen, [*self.closed, *(str(stream.closed) for stream in self.streams)])


def outcome(response_class: Callable[..., WerkzeugResponse], plan: Plan, method: str) -> Any:
    """The answer that is sent, or the type of the exception."""
    try:
        trial = Trial(response_class, plan, create_environ("/here?q", "http://good.example/app", method=method))
    except Exception as error:
        return "made", type(error)
    seen = [trial.do(step) for step in plan.steps]
    try:
        return trial.send(seen)
    except Exception as error:
        return "sent", type(error), seen


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@given(plan=PLANS)
def test_a_response_is_sent_as_werkzeug_does(method: str, plan: Plan) -> None:
    assert outcome(Response, plan, method) == outcome(Theirs, plan, method)


def sent_by(response: WerkzeugResponse, method: str = "GET") -> Sent:
    """The answer of a response that was made outside of a trial."""
    trial = Trial(lambda body: response, Plan(("none", None), {}, []), create_environ(method=method))
    return trial.send([])


@pytest.mark.parametrize("argument", ["mimetype", "content_type"])
def test_an_empty_type_is_the_one_that_was_asked_for(argument: str) -> None:
    arguments: dict[str, Any] = {argument: ""}
    for body in ("x", None, iter(["x"])):
        assert dict(sent_by(Response(body, **arguments)).headers)["Content-Type"] == ""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_subclass_has_its_defaults(method: str) -> None:
    defaults: dict[str, Any]
    for defaults in (
        {"default_mimetype": None},
        {"default_mimetype": "text/plain"},
        {"default_status": 404},
        {"default_status": "201 Made"},
        {"automatically_set_content_length": False},
        {"implicit_sequence_conversion": False},
        {"autocorrect_location_header": True},
        {"max_cookie_size": 0},
    ):
        ours, theirs = (cast("type[WerkzeugResponse]", type("Own", (base,), defaults)) for base in (Response, Theirs))
        for body in ("x", None, ["x"]):
            assert sent_by(ours(body), method) == sent_by(theirs(body), method), defaults
        headers = {"Location": "y"}
        assert sent_by(ours("x", headers=headers), method) == sent_by(theirs("x", headers=headers), method), defaults


def test_a_subclass_may_say_itself_what_is_sent() -> None:
    class Own(Response):
        def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
            return Headers({**super().get_wsgi_headers(environ), "X-Own": "yes"})

        def get_app_iter(self, environ: WSGIEnvironment) -> Any:
            return [b"own"]

    sent = sent_by(Own("x"))

    assert (dict(sent.headers)["X-Own"], sent.body) == ("yes", b"own")


@given(st.from_regex(r"/[^/?#]{0,4}/?[^?#]{0,4}(?:\?.{0,4})?", fullmatch=True))
@example("/a;b=c/:d@e?q=1&next=/x%20y?z")
@example("/%zz?")
@example("//other.example")
def test_a_location_is_sent_as_a_uri(location: str) -> None:
    assume(not {"\r", "\n"} & set(location))
    try:
        uri = iri_to_uri(location)
    except ValueError:
        return
    assume(uri.isprintable())
    assert dict(sent_by(Response(headers={"Location": location})).headers)["Location"] == uri


# What is meant to differ


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("new", [["longer ", "body"], [b""], ("a", b"b"), []])
def test_the_length_is_that_of_the_body_that_is_sent(new: Any, method: str) -> None:
    response = Response("body")
    response.response = new

    assert dict(sent_by(response, method).headers)["Content-Length"] == str(sum(map(len, new)))


@pytest.mark.parametrize("whole", ["body", b"body", bytearray(b"body")])
def test_a_body_that_was_appended_to_is_sent_with_its_length(whole: Any) -> None:
    response = Response(whole)
    response.response.append(b"!")  # type: ignore[union-attr]

    assert (dict(sent_by(response).headers)["Content-Length"], sent_by(response).body) == ("5", b"body!")


def test_a_body_replaced_by_a_stream_has_no_length() -> None:
    response = Response("body")
    response.response = iter([b"longer"])

    assert "Content-Length" not in dict(sent_by(response).headers)


def test_no_length_is_sent_where_none_is_wanted() -> None:
    response = Response("body")
    response.automatically_set_content_length = False

    assert [name for name, _ in sent_by(response).headers] == ["Content-Type"]
