"""The request context and its proxies."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import pytest

from flask_embed import Flask, Request, Response, current_app, g, has_request_context, request, session
from flask_embed.ctx import current_context


def test_unbound_proxies_say_how_to_bind_them() -> None:
    proxies: dict[str, object] = {"request": request, "session": session, "g": g, "current_app": current_app}
    for name, proxy in proxies.items():
        with pytest.raises(RuntimeError, match=rf"no {name}.*test_request_context"):
            getattr(proxy, "anything")  # noqa: B009 the access is the test
    with pytest.raises(RuntimeError, match="test_request_context"):
        current_context()
    assert not has_request_context()


def test_a_context_is_bound_for_its_block() -> None:
    app = Flask(__name__)
    with app.test_request_context("/path?a=1", method="POST") as context:
        assert has_request_context()
        assert (request.path, request.method, request.args["a"]) == ("/path", "POST", "1")
        assert current_app._get_current_object() is app  # type: ignore[attr-defined]
        assert current_context() is context
    assert not has_request_context()


def test_contexts_of_two_apps_nest_and_are_restored() -> None:
    outer, inner = Flask("outer"), Flask("inner")
    with outer.test_request_context("/outer"):
        g.name = "outer"
        with inner.test_request_context("/inner"):
            assert (current_app.package_name, request.path, "name" in g) == ("inner", "/inner", False)
        assert (current_app.package_name, request.path, g.name) == ("outer", "/outer", "outer")


def test_an_app_may_call_another_inside_a_request() -> None:
    front, back = Flask("front"), Flask("back")
    back.route("/data")(lambda: f"{current_app.package_name} {request.path}")

    @front.route("/page")
    def page() -> str:
        data = back.test_client().get("/data").text
        return f"{data}, {current_app.package_name} {request.path}"

    assert front.test_client().get("/page").text == "back /data, front /page"


def test_contexts_are_left_in_the_reverse_order() -> None:
    app = Flask(__name__)
    first, second = app.test_request_context("/1"), app.test_request_context("/2")
    first.bind()
    second.bind()
    with pytest.raises(RuntimeError, match="not the current one"):
        first.unbind()
    with pytest.raises(RuntimeError, match="bound already"):
        first.bind()
    second.unbind()
    first.unbind()
    assert not has_request_context()


def test_a_thread_of_ones_own_has_no_request_even_if_it_inherits_the_variables() -> None:
    app = Flask(__name__)
    answers: list[str] = []

    def work() -> None:
        try:
            answers.append(request.path)
        except RuntimeError as error:
            answers.append(str(error))

    with app.test_request_context("/"):
        inherited = contextvars.copy_context()
        for target in (work, lambda: inherited.run(work)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        assert request.path == "/"
    assert len(answers) == 2
    for answer in answers:
        assert "pass the values it needs" in answer


def test_nor_has_a_greenlet_that_was_given_a_copy_of_the_variables() -> None:
    gevent = pytest.importorskip("gevent")
    app = Flask(__name__)

    def look() -> tuple[bool, str]:
        try:
            return has_request_context(), request.path
        except RuntimeError as error:
            return has_request_context(), str(error)

    with app.test_request_context("/own"):
        for function in (look, contextvars.copy_context().run):
            arguments = () if function is look else (look,)
            bound, answer = gevent.spawn(function, *arguments).get()
            assert not bound
            assert "pass the values it needs" in answer
        assert (has_request_context(), request.path) == (True, "/own")
    assert not has_request_context()


def test_a_greenlet_has_the_request_that_it_handles_itself() -> None:
    gevent = pytest.importorskip("gevent")
    app = Flask(__name__)

    @app.route("/<name>")
    def view(name: str) -> Any:
        gevent.sleep(0)
        return (part for part in (request.path, f" {g.setdefault('name', name)}"))

    paths = [f"/{number}" for number in range(20)]
    answers = [gevent.spawn(lambda path: app.test_client().get(path).text, path) for path in paths]
    gevent.joinall(answers, raise_error=True)
    assert [answer.value for answer in answers] == [f"{path} {path[1:]}" for path in paths]


def test_no_context_is_left_on_any_thread() -> None:
    app = Flask(__name__)

    @app.route("/<kind>")
    def view(kind: str) -> Any:
        g.kind = kind
        if kind == "error":
            raise ZeroDivisionError
        return (part for part in (g.kind, request.path)) if kind == "stream" else kind

    app.errorhandler(500)(lambda error: ("failed", 500))
    faults: list[str] = []

    def work() -> None:
        client = app.test_client()
        for number in range(30):
            kind = ("plain", "error", "stream", "missing/path")[number % 4]
            expected = {"error": "failed", "stream": "stream/stream", "plain": "plain"}.get(kind)
            text = client.get(f"/{kind}").text
            if expected is not None and text != expected:
                faults.append(text)
            if has_request_context():
                faults.append("a context was left")

    app.logger.disabled = True
    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_g_holds_what_is_stored_on_it() -> None:
    with Flask(__name__).test_request_context():
        g.user = "ada"
        assert g.user == "ada"
        assert (g.get("user"), g.get("nobody"), g.get("nobody", 1)) == ("ada", None, 1)
        assert ("user" in g, "nobody" in g, list(g)) == (True, False, ["user"])
        assert (g.setdefault("theme", "dark"), g.theme) == ("dark", "dark")
        assert (g.pop("theme"), g.pop("theme", None)) == ("dark", None)
        with pytest.raises(KeyError):
            g.pop("theme")
        with pytest.raises(AttributeError, match="g has no 'nobody'"):
            _ = g.nobody
        assert repr(g) == "<g ['user']>"


def test_what_a_request_does_not_touch_is_not_made() -> None:
    app = Flask(__name__)
    app.secret_key = "key"
    made: list[str] = []

    class Counted(Request):
        def __init__(self, *args: Any) -> None:
            made.append("request")
            super().__init__(*args)

    app.request_class = Counted
    app.route("/")(lambda: "")
    app.route("/request", endpoint="asks")(lambda: request.path)
    client = app.test_client()
    client.get("/")
    assert made == []
    client.get("/request")
    assert made == ["request"]


def test_the_request_knows_what_matched() -> None:
    app = Flask(__name__)
    app.route("/post/<int:number>", endpoint="post")(lambda number: "")
    with app.test_request_context("/post/5"):
        assert (request.endpoint, request.view_args) == ("post", {"number": 5})
        assert str(request.url_rule) == "/post/<int:number>"
        assert request.routing_exception is None
    with app.test_request_context("/nowhere"):
        assert (request.endpoint, request.view_args, request.url_rule) == (None, None, None)
        assert request.routing_exception is not None
        assert request.routing_exception.code == 404


def test_slashes_in_front_are_seen_by_the_view() -> None:
    app = Flask(__name__)
    with app.test_request_context("/", environ_overrides={"PATH_INFO": "//x/\xc3\xbc"}):
        assert request.path == "//x/ü"


def test_limits_of_the_app_reach_the_request() -> None:
    app = Flask(__name__)
    app.max_content_length, app.max_form_parts, app.max_form_memory_size = 100, 2, 1000
    app.route("/", methods=["POST"])(lambda: ",".join(request.form))
    client = app.test_client()
    assert client.post("/", data={"a": "1"}).text == "a"
    assert client.post("/", data={"a": "x" * 200}).status_code == 413
    form = {"content_type": "multipart/form-data; boundary=b"}
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    app.max_content_length = None
    assert client.post("/", data=part.format("a", "1") * 3 + "--b--", **form).status_code == 413
    assert client.post("/", data=part.format("a", "1" * 1001) + "--b--", **form).status_code == 413
    assert client.post("/", data=part.format("a", "1" * 500) + "--b--", **form).text == "a"


def test_the_client_keeps_the_last_context_readable_in_its_block() -> None:
    app = Flask(__name__)
    app.secret_key = "key"
    ended: list[str] = []
    app.teardown_request(lambda error: ended.append(request.path))

    @app.route("/<name>")
    def view(name: str) -> str:
        g.name = name
        session["name"] = name
        return name

    with app.test_client() as client:
        client.get("/one")
        assert (request.path, g.name, session["name"], ended) == ("/one", "one", "one", ["/one"])
        client.get("/two")
        assert (request.path, g.name, ended) == ("/two", "two", ["/one", "/two"])
        client.get("/none/here")
        assert request.path == "/none/here"
    assert not has_request_context()
    client.get("/three")
    assert not has_request_context()


def test_the_client_reads_and_changes_the_session() -> None:
    app = Flask(__name__)
    app.secret_key = "key"
    app.route("/")(lambda: str(session.get("count", 0)))
    client = app.test_client()
    with client.session_transaction() as stored:
        stored["count"] = 5
    assert client.get("/").text == "5"
    with client.session_transaction() as stored:
        stored.clear()
    assert client.get("/").text == "0"


def test_an_after_request_function_may_replace_the_response() -> None:
    app = Flask(__name__)
    app.route("/")(lambda: "old")
    app.after_request(lambda response: Response("new", 201))
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (201, "new")


def test_a_file_wrapper_that_is_a_function_is_no_trouble() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index", view_func=lambda: (part for part in ("a", "b")))

    response = app.test_client().get("/", environ_overrides={"wsgi.file_wrapper": lambda file, size=1: file})

    assert response.text == "ab"
