"""Session cookies and cookies: what a client cannot read into an app, and what a cache must not keep."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import pickle
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from itsdangerous import TimestampSigner
from itsdangerous.encoding import base64_encode

from flask_embed import (
    Flask,
    Response,
    flash,
    get_flashed_messages,
    make_response,
    render_template_string,
    request,
    session,
    sessions,
)
from flask_embed.middleware import DispatcherMiddleware, PathDispatcher, SubdomainDispatcher
from flask_embed.sessions import Signer
from tests.security.calls import call
from tests.security.checks import absent, check, equal, linear, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.calls import Answer

SECRET = "a long random value"
NAME = "shop"


def make_app(name: str = NAME, **settings: Any) -> Flask:
    """An app that answers ``/`` with its session as JSON and sets ``user`` at ``/login``."""
    app = Flask(name)
    app.secret_key = SECRET
    for setting, value in settings.items():
        setattr(app, setting, value)

    @app.route("/")
    def index() -> dict[str, Any]:
        return dict(session)

    @app.route("/login")
    def login() -> str:
        session.clear()
        session["user"] = "ada"
        return "in"

    @app.route("/plain")
    def plain() -> str:
        return "plain"

    return app


@pytest.fixture
def app() -> Flask:
    return make_app()


def cookie_of(answer: Answer) -> str:
    """``name=value`` of the one cookie that is set."""
    cookie = answer.value("Set-Cookie")
    check(cookie, "no cookie is set")
    return (cookie or "").partition(";")[0]


def value_of(answer: Answer) -> str:
    """The value of the one cookie that is set."""
    return cookie_of(answer).partition("=")[2]


def logged_in(app: Flask) -> str:
    """The value of a session cookie in which ``user`` is set."""
    return value_of(call(app, "/login"))


def session_seen(app: Flask, cookie: str) -> Any:
    """The session of a request with this session cookie."""
    answer = call(app, HTTP_COOKIE=f"session={cookie}")
    equal(answer.status, 200, "the status")
    return json.loads(answer.body)


def signed(payload: bytes, key: str = SECRET, salt: str = NAME) -> str:
    """A cookie with any *payload*, signed as the app signs its own: what who has the key can make."""
    signer = TimestampSigner(key, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
    return signer.sign(payload).decode("latin-1")


def test_cookies_made_here_are_signed_as_the_app_signs(app: Flask) -> None:
    equal(session_seen(app, signed(base64_encode('{"user":"eve"}'))), {"user": "eve"})


# What a cache may keep


USES: dict[str, Callable[[], object]] = {
    "get": lambda: session.get("user"),
    "in": lambda: "user" in session,
    "not in": lambda: "user" not in session,
    "len": lambda: len(session),
    "bool": lambda: bool(session),
    "iteration": lambda: list(session),
    "keys": lambda: session.keys(),
    "values": lambda: list(session.values()),
    "items": lambda: list(session.items()),
    "dict": lambda: dict(session),
    "comparison": lambda: session == {},
    "copy": lambda: session.copy(),
    "repr": lambda: repr(session),
    "new": lambda: session.new,
    "permanent": lambda: session.permanent,
    "modified": lambda: session.modified,
    "pop with a default": lambda: session.pop("none", None),
    "flashes": get_flashed_messages,
    "setdefault": lambda: session.setdefault("user", "ada"),
    "write": lambda: session.update(user="ada"),
}


@pytest.mark.parametrize("has_cookie", [True, False])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_promise_035_037_a_session_that_was_looked_at_varies_by_cookie(
    app: Flask, use: Callable[[], object], has_cookie: bool
) -> None:
    app.add_url_rule("/use", "use", lambda: str(bool(use())))
    cookie = f"session={logged_in(app)}" if has_cookie else None

    answer = call(app, "/use", HTTP_COOKIE=cookie)

    equal(answer.status, 200)
    one_of("Cookie", [name.strip() for value in answer.values("Vary") for name in value.split(",")], "Vary")


@pytest.mark.parametrize("where", ["before_request", "after_request", "template", "error handler"])
def test_promise_035_037_wherever_the_session_is_looked_at(app: Flask, where: str) -> None:
    if where == "before_request":
        app.before_request(lambda: session.get("nobody"))
    elif where == "after_request":
        app.after_request(lambda response: (response, "user" in session)[0])
    elif where == "error handler":
        app.errorhandler(404)(lambda error: (str(session.get("user")), 404))
    app.add_url_rule("/template", "template", lambda: render_template_string("{{ session.user }}"))

    answer = call(app, {"template": "/template", "error handler": "/missing"}.get(where, "/plain"))

    equal(answer.values("Vary"), ["Cookie"])


def test_promise_035_a_vary_of_the_view_s_own_is_kept(app: Flask) -> None:
    @app.route("/vary")
    def vary() -> Any:
        response = make_response(str(session.get("user")))
        response.headers["Vary"] = "Accept-Encoding"
        return response

    names = {name.strip() for name in ",".join(call(app, "/vary").values("Vary")).split(",")}

    equal(names, {"Accept-Encoding", "Cookie"})


@pytest.mark.parametrize("path", ["/plain", "/missing"])
def test_promise_036_a_permanent_session_that_is_refreshed_varies_by_cookie(
    app: Flask, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.route("/stay")
    def stay() -> str:
        session.permanent = True
        return "ok"

    cookie = cookie_of(call(app, "/stay"))
    tomorrow = int(time.time()) + 25 * 60 * 60
    monkeypatch.setattr(Signer, "get_timestamp", lambda self: tomorrow)

    answer = call(app, path, HTTP_COOKIE=cookie)
    equal(call(app, "/static/x", HTTP_COOKIE=cookie).values("Set-Cookie"), [])

    equal(answer.values("Vary"), ["Cookie"])
    equal(len(answer.values("Set-Cookie")), 1)


@pytest.mark.parametrize("path", ["/plain", "/missing"])
@pytest.mark.parametrize("kind", ["none", "other", "invalid", "valid"])
def test_promise_038_a_session_that_nobody_touched_leaves_the_answer_cacheable(
    app: Flask, kind: str, path: str
) -> None:
    cookies = {"none": None, "other": "theme=dark", "invalid": "session=x", "valid": f"session={logged_in(app)}"}

    answer = call(app, path, HTTP_COOKIE=cookies[kind])

    equal(answer.values("Set-Cookie"), [])
    equal(answer.values("Vary"), [])


# What a client may send


#: those of base64url
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def flipped(cookie: str, at: int) -> str:
    """*cookie* with the highest bit of one base64 digit turned, so that the bytes behind it differ."""
    digit = cookie[at]
    other = "x" if digit == "." else DIGITS[DIGITS.index(digit) ^ 32]
    return cookie[:at] + other + cookie[at + 1 :]


def test_promise_039_one_flipped_bit_anywhere_empties_the_session(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    cookie = logged_in(app)
    equal(session_seen(app, cookie), {"user": "ada"})

    for at in range(len(cookie)):
        equal(session_seen(app, flipped(cookie, at)), {}, f"the session with byte {at} changed")

    equal([record for record in caplog.records if record.levelno >= logging.WARNING], [])


@pytest.mark.parametrize(
    "change",
    [
        lambda cookie: "",
        lambda cookie: ".",
        lambda cookie: "..",
        lambda cookie: "." * 5_000,
        lambda cookie: cookie[1:],
        lambda cookie: cookie[:-2],
        lambda cookie: cookie.rpartition(".")[0],
        lambda cookie: cookie.rpartition(".")[0] + ".",
        lambda cookie: cookie.partition(".")[0],
        lambda cookie: cookie.partition(".")[0] + "." + cookie.rpartition(".")[2],
        lambda cookie: "." + cookie.partition(".")[2],
        lambda cookie: cookie.replace(".", "", 1),
        lambda cookie: ".".join(reversed(cookie.split("."))),
        lambda cookie: cookie.swapcase(),
        lambda cookie: cookie + cookie,
        lambda cookie: "a." + cookie,
        lambda cookie: "\xff" + cookie,
        lambda cookie: cookie.replace(".", "\xc3\xbc.", 1),
        lambda cookie: cookie[:-3] + "\xff" + cookie[-3:],
        lambda cookie: cookie[:-3] + "!" + cookie[-3:],
        lambda cookie: cookie + "=",
        lambda cookie: cookie[:-1] + DIGITS[DIGITS.index(cookie[-1]) ^ 1],  # of which base64 takes no notice
        lambda cookie: '"' + cookie,
        lambda cookie: "%00" + cookie,
        lambda cookie: "null",
        lambda cookie: "eyJ1c2VyIjoiZXZlIn0",
        lambda cookie: "A" * 60_000,
        lambda cookie: "e30.AAAAAAAA." + "A" * 43,
        lambda cookie: f"{cookie.partition('.')[0]}.{'_' * 12}.{cookie.rpartition('.')[2]}",
    ],
)
def test_promise_039_a_cookie_that_is_broken_in_any_way_empties_the_session(
    app: Flask, caplog: pytest.LogCaptureFixture, change: Callable[[str], str]
) -> None:
    equal(session_seen(app, change(logged_in(app))), {})
    equal([record for record in caplog.records if record.levelno >= logging.WARNING], [])


def test_promise_039_a_session_that_is_too_old_is_empty(app: Flask) -> None:
    app.permanent_session_lifetime = 3600
    cookie = logged_in(app)

    app.permanent_session_lifetime = -1

    equal(session_seen(app, cookie), {})


def _pickled() -> bytes:
    class Exploit:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (Path("exploited"),)

    return pickle.dumps(Exploit())


PAYLOADS: dict[str, bytes] = {
    "a pickle": _pickled(),
    "a pickle in base64": base64.urlsafe_b64encode(_pickled()),
    "a pickle in base64 without padding": base64_encode(_pickled()),
    "nothing": b"",
    "no base64": b"!",
    "no JSON": base64_encode(b"{"),
    "no text": base64_encode(b'{"a":"\xff"}'),
    "Python": base64_encode(b"__import__('os').getcwd()"),
    "a list": base64_encode(b"[]"),
    "a string": base64_encode(b'"user"'),
    "null": base64_encode(b"null"),
    "a number": base64_encode(b"1"),
    "deep lists": base64_encode(b"[" * 100_000 + b"]" * 100_000),
    "deep objects": base64_encode(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "deep tags": base64_encode(b'{" t":[' * 20_000 + b"]}" * 20_000),
    "a number of many digits": base64_encode(b'{"a":' + b"9" * 5_000 + b"}"),
    **{
        f"the tag {content}": base64_encode(content)
        for content in [
            '{" x":1}',
            '{" ":1}',
            '{"a":{" py/object":"os.system"}}',
            '{" __class__":"x"}',
            '{" t":1}',
            '{" t":null}',
            '{" t":[1]}',
            '{"a":{" b":1}}',
            '{"a":{" b":"a"}}',
            '{"a":{" d":"x"}}',
            '{"a":{" d":1}}',
            '{"a":{" d":null}}',
            '{"a":{" u":"x"}}',
            '{"a":{" u":1}}',
            '{"a":{" u":null}}',
            '{"a":{" u":[]}}',
            '{"a":{" u":{}}}',
            '{"a":{" u":1.5}}',
            '{" i":1}',
            '{" i":[1]}',
            '{" i":[[1]]}',
            '{" i":[[1,2,3]]}',
            '{" i":[[[],1]]}',
            '{" i":[[{},1]]}',
            '{" i":{"a":1}}',
        ]
    },
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_promise_040_a_payload_that_is_none_of_ours_is_no_session(
    app: Flask, payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)

    equal(session_seen(app, signed(payload)), {})

    equal(list(tmp_path.iterdir()), [])
    equal([record for record in caplog.records if record.levelno >= logging.WARNING], [])


def test_promise_040_041_the_module_of_sessions_loads_nothing_that_runs_or_unpacks() -> None:
    tree = ast.parse(Path(sessions.__file__).read_bytes())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}

    harmful = {"pickle", "marshal", "shelve", "dill", "yaml", "copyreg", "zlib", "gzip", "bz2", "lzma"}
    equal({name.partition(".")[0] for name in imported} & harmful, set())
    equal(called & {"eval", "exec", "compile", "__import__"}, set())


@pytest.mark.parametrize("mark", [b"", b"."])
@pytest.mark.parametrize("level", [0, 9])
def test_promise_041_nothing_is_unpacked(app: Flask, mark: bytes, level: int) -> None:
    bomb = zlib.compress(b'{"user":"' + b"a" * 10_000 + b'"}', level)

    equal(session_seen(app, signed(mark + base64_encode(bomb))), {})


def forged(cookie: str, mac: bytes) -> str:
    return f"{cookie.rpartition('.')[0]}.{base64_encode(mac).decode()}"


@pytest.mark.parametrize("derivation", ["hmac", "concat", "django-concat", "none"])
@pytest.mark.parametrize("digest", [hashlib.sha1, hashlib.md5, hashlib.sha256, hashlib.sha512])
def test_promise_042_another_kind_of_signature_is_none(app: Flask, digest: Any, derivation: str) -> None:
    cookie = logged_in(app)
    signer = TimestampSigner(SECRET, salt=NAME, key_derivation=derivation, digest_method=digest)

    forgery = signer.sign(cookie.partition(".")[0]).decode()

    ours = (digest, derivation) == (hashlib.sha256, "hmac")
    equal(session_seen(app, forgery), {"user": "ada"} if ours else {})


@pytest.mark.parametrize("length", [0, 1, 10, 16, 20, 31])
def test_promise_042_a_shorter_mac_is_none(app: Flask, length: int) -> None:
    cookie = logged_in(app)
    mac = base64.urlsafe_b64decode(cookie.rpartition(".")[2] + "==")

    equal(len(mac), 32)
    equal(session_seen(app, forged(cookie, mac)), {"user": "ada"})
    equal(session_seen(app, forged(cookie, mac[:length])), {})


@pytest.mark.parametrize("key", ["", "A long random value", SECRET + " ", SECRET[:-1]])
def test_promise_042_another_key_signs_nothing(app: Flask, key: str) -> None:
    payload = base64_encode('{"user":"eve"}')
    plain = hmac.new(key.encode(), payload, hashlib.sha256).digest()

    equal(session_seen(app, signed(payload, key=key)), {})
    equal(session_seen(app, f"{payload.decode()}.{base64_encode(plain).decode()}"), {})


def test_promise_042_macs_are_compared_in_constant_time(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def watch(first: Any, second: Any) -> bool:
        compared.append(first)
        return compare(first, second)

    monkeypatch.setattr("hmac.compare_digest", watch)

    session_seen(app, logged_in(app))

    check(compared, "hmac.compare_digest was not called")


# Keys


def test_promise_043_the_first_key_signs_and_all_are_accepted() -> None:
    old, new, both = make_app(secret_key="old"), make_app(secret_key="new"), make_app(secret_key=["new", "old"])

    equal(session_seen(both, logged_in(old)), {"user": "ada"})
    equal(session_seen(both, logged_in(new)), {"user": "ada"})
    equal(session_seen(new, logged_in(both)), {"user": "ada"})
    equal(session_seen(old, logged_in(both)), {})
    equal(session_seen(make_app(secret_key=["newer", "new"]), logged_in(both)), {"user": "ada"})
    equal(session_seen(make_app(secret_key=("newer",)), logged_in(both)), {})


@pytest.mark.parametrize("keys", [["new", ""], ["new", b""], ["", "new"], ["new", None]])
def test_promise_043_an_empty_key_in_the_list_accepts_nothing(keys: list[Any]) -> None:
    app = make_app(secret_key=keys)

    forgery = signed(base64_encode('{"user":"eve"}'), key="")

    answer = call(app, HTTP_COOKIE=f"session={forgery}")

    one_of((answer.status, answer.body[:2]), [(200, b"{}"), (500, b"<!")])


WRITES: dict[str, Callable[[], object]] = {
    "item": lambda: session.__setitem__("user", "ada"),
    "delete": lambda: session.__delitem__("user"),
    "update": lambda: session.update(user="ada"),
    "setdefault": lambda: session.setdefault("user", "ada"),
    "pop": lambda: session.pop("user", None),
    "popitem": lambda: session.popitem(),
    "clear": lambda: session.clear(),
    "or": lambda: session.__ior__({"user": "ada"}),
    "permanent": lambda: setattr(session, "permanent", True),
    "flash": lambda: flash("hello"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("key", [None, "", b"", [], [""]], ids=repr)
def test_promise_044_writing_without_a_key_is_an_error_that_names_it(key: Any, write: Callable[[], object]) -> None:
    app = make_app(secret_key=key)
    errors: list[BaseException | None] = []
    app.teardown_request(errors.append)
    app.add_url_rule("/write", "write", lambda: str(write()))

    answer = call(app, "/write")

    equal((answer.status, answer.values("Set-Cookie")), (500, []))
    equal([type(error) for error in errors], [RuntimeError])
    present("secret_key", str(errors[0]))


@pytest.mark.parametrize("key", [None, "", b"", [], [""]], ids=repr)
def test_promise_044_reading_without_a_key_gives_an_empty_session(key: Any) -> None:
    app = make_app(secret_key=key)

    for cookie in ("x", logged_in(make_app()), signed(base64_encode('{"user":"eve"}'), key="")):
        answer = call(app, HTTP_COOKIE=f"session={cookie}")
        equal((answer.status, answer.text), (200, "{}"))
        equal(answer.values("Set-Cookie"), [])


# Apps beside each other


def test_promise_045_the_session_of_one_app_is_none_of_another_s() -> None:
    shop, blog = make_app("shop"), make_app("blog")
    mounted = DispatcherMiddleware(None, {"/shop": shop, "/blog": blog})

    cookie = cookie_of(call(mounted, "/shop/login"))

    equal(call(mounted, "/blog/", HTTP_COOKIE=cookie).text, "{}")
    equal(call(mounted, "/shop/", HTTP_COOKIE=cookie).text, '{"user":"ada"}')


@pytest.mark.parametrize("kind", ["mounts", "public and admin", "path tenants", "subdomain tenants"])
def test_promise_045_nor_are_those_of_apps_that_one_factory_makes(kind: str) -> None:
    make = make_app
    ways: dict[str, tuple[Any, tuple[str, str], tuple[str, str]]] = {
        "mounts": (DispatcherMiddleware(None, {"/a": make(), "/b": make()}), ("/a", "x"), ("/b", "x")),
        "public and admin": (DispatcherMiddleware(make(), {"/admin": make()}), ("", "x"), ("/admin", "x")),
        "path tenants": (PathDispatcher(None, lambda name: make()), ("/a", "x"), ("/b", "x")),
        "subdomain tenants": (SubdomainDispatcher("x", lambda name: make()), ("", "a.x"), ("", "b.x")),
    }
    application, (mine, my_host), (theirs, their_host) = ways[kind]

    cookie = cookie_of(call(application, f"{mine}/login", HTTP_HOST=my_host))

    equal(call(application, f"{mine}/", HTTP_HOST=my_host, HTTP_COOKIE=cookie).text, '{"user":"ada"}')
    equal(call(application, f"{theirs}/", HTTP_HOST=their_host, HTTP_COOKIE=cookie).text, "{}")


def test_promise_045_neither_logs_the_other_out() -> None:
    shop, blog = make_app("shop"), make_app("blog")
    for app in (shop, blog):
        app.session_cookie_path = "/"
    mounted = DispatcherMiddleware(None, {"/shop": shop, "/blog": blog})
    first, second = cookie_of(call(mounted, "/shop/login")), cookie_of(call(mounted, "/blog/login"))

    for cookies in (f"{first}; {second}", f"{second}; {first}"):
        equal(call(mounted, "/shop/", HTTP_COOKIE=cookies).text, '{"user":"ada"}')
        equal(call(mounted, "/blog/", HTTP_COOKIE=cookies).text, '{"user":"ada"}')


@pytest.mark.parametrize(
    ("script_name", "path"),
    [
        ("", "/"),
        ("/", "/"),
        ("/shop", "/shop"),
        ("/shop/", "/shop"),
        ("/a/b", "/a/b"),
        ("/a;b", "/a%3Bb"),
        ("/\xc3\xbc", "/%C3%BC"),
    ],
)
def test_promise_045_the_cookie_is_sent_to_the_mount_alone(app: Flask, script_name: str, path: str) -> None:
    present(f"; Path={path};", f"{call(app, '/login', SCRIPT_NAME=script_name).value('Set-Cookie')};")


def test_promise_046_a_planted_session_is_gone_after_a_log_in_that_clears_it(app: Flask) -> None:
    @app.route("/plant")
    def plant() -> str:
        session["cart"] = "of the attacker"
        return "ok"

    planted = cookie_of(call(app, "/plant"))

    answer = call(app, "/login", HTTP_COOKIE=planted)

    check(cookie_of(answer) != planted, "the cookie stays the same")
    equal(session_seen(app, value_of(answer)), {"user": "ada"})


def test_promise_046_a_session_that_is_cleared_is_taken_from_the_browser(app: Flask) -> None:
    app.add_url_rule("/logout", "logout", lambda: str(session.clear()))
    cookie = cookie_of(call(app, "/login", SCRIPT_NAME="/shop"))

    gone = call(app, "/logout", HTTP_COOKIE=cookie, SCRIPT_NAME="/shop").value("Set-Cookie") or ""

    check(gone.startswith("session=;"), f"the cookie is {gone!r}")
    for attribute in ("Max-Age=0", "Path=/shop", "HttpOnly", "SameSite=Lax"):
        present(attribute, gone)


def test_promise_046_the_documentation_of_sessions_says_so() -> None:
    present("session.clear()", Path(sessions.__file__).read_text(encoding="utf-8"))


# Cookies


@pytest.mark.parametrize("path", ["/cookies"])
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("=session=evil; session=good", ["good"]),
        ("session=good; =session=evil", ["good"]),
        ("=evil", []),
        ("= session=evil", []),
        (";;;", []),
        ("session=a; session=b", ["a", "b"]),
        (" session =a", ["a"]),
        ("Session=a; SESSION=b", []),
        ("xsession=a; session2=b", []),
        ("a=b\r\nsession=evil", []),
    ],
)
def test_promise_047_a_cookie_without_a_name_is_none(app: Flask, path: str, header: str, expected: list[str]) -> None:
    app.add_url_rule(path, "cookies", lambda: request.cookies.getlist("session"))

    equal(json.loads(call(app, path, HTTP_COOKIE=header).body), expected)


def test_promise_047_a_session_planted_without_a_name_is_none(app: Flask) -> None:
    good, evil = logged_in(app), signed(base64_encode('{"user":"eve"}'), key="another")

    for header in (f"=session={evil}; session={good}", f"session={evil}; session={good}"):
        equal(call(app, HTTP_COOKIE=header).text, '{"user":"ada"}')


@pytest.mark.parametrize(
    "key",
    [
        "a;b",
        "a b",
        "a\r\n",
        "a\nb",
        "",
        "a=b",
        "=a",
        "a,b",
        "a\tb",
        " a",
        "a ",
        "a\0",
        "a\x7f",
        'a"',
        "a(b)",
        "a/b",
        "ü",
        "\u2028",
        "a\\",
    ],
)
def test_promise_048_a_cookie_name_that_is_no_token_is_an_error(app: Flask, key: str) -> None:
    def set_it() -> Any:
        response = make_response("")
        (response.set_cookie if request.args else response.delete_cookie)(key)
        return response

    app.add_url_rule("/set", "set", set_it)

    for query in ("set", ""):
        answer = call(app, "/set", QUERY_STRING=query)
        equal((answer.status, answer.values("Set-Cookie")), (500, []))
    with app.test_request_context(), pytest.raises(ValueError, match="cookie"):
        make_response("").set_cookie(key)


@pytest.mark.parametrize("key", ["a;b", "a b", "a\r\nX", "a=b", "ü"])
def test_promise_048_nor_is_it_the_name_of_the_session(key: str) -> None:
    answer = call(make_app(session_cookie_name=key), "/login")

    equal((answer.status, answer.values("Set-Cookie")), (500, []))


def attributes(app: Flask, **options: Any) -> tuple[int, str, list[str]]:
    """Status, value and the other parts of the cookie that is set with *options*."""

    def set_it() -> Any:
        response = make_response("")
        response.set_cookie("a", **options)
        return response

    app.add_url_rule("/set", "set", set_it)
    answer = call(app, "/set")
    value, _, rest = (answer.value("Set-Cookie") or "").partition("; ")
    return answer.status, value, rest.split("; ") if rest else []


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/ü", "/%C3%BC"),
        ("/a%20b", "/a%20b"),
        ('/"', "/%22"),
    ],
)
def test_promise_049_letters_in_the_path_of_a_cookie_are_encoded(app: Flask, path: str, sent: str) -> None:
    equal(attributes(app, path=path), (200, "a=", [f"Path={sent}"]))


@pytest.mark.parametrize("option", ["path", "domain"])
@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r\nX: 1", "; HttpOnly", ";Domain=evil.com", "\0", "\u2003"])
def test_promise_049_a_path_or_domain_with_what_could_end_it_is_refused(app: Flask, option: str, blank: str) -> None:
    for value in (f"/a{blank}", f"{blank}/a", f"/a{blank}b") if option == "path" else (f"a{blank}b.example",):
        with app.test_request_context():
            response = app.response_class()
            try:
                response.set_cookie("a", "b", **{option: value})  # type: ignore[arg-type]
            except (ValueError, UnicodeError) as error:
                absent("\n", str(error))
            else:
                check(condition=False, message=f"{option} {value!r} was sent: {response.headers.getlist('Set-Cookie')}")
            equal(response.headers.getlist("Set-Cookie"), [])


@pytest.mark.parametrize("setting", ["session_cookie_path", "session_cookie_domain"])
def test_promise_049_so_are_the_settings_of_the_session_s_cookie(app: Flask, setting: str) -> None:
    setattr(app, setting, "a b")

    answer = call(app, "/login")

    equal(answer.status, 500)
    equal(answer.values("Set-Cookie"), [])


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("x\r\nSet-Cookie: b=c", r'"x\015\012Set-Cookie: b=c"'),
        ("x; HttpOnly", r'"x\073 HttpOnly"'),
        ("x,y", r'"x\054y"'),
        ('x"y\\', r'"x\"y\\"'),
        ("\0\x7f", r'"\000\177"'),
        ("\x19\x1a\x1f ", r'"\031\032\037 "'),
        ("ü", r'"\303\274"'),
    ],
)
def test_promise_049_the_value_of_a_cookie_is_quoted(app: Flask, value: str, sent: str) -> None:
    equal(attributes(app, value=value), (200, f"a={sent}", ["Path=/"]))


@pytest.mark.parametrize(
    "options",
    [
        {"domain": "evil.com; Path=/x"},
        {"domain": "evil.com;Secure"},
        {"domain": "evil.com\r\nX: 1"},
        {"domain": "evil.com\uff1bPath=/x"},
        {"expires": "x; Domain=evil.com"},
        {"expires": "x\r\nSet-Cookie: b=c"},
        {"samesite": "Lax; Domain=evil.com"},
        {"samesite": "x"},
        {"max_age": "1; Domain=evil.com"},
        {"max_age": "1; Domain=evil.com", "expires": "Thu, 01 Jan 2037 00:00:00 GMT"},
    ],
    ids=str,
)
def test_promise_049_no_option_of_a_cookie_brings_another_with_it(app: Flask, options: dict[str, Any]) -> None:
    status, _, parts = attributes(app, **options)

    one_of(status, (200, 500))
    names = [part.partition("=")[0].lower() for part in parts]
    check(set(names) <= {*options, "path", "max-age"} and names.count("path") <= 1, f"the attributes are {parts!r}")
    check(not any(";" in part for part in parts), f"the attributes are {parts!r}")


def test_promise_049_nor_does_one_that_is_given_by_its_place() -> None:
    response = Response()
    for expires, domain in (("x; HttpOnly", None), (None, "evil.com; Path=/x")):
        with contextlib.suppress(ValueError):
            response.set_cookie("a", "b", None, expires, "/", domain)
    equal(response.headers.getlist("Set-Cookie"), [])


def test_promise_050_a_session_cookie_is_kept_from_scripts_and_other_sites(app: Flask) -> None:
    parts = (call(app, "/login").value("Set-Cookie") or "").split("; ")[1:]

    equal(sorted(parts), ["HttpOnly", "Path=/", "SameSite=Lax"])


def test_promise_050_a_session_that_began_over_https_stays_there(app: Flask) -> None:
    parts = (call(app, "/login", **{"wsgi.url_scheme": "https"}).value("Set-Cookie") or "").split("; ")[1:]

    equal(sorted(parts), ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"])


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("secure", [True, False])
def test_promise_050_secure_may_be_set(scheme: str, secure: bool) -> None:
    cookie = call(make_app(session_cookie_secure=secure), "/login", **{"wsgi.url_scheme": scheme}).value("Set-Cookie")

    equal("Secure" in (cookie or "").split("; "), secure)


def test_promise_050_the_other_flags_may_be_set() -> None:
    app = make_app(
        session_cookie_httponly=False,
        session_cookie_samesite="Strict",
        session_cookie_path="/x",
        session_cookie_domain="good.example",
    )

    parts = (call(app, "/login").value("Set-Cookie") or "").split("; ")[1:]

    equal(sorted(parts), ["Domain=good.example", "Path=/x", "SameSite=Strict"])


COOKIES: dict[str, Callable[[int], str]] = {
    "pairs": lambda n: "; ".join(f"name{i}=value" for i in range(n // 16)),
    "sessions": lambda n: "; ".join(["session=a.b.c"] * (n // 16)),
    "quotes": lambda n: 'a="' + '\\"' * (n // 2),
    "octal": lambda n: 'a="' + "\\303" * (n // 4) + '"',
    "open quotes": lambda n: 'a="' * (n // 3),
    "semicolons": lambda n: ";" * n,
    "equals": lambda n: "=" * n,
    "spaces": lambda n: "a" + " " * n + "=b",
    "one value": lambda n: "session=" + "a" * n,
    "dots": lambda n: "session=" + "." * n,
}


@pytest.mark.parametrize("cookies", COOKIES.values(), ids=COOKIES)
def test_promise_051_a_long_cookie_header_costs_its_length(app: Flask, cookies: Callable[[int], str]) -> None:
    def prepare(length: int) -> Callable[[], object]:
        header = cookies(length)
        return lambda: check(call(app, HTTP_COOKIE=header).status == 200, "the status is not 200")

    linear(prepare, 32_000)


def test_promise_051_of_many_pairs_each_is_there(app: Flask) -> None:
    app.add_url_rule("/count", "count", lambda: str(len(request.cookies)))

    equal(call(app, "/count", HTTP_COOKIE="; ".join(f"name{i}=v" for i in range(5_000))).text, "5000")
