"""Building URLs: with the prefix, within the site, and with a host only where no client chose it."""

from __future__ import annotations

import gc
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.routing import BaseConverter, BuildError, Rule, Submount

from flask_embed import Flask, redirect, request, url_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/", "index", view_func=lambda: "index")
    app.add_url_rule("/user/<name>", "user", view_func=lambda name: name)
    app.add_url_rule("/file/<path:name>", "file", view_func=lambda name: name)
    app.add_url_rule("/both", "both", methods=["GET"], view_func=lambda: "")
    app.add_url_rule("/both/post", "both", methods=["POST"])
    return app


def test_a_url_has_the_prefix_the_query_and_the_anchor(app: Flask) -> None:
    with app.test_request_context("/", base_url="http://localhost/pre fix/ü/"):
        assert url_for("index") == "/pre%20fix/%C3%BC/"
        assert url_for("user", name="a b", tab="x y", none=None) == "/pre%20fix/%C3%BC/user/a%20b?tab=x+y"
        assert url_for("index", _anchor="sec ü") == "/pre%20fix/%C3%BC/#sec%20%C3%BC"
        assert url_for("both", _method="POST") == "/pre%20fix/%C3%BC/both/post"


def test_outside_a_request_the_app_builds_urls_and_the_function_names_it(app: Flask) -> None:
    assert app.url_for("user", name="ada") == "/user/ada"
    with pytest.raises(RuntimeError, match=r"use app\.url_for\('index'\)"):
        url_for("index")
    app.server_name = "www.example.com"
    assert app.url_for("index", _external=True) == "http://www.example.com/"
    assert app.url_for("index", _scheme="https") == "https://www.example.com/"


def test_an_external_url_needs_a_host_that_no_client_chose(app: Flask) -> None:
    with app.test_request_context("/", base_url="http://evil.example/"):
        assert url_for("index") == "/"
        with pytest.raises(RuntimeError, match="server_name"):
            url_for("index", _external=True)
    app.trusted_hosts = [".example"]
    with app.test_request_context("/", base_url="https://good.example:8443/app/"):
        assert url_for("index", _external=True) == "https://good.example:8443/app/"
        assert url_for("index", _scheme="http") == "http://good.example:8443/app/"
    app.server_name = "www.example.com"
    with app.test_request_context("/", base_url="http://other.example/app/"):
        assert url_for("index", _external=True) == "http://www.example.com/app/"


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:80", "[::1]:5000", "app.localhost"])
def test_loopback_names_count_as_trusted(app: Flask, host: str) -> None:
    with app.test_request_context("/", base_url=f"http://{host}/"):
        assert url_for("index", _external=True) == f"http://{host.removesuffix(':80')}/"


def test_an_unknown_endpoint_or_a_missing_value_is_a_build_error(app: Flask) -> None:
    with app.test_request_context():
        with pytest.raises(BuildError, match="Did you mean 'index'"):
            url_for("indx")
        with pytest.raises(BuildError, match="name"):
            url_for("user")


@pytest.mark.parametrize(
    ("endpoint", "value"),
    [
        *[("user", value) for value in ("//evil.com", "/", "a/b", ".", "..", "")],
        *[("file", value) for value in ("/evil.com", "//x", "..", "a/../b", "./a", "")],
    ],
)
def test_a_value_that_would_lead_elsewhere_is_refused(app: Flask, endpoint: str, value: str) -> None:
    with app.test_request_context(), pytest.raises(BuildError) as caught:
        url_for(endpoint, name=value)
    assert repr(value) in "".join(caught.value.__notes__)


def test_subdomains_are_matched_below_the_server_name() -> None:
    app = Flask(__name__)
    app.server_name = "example.com:8000"
    app.add_url_rule("/", "site", view_func=lambda: "site")
    app.add_url_rule("/", "home", subdomain="<user>", view_func=lambda user: f"home of {user}")
    client = app.test_client()
    assert client.get("/", base_url="http://example.com:8000/").text == "site"
    assert client.get("/", base_url="http://ada.example.com:8000/").text == "home of ada"
    assert client.get("/", base_url="http://127.0.0.1/").text == "site"
    assert client.get("/", base_url="http://evilexample.com/").text == "site"
    with app.test_request_context():
        assert url_for("home", user="ada") == "http://ada.example.com:8000/"
    with app.test_request_context(base_url="http://ada.example.com:8000/"):
        assert url_for("home", user="ada") == "/"
        assert url_for("home", user="eve") == "http://eve.example.com:8000/"
        assert url_for("site") == "http://example.com:8000/"
    app.server_name = None
    with app.test_request_context(), pytest.raises(RuntimeError, match="a subdomain needs it"):
        url_for("home", user="ada")


def test_rules_can_be_added_while_serving_and_by_the_map() -> None:
    app = Flask(__name__)
    client = app.test_client()
    assert client.get("/late").status_code == 404
    app.add_url_rule("/late", "late", view_func=lambda: "late")
    assert client.get("/late").text == "late"

    class Reversed(BaseConverter):
        def to_python(self, value: str) -> str:
            return value[::-1]

    app.url_map.converters["reversed"] = Reversed
    app.url_map.add(Submount("/sub", [Rule("/<reversed:word>", endpoint="word")]))
    app.view_functions["word"] = lambda word: word
    assert client.get("/sub/abc").text == "cba"
    assert client.delete("/sub/abc").text == "cba"


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"websocket": True}, "WebSocket"), ({"merge_slashes": True}, "merged"), ({"host": "x"}, "DispatcherMiddleware")],
)
def test_what_cannot_be_matched_is_refused_when_it_is_added(app: Flask, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=rf"'/refused' cannot be added: .*{reason}"):
        app.add_url_rule("/refused", "refused", **options)
    assert app.test_client().get("/refused").status_code == 404


def test_a_rule_that_a_browser_would_read_as_a_host_is_refused(app: Flask) -> None:
    with pytest.raises(ValueError, match="a host"):
        app.add_url_rule("//evil.example/", "refused")


def test_defaults_redirect_to_the_shorter_url() -> None:
    app = Flask(__name__)
    app.add_url_rule("/all/", "all", defaults={"page": 1}, view_func=lambda page: str(page))
    app.add_url_rule("/all/page/<int:page>", "all")
    client = app.test_client()
    assert client.get("/all/").text == "1"
    assert client.get("/all/page/2").text == "2"
    answer = client.get("/all/page/1?q=1", base_url="http://localhost/app")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/app/all/?q=1")


def test_a_rule_may_redirect() -> None:
    app = Flask(__name__)
    app.add_url_rule("/old/<name>", "old", redirect_to="new/<name>")
    app.add_url_rule("/gone/<name>", "gone", redirect_to=lambda adapter, name: f"https://example.com/{name}")
    client = app.test_client()
    assert client.get("/old/x", base_url="http://localhost/app").headers["Location"] == "/app/new/x"
    assert client.get("/gone/x").headers["Location"] == "https://example.com/x"


@pytest.mark.parametrize("code", [301, 302, 303, 305, 307, 308])
def test_redirect_leads_there(app: Flask, code: int) -> None:
    app.add_url_rule("/go", "go", view_func=lambda: redirect("/there?x=ü", code))
    answer = app.test_client().get("/go")
    assert (answer.status_code, answer.headers["Location"]) == (code, "/there?x=%C3%BC")


def test_redirect_refuses_other_codes_and_scripts() -> None:
    for code in (200, 300, 304, 404):
        with pytest.raises(ValueError, match="does not redirect"):
            redirect("/x", code)
    for location in ("javascript:alert(1)", "JaVa\tScript:x", " data:text/html,x", "\x01vbscript:x"):
        with pytest.raises(ValueError, match="would run as a script"):
            redirect(location)
    for location in ("/x\r\nSet-Cookie: a=b", "/x\n"):
        with pytest.raises(ValueError, match="line break"):
            redirect(location)


def test_redirect_takes_a_response_class(app: Flask) -> None:
    from werkzeug.wrappers import Response

    assert type(redirect("/x", Response=Response)) is Response


def test_the_urls_of_a_request_are_those_of_its_prefix(app: Flask) -> None:
    with app.test_request_context("/page.html?x=y", base_url="http://www.example.com/myapplication"):
        assert request.path == "/page.html"
        assert request.script_root == "/myapplication"
        assert request.url == "http://www.example.com/myapplication/page.html?x=y"
        assert request.base_url == "http://www.example.com/myapplication/page.html"
        assert request.url_root == request.root_url == "http://www.example.com/myapplication/"


def test_a_default_that_a_converter_refuses_is_told_when_the_rule_is_added() -> None:
    app = Flask(__name__)

    with pytest.raises(ValueError, match="invalid literal"):
        app.add_url_rule("/page/<int:number>", "page", defaults={"number": "first"})


@pytest.fixture
def collecting() -> Iterator[None]:
    """The collector runs all the time, and has another thread run each time."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()

    def let_others_run(*_: object) -> None:
        time.sleep(0)

    gc.callbacks.append(let_others_run)
    gc.set_threshold(20)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)
    gc.callbacks.remove(let_others_run)


@pytest.mark.usefixtures("collecting")
def test_a_rule_is_compiled_for_building_once_for_all_threads() -> None:
    app = Flask(__name__)
    for number in range(50):
        app.add_url_rule(f"/{number}/<int:n>", f"e{number}")
    adapter = app.url_map.bind("localhost")
    everybody = threading.Barrier(8, timeout=30)

    def build(_: int) -> list[str]:
        everybody.wait()
        return [adapter.build(f"e{number}", {"n": 7, "more": "x"}) for number in range(50)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(build, range(8))) == [[f"/{number}/7?more=x" for number in range(50)]] * 8


def test_a_converter_of_ones_own_takes_what_its_expression_says_though_it_is_that_of_another() -> None:
    class Slug(BaseConverter):
        regex = "[^/]{1,}"  # it holds a slash, so werkzeug gives it the rest of the path to match

    app = Flask(__name__)
    app.url_map.converters["slug"] = Slug
    app.add_url_rule("/blog/<slug:name>", "blog", view_func=lambda name: name)
    client = app.test_client()

    assert client.get("/blog/a").text == "a"
    assert client.get("/blog/a/b").status_code == 404
