"""Hosts, the URLs that an app builds, and where its redirects lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from werkzeug.routing import BuildError, Rule

from flask_embed import Flask, redirect, request, url_for
from tests.security.calls import call, wsgi
from tests.security.checks import absent, check, equal, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.calls import Answer


class Visits(list[str]):
    """The functions of the app that were called."""


@pytest.fixture
def visits() -> Visits:
    return Visits()


@pytest.fixture
def app(visits: Visits) -> Flask:
    app = Flask(__name__)

    @app.before_request
    def before() -> None:
        visits.append("before_request")

    @app.route("/")
    def index() -> str:
        visits.append("index")
        return request.host

    @app.route("/foo/", methods=["GET", "POST"])
    def foo() -> str:
        visits.append("foo")
        return url_for("foo")

    @app.route("/<name>/deep/")
    def deep(name: str) -> str:
        visits.append("deep")
        return name

    return app


def refused(answer: Answer, visits: Visits) -> None:
    equal(answer.status, 400, "the status")
    equal(answer.values("Location"), [], "Location")
    equal(visits, [], "the functions of the app that were called")


# The hosts of requests


@pytest.mark.parametrize("path", ["/", "/foo", "/missing"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evil.com:80",
        "EVIL.com",
        "evil.com.",
        "good.example.evil.com",
        "evilgood.example",
        "sub.good.example",
        "good.example.com",
        "good.example..",
        ".good.example",
        "good.example@evil.com",
        "evil.com:good.example",
        "evil.com#good.example",
        "evil.com good.example",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "evillocalhost",
        "127.1",
        "0.0.0.0",
        "[::2]",
        "[::1].evil.com",
        "",
    ],
)
def test_promise_001_untrusted_host_is_refused(app: Flask, visits: Visits, host: str, path: str) -> None:
    app.trusted_hosts = ["good.example"]

    answer = call(app, path, HTTP_HOST=host)

    refused(answer, visits)
    if host:
        absent(host, answer.text)
    absent("evil", answer.text.lower())


@pytest.mark.parametrize("host", ["evilgood.example", "good.example.evil.com", "example", "evil.com"])
def test_promise_001_a_domain_among_the_trusted_hosts_ends_at_a_dot(app: Flask, visits: Visits, host: str) -> None:
    app.trusted_hosts = [".good.example"]

    refused(call(app, HTTP_HOST=host), visits)
    equal(call(app, HTTP_HOST="a.good.example").status, 200)


def test_promise_001_no_trusted_host_means_none(app: Flask, visits: Visits) -> None:
    app.trusted_hosts = []

    refused(call(app, HTTP_HOST="evil.com"), visits)


@pytest.mark.parametrize("path", ["/", "/foo", "/missing"])
@pytest.mark.parametrize(
    "host",
    [
        "good@evil.com",
        "good:pass@evil.com",
        "evil.com/x?",
        "evil.com/",
        "a b<c>",
        "evil.com\r\nX: 1",
        "evil.com\n",
        "evil.com\0",
        "evil.com\t",
        " evil.com",
        "evil.com#",
        "evil.com?x",
        "evil.com\\x",
        "evil.com%2f",
        "evil.com%0d%0a",
        '"evil.com"',
        "http://evil.com",
        "evil.com:80:80",
        "evil.com:-1",
        "evil.com:x",
        "evil.com:999999",
        "evil.com:65536",
        "[::1]:99999",
        ":80",
        "[::1",
        "::1",
        "[evil.com]",
        "[::1]x",
        "[::1%25eth0]",
        "[21]:",
        "[::::]",
        "[1.2.3.4]",
        wsgi("évil.com"),
        "\xff",
        "e" * 300,
    ],
)
def test_promise_002_what_is_no_host_is_refused(app: Flask, visits: Visits, host: str, path: str) -> None:
    answer = call(app, path, HTTP_HOST=host)

    refused(answer, visits)
    absent("evil.com", answer.text)


def test_promise_002_a_host_that_is_none_is_refused_whatever_else_is_sent(app: Flask, visits: Visits) -> None:
    app.secret_key = "secret"

    answer = call(app, "/foo", HTTP_HOST="a@b", HTTP_COOKIE="session=x", QUERY_STRING="a=%ff")

    refused(answer, visits)


def test_promise_002_the_handler_of_the_refusal_builds_no_url_from_it(app: Flask) -> None:
    @app.errorhandler(400)
    def bad_request(error: Exception) -> tuple[str, int]:
        return url_for("foo"), 400

    answer = call(app, "/", HTTP_HOST="evil.com/x?")

    equal((answer.status, answer.text), (400, "/foo/"))


@pytest.mark.parametrize(
    "host",
    ["good.example", "shop_web:8000", "GOOD.example", "xn--bcher-kva.example", "192.0.2.1:80", "[2001:db8::1]:8000"],
)
def test_promise_002_hosts_that_networks_have_are_served(app: Flask, host: str) -> None:
    equal(call(app, HTTP_HOST=host).status, 200)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("xn--bcher-kva.example:80", "bücher.example"),
        ("xn--strae-oqa.example", "xn--strae-oqa.example"),
        ("xn--o28h.example:8000", None),  # a picture, which newer tables of letters know
        ("xn--.example", "xn--.example"),
        ("a.xn--a:81", "a.xn--a:81"),
        ("xn--zzzzzz99", "xn--zzzzzz99"),
        ("..", ".."),
        ("a:65535", "a:65535"),
        ("[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1"),
    ],
)
def test_promise_002_a_host_that_is_odd_to_read_is_no_fault_of_the_app(
    app: Flask, host: str, shown: str | None
) -> None:
    app.add_url_rule(
        "/urls", "urls", lambda: "\n".join([request.url, request.base_url, request.url_root, request.host_url])
    )

    answer = call(app, "/urls", HTTP_HOST=host, QUERY_STRING="a=b")

    equal(answer.status, 200)
    if shown is not None:
        start = f"http://{shown}/"
        equal(answer.text.split("\n"), [f"{start}urls?a=b", f"{start}urls", start, start])


@pytest.mark.parametrize(
    ("trusted", "host"),
    [
        ("good.example", "GOOD.example"),
        ("Good.Example", "good.example"),
        ("good.example", "gooD.exAMPLE:8000"),
        ("good.example", "good.example."),
        (".Good.example", "SHOP.good.EXAMPLE"),
    ],
)
def test_promise_003_hosts_compare_without_case(app: Flask, trusted: str, host: str) -> None:
    app.trusted_hosts = [trusted]

    equal(call(app, HTTP_HOST=host).status, 200)


def test_promise_004_without_a_host_the_server_name_is_used(app: Flask) -> None:
    answer = call(app, HTTP_HOST=None, SERVER_PROTOCOL="HTTP/1.0")

    equal((answer.status, answer.text), (200, "server.example"))


@pytest.mark.parametrize(
    "name", ["[", "[::1", "fe80::1%lo", "/run/app.sock", "evil.com/x?", "good.example@evil.com", "a b"]
)
def test_promise_004_without_a_host_a_server_name_that_is_no_host_is_not_used(app: Flask, name: str) -> None:
    app.add_url_rule("/urls", "urls", lambda: f"{request.host}|{request.url_root}|{url_for('foo')}")

    answer = call(app, "/urls", HTTP_HOST=None, SERVER_PROTOCOL="HTTP/1.0", SERVER_NAME=name)

    equal((answer.status, answer.text), (200, "|http:///|/foo/"))
    app.trusted_hosts = ["good.example"]
    equal(call(app, "/urls", HTTP_HOST=None, SERVER_PROTOCOL="HTTP/1.0", SERVER_NAME=name).status, 400)


def test_promise_004_without_a_host_the_server_name_may_be_trusted(app: Flask) -> None:
    app.trusted_hosts = ["server.example"]

    equal(call(app, HTTP_HOST=None, SERVER_PROTOCOL="HTTP/1.0").status, 200)


def test_promise_004_without_a_host_a_server_name_that_is_not_trusted_is_refused(app: Flask, visits: Visits) -> None:
    app.trusted_hosts = ["good.example"]

    refused(call(app, HTTP_HOST=None, SERVER_PROTOCOL="HTTP/1.0"), visits)


@pytest.mark.parametrize("host", ["evil.com", "good.example@evil.com", "evil.com/x"])
def test_promise_001_the_page_for_the_refusal_names_no_host_that_was_refused(
    app: Flask, visits: Visits, host: str
) -> None:
    app.trusted_hosts = ["good.example"]

    @app.errorhandler(400)
    def bad_request() -> tuple[str, int]:
        return f"{request.host} {url_for('foo')} {request.url}", 400

    answer = call(app, HTTP_HOST=host)

    refused(answer, visits)
    absent("evil", answer.text)


@pytest.mark.parametrize("host", ["a,evil", "a, evil", "good.example,good.example", ",", "good.example,"])
def test_promise_005_two_hosts_joined_by_a_comma_are_refused(app: Flask, visits: Visits, host: str) -> None:
    refused(call(app, HTTP_HOST=host), visits)
    app.trusted_hosts = ["good.example"]
    refused(call(app, HTTP_HOST=host), visits)


@pytest.mark.parametrize(
    "path", ["http://evil.com/foo", "http://evil.com/foo/", "//evil.com/foo", "evil.com", "*", "foo", "\\foo"]
)
@pytest.mark.parametrize("rule", ["/<path:rest>", "/<path:rest>/", "/<a>/<b>/", "/<a>"])
def test_promise_006_a_path_that_holds_a_host_reaches_no_view(rule: str, path: str) -> None:
    app = Flask(__name__)
    app.add_url_rule(rule, "all", lambda **values: "view")

    answer = call(app, path)

    one_of(answer.status, (400, 404))
    equal(answer.values("Location"), [])


# Redirects


REDIRECTS: list[tuple[Rule, str]] = [
    (Rule("/foo/", endpoint="view"), "/foo"),
    (Rule("/<name>/foo/", endpoint="view"), "/evil.com/foo"),
    (Rule("/<path:name>/", endpoint="view"), "/a/evil.com"),
    (Rule("/old", endpoint="view", redirect_to="/new"), "/old"),
    (Rule("/old", endpoint="view", redirect_to="new"), "/old"),
    (Rule("/old/<name>", endpoint="view", redirect_to="/new/<name>"), "/old/x"),
    (Rule("/old/<int:n>", endpoint="view", redirect_to="new/<n>"), "/old/1"),
    (Rule("/old/<name>", endpoint="view", redirect_to=lambda adapter, name: f"/new/{name}"), "/old/x"),
]


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("script_name", ["", "/app", "/app/"])
@pytest.mark.parametrize(("rule", "path"), REDIRECTS, ids=[f"{rule.rule} {path}" for rule, path in REDIRECTS])
def test_promise_007_redirects_are_path_only(rule: Rule, path: str, script_name: str, method: str) -> None:
    app = Flask(__name__)
    app.url_map.add(Rule(rule.rule, endpoint="view", redirect_to=rule.redirect_to))
    app.view_functions["view"] = lambda **values: "view"

    answer = call(app, path, method, HTTP_HOST="evil.example", SCRIPT_NAME=script_name, QUERY_STRING="a=1&b=%2F")

    location = answer.value("Location") or ""
    equal(answer.status, 308)
    check(location.startswith("/") and not location.startswith("//"), f"Location is {location!r}")
    equal(urlsplit(location).netloc, "")
    check(location.startswith(script_name), f"the prefix {script_name!r} is missing in {location!r}")
    equal(urlsplit(location).query, "a=1&b=%2F")
    absent("evil.example", answer.head + answer.text)


def test_promise_007_redirects_to_the_url_of_defaults_and_of_aliases_are_path_only() -> None:
    app = Flask(__name__)
    app.add_url_rule("/all/", "page", lambda page: str(page), defaults={"page": 1})
    app.add_url_rule("/all/<int:page>", "page")
    app.add_url_rule("/every/<int:page>", "page", alias=True)

    for path, expected in [("/all/1", "/app/all/?q=1"), ("/every/7", "/app/all/7?q=1")]:
        answer = call(app, path, HTTP_HOST="evil.example", SCRIPT_NAME="/app", QUERY_STRING="q=1")
        equal((answer.status, answer.value("Location")), (308, expected))


@pytest.mark.parametrize(
    "path", ["/old/http://evil.com/x", "/old/https:evil.com", "/old/javascript:alert(1)", "/old/x//evil.com"]
)
@pytest.mark.parametrize("target", ["<rest>", "/<rest>", "new/<rest>"])
def test_promise_007_a_variable_names_no_host_for_a_redirecting_rule(target: str, path: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/old/<path:rest>", "old", redirect_to=target)

    answer = call(app, path)

    location = answer.value("Location") or ""
    equal((urlsplit(location).scheme, urlsplit(location).netloc), ("", ""), f"the host of {location!r}")
    check(location.startswith("/"), f"Location is {location!r}")


@pytest.mark.parametrize(
    "query", ["a=\r\nX: 1", "\n", "a=\xff", "a=\0", "#x", '"><script>', "a b", "\\", "a=%0d%0a", "%zz"]
)
def test_promise_007_the_query_string_breaks_no_redirect(app: Flask, query: str) -> None:
    answer = call(app, "/foo", QUERY_STRING=query)

    one_of(answer.status, (308, 400))
    location = answer.value("Location") or "/foo/"
    check(location.isascii() and location.isprintable(), f"Location is {location!r}")
    equal(urlsplit(location).path, "/foo/")
    equal(urlsplit(location).fragment, "")
    for mark in '"<>\\ ':
        absent(mark, location)
    absent("<script>", answer.text)


@pytest.mark.parametrize(
    "path",
    ["/\\evil.com", "/%5Cevil.com", "/\\\\evil.com", "/\t/evil.com", "/\\/evil.com", "//evil.com", "///evil.com"],
)
def test_promise_008_a_path_that_browsers_read_as_a_host_is_not_found(path: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/foo/", "foo", lambda: "foo")

    answer = call(app, path)

    equal(answer.status, 404)
    equal(answer.values("Location"), [])


@pytest.mark.parametrize("script_name", ["", "/", "/app"])
@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("/\\evil.com", "/%5Cevil.com/"),
        ("/%5Cevil.com", "/%255Cevil.com/"),
        ("/\\\\evil.com", "/%5C%5Cevil.com/"),
        ("/\tevil.com", "/%09evil.com/"),
        ("/ evil.com", "/%20evil.com/"),
        ("/evil.com@", "/evil.com@/"),
        ("/;@evil.com", None),
        ("/?@evil.com", "/%3F@evil.com/"),
        ("/#evil.com", "/%23evil.com/"),
    ],
)
@pytest.mark.parametrize("rule", ["/<name>/", "/<path:name>/", "/<string(minlength=2):name>/"])
def test_promise_008_a_redirect_to_such_a_path_encodes_it(
    rule: str, path: str, start: str | None, script_name: str
) -> None:
    app = Flask(__name__)
    app.add_url_rule(rule, "all", lambda name: "view")

    answer = call(app, path, SCRIPT_NAME=script_name)

    equal(answer.status, 308)
    location = answer.value("Location") or ""
    if start is not None:
        equal(location, script_name.rstrip("/") + start)
    check(location[:1] == "/" and location[1:2] not in ("/", "\\"), f"Location is {location!r}")


@pytest.mark.parametrize("path", ["//evil.com", "///evil.com", "//", "//evil.com/..", "/a//evil.com"])
@pytest.mark.parametrize("script_name", ["", "/", "/app"])
@pytest.mark.parametrize("regex", [".*?", "/.*?", "/*[^/].*?"])
def test_promise_008_a_converter_that_takes_leading_slashes_is_no_way_out(
    regex: str, script_name: str, path: str
) -> None:
    from werkzeug.routing import BaseConverter

    class Everything(BaseConverter):
        part_isolating = False

    Everything.regex = regex
    app = Flask(__name__)
    app.url_map.converters = {**app.url_map.converters, "everything": Everything}
    app.add_url_rule("/<everything:rest>/", "all", lambda rest: "view")
    app.add_url_rule("/at/<everything:rest>", "at", redirect_to="/<rest>")

    for answer in (call(app, path, SCRIPT_NAME=script_name), call(app, f"/at/{path}", SCRIPT_NAME=script_name)):
        location = answer.value("Location")
        if location is not None:
            check(location[:1] == "/" and location[1:2] not in ("/", "\\"), f"Location is {location!r}")


ELSEWHERE = ["//evil.com", "/\\evil.com", "/\t/evil.com", " //evil.com", "https:evil.com", "http:///evil.com"]


@pytest.mark.parametrize("where", [*ELSEWHERE, "javascript:evil", "\x0b//evil.com"])
@pytest.mark.parametrize(("rule", "path"), REDIRECTS, ids=[f"{rule.rule} {path}" for rule, path in REDIRECTS])
def test_promise_010_no_word_of_a_client_says_where_to_go_next(rule: Rule, path: str, where: str) -> None:
    app = Flask(__name__)
    app.url_map.add(Rule(rule.rule, endpoint="view", redirect_to=rule.redirect_to))
    app.view_functions["view"] = lambda **values: "view"
    claims = dict.fromkeys(("HTTP_REFERER", "HTTP_ORIGIN", "HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL"), where)

    answer = call(app, path, QUERY_STRING=f"next={quote(where)}", **claims)

    location = urlsplit(answer.value("Location") or "")
    equal((answer.status, location.netloc, location.query), (308, "", f"next={quote(where)}"))
    check(location.path.startswith("/") and location.path[1:2] not in ("/", "\\"), f"Location is {location!r}")
    # Only where the path itself was asked for with that name it is there again.
    check("evil" not in location.path or "evil" in path, f"Location is {location!r}")


@pytest.mark.parametrize(
    "location",
    ["/x\r\nSet-Cookie: a=b", "/x\nSet-Cookie: a=b", "/x\rSet-Cookie: a=b", "\r\n", "http://good.example/\r\n\r\n<b>"],
)
def test_promise_009_a_redirect_with_a_line_break_is_an_error(location: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        redirect(location)

    answer = call(redirecting(location))

    equal(answer.status, 500)
    absent("set-cookie", answer.head.lower())


@pytest.mark.parametrize(
    "location",
    ["/x\0", "/x\x85Set-Cookie: a=b", "/x\u2028Set-Cookie: a=b", "/x\x0bSet-Cookie: a=b", "/ü\u010a", "/\ud800"],
)
def test_promise_009_what_else_ends_a_line_somewhere_is_encoded_or_an_error(location: str) -> None:
    answer = call(redirecting(location))

    one_of(answer.status, (302, 500))
    check((answer.value("Location") or "").isascii(), f"the head is {answer.head!r}")
    check((answer.value("Location") or "").isprintable(), f"the head is {answer.head!r}")


def redirecting(location: str, **options: Any) -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/", "index", lambda: redirect(location, **options))
    return app


@pytest.mark.parametrize("code", [302, 307])
@pytest.mark.parametrize(
    "location",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "\x1f\x00 javascript:alert(1)",
        "java\tscript:alert(1)",
        "j\ta\tv\tascript\t:alert(1)",
        "javascript\t:alert(1)",
        "\x7fjavascript:alert(1)",
        "\xa0javascript:alert(1)",
        "javascript://good.example/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "DATA:text/html;base64,PHN2Zz4=",
        "\x08data:,x",
        "vbscript:msgbox(1)",
        "\x02vbs\tcript:x",
    ],
)
def test_promise_011_a_redirect_that_would_run_is_an_error(location: str, code: int) -> None:
    with pytest.raises(ValueError, match="script"):
        redirect(location, code)

    answer = call(redirecting(location, code=code))

    equal(answer.status, 500)
    equal(answer.values("Location"), [])
    absent("alert", answer.text)


@pytest.mark.parametrize(
    "location", ["mailto:a@good.example", "https://other.example/", "app+x://open", "/javascript:x", "?data:x"]
)
def test_promise_011_other_schemes_are_allowed(location: str) -> None:
    equal(call(redirecting(location)).value("Location"), location)


@pytest.mark.parametrize(
    "location", ['/"><script>', "/'><script>", "/<script>alert(1)</script>", '/?a="onmouseover=x&b']
)
def test_promise_012_the_body_of_a_redirect_is_escaped(location: str) -> None:
    answer = call(redirecting(location))

    equal(answer.status, 302)
    absent("<script", answer.text.lower())
    absent('="onmouse', answer.text)
    if "<" in location:
        present("&lt;script", answer.text)


# URLs


@pytest.fixture
def links() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/", "index", lambda: url_for("index"))
    app.add_url_rule("/reset", "reset", lambda: url_for("index", _external=True))
    app.add_url_rule("/secure", "secure", lambda: url_for("index", _scheme="https"))
    return app


@pytest.mark.parametrize("path", ["/", "/reset", "/secure"])
def test_promise_013_no_url_is_built_from_an_untrusted_host(links: Flask, path: str) -> None:
    links.trusted_hosts = ["good.example"]

    answer = call(links, path, HTTP_HOST="evil.com")

    equal(answer.status, 400)
    absent("evil", answer.text)


def test_promise_013_urls_are_path_only_by_default(links: Flask) -> None:
    equal(call(links, "/", HTTP_HOST="evil.com").text, "/")


@pytest.mark.parametrize("path", ["/reset", "/secure"])
@pytest.mark.parametrize("host", ["evil.com", "evil.com:80", "localhost.evil.com", "127.0.0.1.evil.com", "0.0.0.0"])
def test_promise_013_an_external_url_needs_a_host_that_is_known(links: Flask, host: str, path: str) -> None:
    answer = call(links, path, HTTP_HOST=host)

    equal(answer.status, 500)
    absent("evil", answer.text)


@pytest.mark.parametrize("host", ["localhost:5000", "shop.localhost", "127.0.0.1", "[::1]:5000"])
def test_promise_013_a_name_of_this_machine_is_known(links: Flask, host: str) -> None:
    equal(call(links, "/reset", HTTP_HOST=host).text, f"http://{host}/")


LOOPBACK = [
    "localhost",
    "localhost:5000",
    "shop.localhost",
    "evil.localhost:4444",
    "127.0.0.1",
    "127.0.0.1:9",
    "[::1]:5000",
]


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "", "192.0.2.7"])
@pytest.mark.parametrize("host", [*LOOPBACK, "", None])
def test_promise_015_where_hosts_are_listed_a_name_of_this_machine_is_none_of_them(
    app: Flask, visits: Visits, host: str | None, peer: str
) -> None:
    """A front on the same machine makes every peer a local one; without a Host the server's own address counts."""
    app.trusted_hosts = ["good.example"]
    changes = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "REMOTE_ADDR": peer}

    refused(call(app, HTTP_HOST=host, **changes), visits)


@pytest.mark.parametrize("host", LOOPBACK)
def test_promise_015_it_counts_if_it_is_listed(app: Flask, host: str) -> None:
    app.trusted_hosts = ["good.example", ".localhost", "127.0.0.1", "[::1]"]

    equal(call(app, HTTP_HOST=host).text, host)


@pytest.mark.parametrize("host", LOOPBACK)
def test_promise_015_it_counts_in_the_test_client_and_under_run(
    app: Flask, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.trusted_hosts = ["good.example"]
    served: list[Any] = []
    monkeypatch.setattr(
        "werkzeug.serving.run_simple", lambda host, port, application, **options: served.append(application)
    )
    app.run()

    equal(call(served[0], HTTP_HOST=host).text, host)
    equal(call(served[0], HTTP_HOST="evil.com").status, 400)
    equal(app.test_client().get("/", headers={"Host": host}).text, host)
    equal(app.test_client().get("/", headers={"Host": "evil.com"}).status_code, 400)


def test_promise_015_no_header_says_that_it_is_the_test_client(app: Flask, visits: Visits) -> None:
    app.trusted_hosts = ["good.example"]
    for name in ("HTTP_FLASK_EMBED.DEVELOPMENT", "HTTP_FLASK_EMBED_DEVELOPMENT", "FLASK_EMBED_DEVELOPMENT"):
        refused(call(app, HTTP_HOST="localhost", **{name: "1"}), visits)


@pytest.mark.parametrize(
    ("listed", "scheme", "host", "status"),
    [
        ("good.example", "http", "good.example:8443", 200),
        ("good.example:8443", "http", "good.example:8443", 200),
        ("good.example:8443", "http", "GOOD.example.:8443", 200),
        ("good.example:8443", "http", "good.example", 400),
        ("good.example:8443", "http", "good.example:844", 400),
        ("good.example:8443", "http", "a.good.example:8443", 400),
        ("good.example:443", "https", "good.example", 200),
        ("good.example:443", "https", "good.example:443", 200),
        ("good.example:443", "http", "good.example", 400),
        ("good.example:80", "http", "good.example", 200),
        (".good.example:8443", "http", "a.good.example:8443", 200),
        (".good.example:8443", "http", "good.example:8443", 200),
        (".good.example:8443", "http", "a.good.example:80", 400),
        (".good.example", "http", "evilgood.example", 400),
        ("[2001:db8::1]:8443", "http", "[2001:db8::1]:8443", 200),
        ("[2001:db8::1]:8443", "http", "[2001:db8::1]", 400),
        ("[2001:db8::1]", "http", "[2001:db8::2]", 400),
        ("bücher.example:8443", "http", "xn--bcher-kva.example:8443", 200),
    ],
)
def test_promise_015_an_entry_with_a_port_is_for_that_port_alone(
    app: Flask, listed: str, scheme: str, host: str, status: int
) -> None:
    app.trusted_hosts = [listed]

    equal(call(app, HTTP_HOST=host, **{"wsgi.url_scheme": scheme}).status, status)


def test_promise_015_a_secret_link_names_a_listed_host_or_none(links: Flask) -> None:
    links.trusted_hosts = ["good.example"]

    for host in LOOPBACK:
        equal(call(links, "/reset", HTTP_HOST=host).status, 400)


def test_promise_015_a_text_in_place_of_a_list_is_an_error_and_lets_nobody_in(app: Flask) -> None:
    app.trusted_hosts = "good.example"

    equal(call(app, HTTP_HOST="g").status, 500)
    equal(call(app, HTTP_HOST="good.example").status, 500)


def test_promise_013_server_name_is_the_host_of_external_urls(links: Flask) -> None:
    links.server_name = "good.example:8000"

    equal(call(links, "/reset", HTTP_HOST="evil.com").text, "http://good.example:8000/")
    equal(call(links, "/secure", HTTP_HOST="evil.com").text, "https://good.example:8000/")


def test_promise_013_a_trusted_host_is_the_host_of_external_urls(links: Flask) -> None:
    links.trusted_hosts = ["good.example"]

    equal(call(links, "/reset", HTTP_HOST="GOOD.example:8000").text, "http://good.example:8000/")


def url_or_refusal(app: Flask, endpoint: str, **values: Any) -> str | None:
    """The URL of url_for inside of a request; None if it raises."""
    with app.test_request_context("/"):
        try:
            return url_for(endpoint, **values)
        except (BuildError, ValueError):
            return None


RULES = ["/<name>", "/<name>/", "/s/<name>/", "/<string(length=2):name>", "/<name>.html", "/x<name>", "/<a>-<name>"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "value",
    [
        "//evil.com/../x",
        "/evil.com",
        "/",
        "//",
        "..",
        ".",
        "../x",
        "a/b",
        "a/",
        "./",
        "/..",
        "\\/x",
        "http://evil.com",
        "",
    ],
)
def test_promise_014_a_value_that_is_more_than_one_segment_builds_no_url(rule: str, value: str) -> None:
    app = Flask(__name__)
    app.add_url_rule(rule, "page")

    url = url_or_refusal(app, "page", name=value, a="a")

    equal(url, None, "the URL")


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("\\evil.com", "%5Cevil.com"),
        ("\\\\", "%5C%5C"),
        ("\tx", "%09x"),
        ("%2e%2e", "%252e%252e"),
        ("%2F", "%252F"),
        ("?a", "%3Fa"),
        ("#a", "%23a"),
        ("\r\nX: 1", "%0D%0AX:%201"),
        ("\0", "%00"),
        ('"><b>', "%22%3E%3Cb%3E"),
        ("...", "..."),
        ("javascript:x", "javascript:x"),
    ],
)
def test_promise_014_other_values_are_encoded(value: str, segment: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/<name>", "page")
    app.add_url_rule("/p/<path:name>", "path")

    equal(url_or_refusal(app, "page", name=value), f"/{segment}")
    equal(url_or_refusal(app, "path", name=value), f"/p/{segment}")


@pytest.mark.parametrize("rule", ["/<path:name>", "/<path:name>/", "/p/<path:name>", "/<path:name>/edit"])
@pytest.mark.parametrize(
    "value", ["/evil.com", "//evil.com", "", "..", ".", "a/../b", "../a", "a/..", "a/.", "./a", "/"]
)
def test_promise_014_a_path_value_that_leads_elsewhere_builds_no_url(rule: str, value: str) -> None:
    app = Flask(__name__)
    app.add_url_rule(rule, "page")

    equal(url_or_refusal(app, "page", name=value), None, "the URL")


@pytest.mark.parametrize(
    ("converter", "value"),
    [
        ("int", "../x"),
        ("int", "//evil.com"),
        ("float", "/x"),
        ("any(a, b)", "//evil.com"),
        ("uuid", "../x"),
        ("uuid", "//evil.com"),
    ],
)
def test_promise_014_other_converters_take_their_own_values_only(converter: str, value: str) -> None:
    app = Flask(__name__)
    app.add_url_rule(f"/<{converter}:name>", "page")

    equal(url_or_refusal(app, "page", name=value), None, "the URL")


@pytest.mark.parametrize(
    "value", ["evil.com/", "evil.com#", "evil.com?", "evil.com\\", "x@y", "evil.com:80@x", "..", ""]
)
def test_promise_014_a_subdomain_value_names_no_other_domain(value: str) -> None:
    app = Flask(__name__)
    app.server_name = "good.example"
    app.add_url_rule("/", "home", subdomain="<name>")

    url = url_or_refusal(app, "home", name=value)

    if url is not None:
        host = urlsplit(url.replace("\\", "/")).hostname or ""
        check(host.endswith(".good.example"), f"the host of {url!r} is {host!r}")
        equal(urlsplit(url).path, "/", "the path")


@pytest.mark.parametrize("value", ["\r\nX: 1", "#x", "&b=2", "//evil.com", "\0", "\u2028", '"'])
def test_promise_014_values_for_the_query_and_the_anchor_are_encoded(value: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index")

    url = url_or_refusal(app, "index", q=value, _anchor=value) or ""

    check(url.startswith("/?q=") and url.isascii() and url.isprintable(), f"the URL is {url!r}")
    equal((url.count("#"), url.count("&"), url.count('"')), (1, url.partition("#")[2].count("&"), 0))


def test_promise_014_a_view_that_builds_such_a_url_is_a_500(links: Flask) -> None:
    view: Callable[..., str] = lambda: url_for("page", name=request.args["next"])  # noqa: E731
    links.add_url_rule("/to", "to", view)
    links.add_url_rule("/page/<name>", "page")

    answer = call(links, "/to", QUERY_STRING="next=//evil.com")

    equal(answer.status, 500)
    absent("evil", answer.text)
