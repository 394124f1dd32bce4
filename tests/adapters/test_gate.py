"""The order around an app: fixers, ProxyFix, gate, the stripped prefix, the sent prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.composition import parts_of
from flask_embed.errors import PrefixError, UsageError
from flask_embed.middleware.prefix import PrefixMiddleware
from flask_embed.options import Options

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PROXY = {"X-Forwarded-Prefix": "/outer", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.example"}


def where(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answers with what it sees."""
    start_response("200 OK", [])
    scheme, host = environ["wsgi.url_scheme"], environ["HTTP_HOST"]
    return [f"{scheme}://{host} {environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]


def answer(options: Options, path: str, **changes: Any) -> tuple[int, str]:
    environ = create_environ(path, headers=changes.pop("headers", None), environ_base=changes)
    body, status, _ = run_wsgi_app(behind_gate(where, options), environ)
    return int(status[:3]), b"".join(body).decode()


def test_the_order_is_one() -> None:
    options = Options(prefix="/sent", script_name="/stripped", trust_proxy=1, fix=("lighttpd-root",))

    names = [type(part.app).__name__ for part in parts_of(behind_gate(where, options))]

    assert names == [
        "LighttpdCGIRootFix",
        "ProxyFix",
        "StrictEnviron",
        "PrefixMiddleware",
        "PrefixMiddleware",
        "function",
    ]


def test_without_options_the_gate_alone_stands_there() -> None:
    app = behind_gate(where, Options())

    assert [type(part.app).__name__ for part in parts_of(app)] == ["StrictEnviron", "function"]
    assert answer(Options(), "/x") == (200, "http://localhost |/x")
    assert run_wsgi_app(app, {**create_environ("/"), "PATH_INFO": "x"})[1] == "400 Bad Request"


def test_an_app_brings_its_own_gate_by_its_class_and_not_by_accident() -> None:
    class Own:
        def flask_embed_gate(self, app: WSGIApplication) -> WSGIApplication:
            assert isinstance(app, PrefixMiddleware)
            assert app.app is self
            return lambda environ, start_response: where({**environ, "SCRIPT_NAME": "/own"}, start_response)

        def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
            raise AssertionError("the gate answers")

    class Obliging:
        """Has whatever attribute it is asked for."""

        def __getattr__(self, name: str) -> Any:
            return lambda *args: where

        def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
            return where(environ, start_response)

    refused = {**create_environ("/"), "PATH_INFO": "x"}

    body, status, _ = run_wsgi_app(behind_gate(Own(), Options(prefix="/app")), refused)
    assert (status, b"".join(body)) == ("200 OK", b"http://localhost /own|x")
    assert run_wsgi_app(behind_gate(Obliging(), Options()), refused)[1] == "400 Bad Request"


def test_stripped_and_sent_prefixes_add_up() -> None:
    options = Options(script_name="/front", prefix="/app")

    assert answer(options, "/app/x") == (200, "http://localhost /front/app|/x")
    assert answer(options, "/x")[0] == 404


def test_a_trusted_proxy_counts_with_its_prefix_in_front() -> None:
    options = Options(prefix="/app", trust_proxy=1)

    assert answer(options, "/app/x", headers=PROXY, REMOTE_ADDR="127.0.0.1") == (
        200,
        "https://public.example /outer/app|/x",
    )
    assert answer(options, "/app/x", headers=PROXY, REMOTE_ADDR="192.0.2.1") == (200, "http://localhost /app|/x")
    assert answer(Options(prefix="/app"), "/app/x", headers=PROXY, REMOTE_ADDR="127.0.0.1") == (
        200,
        "http://localhost /app|/x",
    )


@pytest.mark.parametrize("prefix", ["//evil.com", "/a/../b", "/a b", "javascript:", "/%0d%0a", "/" + "x" * 300])
def test_a_bad_prefix_of_a_trusted_proxy_is_refused(prefix: str) -> None:
    options = Options(trust_proxy=1)

    assert answer(options, "/x", headers={"X-Forwarded-Prefix": prefix}, REMOTE_ADDR="127.0.0.1")[0] == 400


def test_what_a_fixer_makes_passes_the_gate() -> None:
    # lighttpd at the root: the gate would refuse what flup invents as PATH_INFO
    environ = create_environ("/")
    environ.update(SCRIPT_NAME="/hello", PATH_INFO="", REQUEST_URI="/hello")

    body, status, _ = run_wsgi_app(behind_gate(where, Options(fix=("lighttpd-root",))), environ)

    assert (status, b"".join(body)) == ("200 OK", b"http://localhost |/hello")


def test_the_fixer_for_nginx_puts_the_stripped_prefix_in_its_place() -> None:
    environ = create_environ("/")
    environ.update(SCRIPT_NAME="/app/x", PATH_INFO="", REQUEST_URI="/app/x")
    app = behind_gate(where, Options(fix=("lighttpd-root", "nginx-path-info"), script_name="/app"))

    body, status, _ = run_wsgi_app(app, environ)

    assert (status, b"".join(body)) == ("200 OK", b"http://localhost /app|/x")
    names = [type(part.app).__name__ for part in parts_of(app)]
    assert names == ["LighttpdCGIRootFix", "PathInfoFromRequestUriFix", "StrictEnviron", "function"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("fix", [("nginx-path-info",), ("lighttpd-root", "nginx-path-info")])
def test_the_fixer_for_nginx_answers_what_is_outside_of_the_stripped_prefix(fix: tuple[str, ...], method: str) -> None:
    environ = create_environ("/", method=method)
    environ.update(SCRIPT_NAME="/appfoo", PATH_INFO="", REQUEST_URI="/appfoo")

    body, status, _ = run_wsgi_app(behind_gate(where, Options(fix=fix, script_name="/app")), environ)

    assert (status, b"".join(body)) == ("404 Not Found", b"" if method == "HEAD" else b"Not Found\n")


@pytest.mark.parametrize("options", [Options(), Options(prefix="/app"), Options(script_name="/app")])
@pytest.mark.parametrize("path", ["/app/..", "/app/../x", "/app/./x", "/./app/x"])
def test_a_segment_of_dots_is_refused_before_a_prefix_is_looked_for(options: Options, path: str) -> None:
    environ = {**create_environ("/"), "PATH_INFO": path}

    assert run_wsgi_app(behind_gate(where, options), environ)[1] == "400 Bad Request"


def test_a_fixer_resolves_dots_before_the_gate_sees_them() -> None:
    environ = {**create_environ("/"), "SCRIPT_NAME": "", "PATH_INFO": "/app/x/../y", "REQUEST_URI": "/app/x/../y"}

    body, status, _ = run_wsgi_app(behind_gate(where, Options(fix=("nginx-path-info",), script_name="/app")), environ)

    assert (status, b"".join(body)) == ("200 OK", b"http://localhost /app|/y")


def test_the_signature_of_an_apache_passes() -> None:
    environ = {**create_environ("/x"), "SERVER_SIGNATURE": "<address>Apache/2.4.71 (Debian) Server</address>\n"}

    assert run_wsgi_app(behind_gate(where, Options()), environ)[1] == "200 OK"


def test_options_that_cannot_be_are_named() -> None:
    with pytest.raises(PrefixError, match="'//x'"):
        behind_gate(where, Options(prefix="//x"))
    with pytest.raises(UsageError, match="unknown fix 'apache'"):
        behind_gate(where, Options(fix=("apache",)))
    with pytest.raises(UsageError, match="nonsense"):
        behind_gate(where, Options(trust_proxy=1, forwarded_allow_ips=("nonsense",)))
    with pytest.raises(UsageError, match="--trust-proxy trusts no peer"):
        behind_gate(where, Options(trust_proxy=1, forwarded_allow_ips=()))


def test_an_app_that_has_whatever_it_is_asked_for_is_looked_into_no_further() -> None:
    class Endless:
        def __getattr__(self, name: str) -> Endless:
            return Endless()

        def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
            return where(environ, start_response)

    app = Endless()

    assert [part.app for part in parts_of(app)] == [app]
