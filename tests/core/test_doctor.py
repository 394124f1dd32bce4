"""The doctor's verdicts on what fronts were measured to send, and its limits for servers that are no fronts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from flask_embed.cli import main
from flask_embed.doctor import Diagnosis, examine
from flask_embed.doctor.address import Address
from flask_embed.doctor.checks import CHECKS, NEEDS, judge
from flask_embed.doctor.client import STALE, Answer, UnreachableError
from flask_embed.doctor.known import CONFIGURATIONS, recognized
from flask_embed.doctor.questions import BODY, FORGED, TWINS, Seen, questions_for
from flask_embed.errors import UsageError
from flask_embed.probe import AUTHORIZATION, OUTSIDE
from tests.serving import DEADLINE, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TOKEN = "a-token-of-the-tests"
URL = "http://site.example:8080/yourapplication"
MEASURED: dict[str, list[dict[str, Any]]] = json.loads((ROOT / "tests" / "adapters" / "fronts.json").read_text("utf-8"))
#: the target of each measured request, by the doctor's name for its like, below the prefix and at the root
TARGETS = {
    "path": "/yourapplication/hello",
    "slash": "/yourapplication/",
    "bare": "/yourapplication",
    "border": "/yourapplicationfoo",
    "outside": "/",
    "text": "/yourapplication/%C3%BCml%C3%A4ut?x=%26",
    "encoded": "/yourapplication/hello%20w%2Forld",
    "doubled": "/yourapplication//double//slash",
}
RESTS = {
    "path": "/hello",
    "slash": "/",
    "bare": "",
    "text": "/Ã¼mlÃ¤ut",
    "encoded": "/hello w/orld",
    "doubled": "//double//slash",
}


def report(**environ: str) -> dict[str, Any]:
    """The report of the probe behind a front where all is right, but for *environ*."""
    right = {
        "SCRIPT_NAME": "/yourapplication",
        "PATH_INFO": "/hello/there",
        "QUERY_STRING": "",
        "HTTP_HOST": "site.example:8080",
        "REMOTE_ADDR": "192.0.2.1",
        "SERVER_PORT": "8080",
        "SERVER_SOFTWARE": "nginx/1.22.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "wsgi.url_scheme": "http",
    }
    return {
        "environ": {**right, **environ},
        "body": {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()},
        "input_terminated": True,
        "refused": "",
    }


def right(url: str = URL) -> dict[str, Answer]:
    """The answers through a front where all is right."""
    address = Address.of(url)
    answers = {}
    for request in questions_for(address):
        environ = {"SCRIPT_NAME": address.prefix, "PATH_INFO": request.rest or "", "HTTP_HOST": address.netloc}
        found = report(**environ, **{"wsgi.url_scheme": address.scheme})
        if request.name == "text":
            found["environ"]["QUERY_STRING"] = "x=%26"
        if request.name == "authorization":
            found["environ"]["HTTP_AUTHORIZATION"] = AUTHORIZATION
        if request.body is not None:
            found["body"] = {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
        is_below = request.rest is not None
        answers[request.name] = Answer(
            request.target, request.rest or "", is_below, 200 if is_below else 404, {}, found if is_below else None
        )
    return answers


def seen(answers: Mapping[str, Answer], streams: Mapping[str, str] | None = None, url: str = URL) -> Seen:
    return Seen(Address.of(url), answers, {"stream": "streamed"} if streams is None else streams)


def changed(name: str, /, url: str = URL, **environ: str) -> Seen:
    """The answers where all is right, but for the environ of one request."""
    answers = right(url)
    found = answers[name].report or report()
    new = {**found, "environ": {**found["environ"], **environ}}
    answers[name] = Answer(answers[name].target, answers[name].rest, answers[name].is_below, 200, {}, new)
    return seen(answers, url=url)


def measured(row: str, url: str, by: str) -> Seen:
    """The measured answers of a front, as the doctor would have got them; *by* flup, or from the wire without flup."""
    address = Address.of(url)
    software = next(name for name in ("lighttpd/1.4.69", "nginx/1.22.1", "Apache/2.4.71") if name[:5].lower() in row)
    rows = {found["target"]: found for found in MEASURED[row]}
    answers = right(url)
    for name, target in TARGETS.items():
        if not address.prefix and name in ("bare", "border", "outside"):
            continue
        found = rows[target]
        rest, is_below = RESTS.get(name, ""), name in RESTS
        if not address.prefix:
            rest = f"/yourapplication{rest}"
        if found["status"] is not None:
            location = {"location": "/yourapplication/"} if found["status"] == 301 else {}
            answers[name] = Answer(target, rest, is_below, found["status"], {"server": software, **location})
            continue
        path_info = found.get("wire_path_info", found["path_info"]) if by == "wire" else found["path_info"]
        environ = {"SCRIPT_NAME": found["script_name"], "PATH_INFO": path_info or ""}
        environ |= {"QUERY_STRING": found["query_string"], "HTTP_HOST": address.netloc, "SERVER_SOFTWARE": software}
        new = report(**environ)
        if found["request_uri"] is None:  # an HTTP proxy
            del new["environ"]["GATEWAY_INTERFACE"]
            new["environ"]["SERVER_SOFTWARE"] = "flask_embed"
        answers[name] = Answer(target, rest, is_below, 200, {"server": software}, new)
    for name in ("forged", "twins", "authorization", "body", "chunked"):
        base = answers["path"].report
        assert base is not None
        split = {key: base["environ"][key] for key in ("SCRIPT_NAME", "PATH_INFO", "SERVER_SOFTWARE")}
        older = answers[name].report
        assert older is not None
        kept = {key: value for key, value in older["environ"].items() if key != "GATEWAY_INTERFACE"}
        answers[name] = Answer(
            answers[name].target, answers["path"].rest, True, 200, {}, {**older, "environ": {**kept, **split}}
        )
    return seen(answers, url=url)


BROKEN = {
    "a_lighttpd_fcgi_prefix": "lighttpd-prefix-without-border",
    "a2_lighttpd_binpath": "lighttpd-prefix-without-border",
    "b1_lighttpd_root": "lighttpd-root-without-fix",
    "b3_lighttpd_rewrite": "lighttpd-rewrite-to-fcgi",
    "c_nginx_flask01": "nginx-path-info-by-regex",
    "e_nginx_split": "nginx-split-without-border",
    "f3_nginx_loc_noslash_proxy_slash": "nginx-location-without-slash",
    "g_nginx_default": "nginx-params-alone",
    "h1_apache_proxy_fcgi": "apache-proxy-fcgi-alone",
    "h2_apache_proxy_fcgi_slash": "apache-proxy-fcgi-alone",
    "h3_apache_proxy_fcgi_keep": "apache-proxy-fcgi-alone",
    "m_lighttpd_scgi": "lighttpd-prefix-without-border",
}
#: those where a prefix is mounted, or taken off, or that send the whole path
RIGHT = (
    "a3_lighttpd_prefix_regex",
    "b2_lighttpd_root_fix",
    "d_nginx_root",
    "e2_nginx_split_fixed",
    "f1_nginx_proxy_noslash",
    "f2_nginx_proxy_slash",
    "f4_nginx_proxy_fixed",
    "h4_apache_proxy_fcgi_fixed",
    "h6_apache_proxy_fcgi_root_fixed",
    "i_apache_fcgid",
    "i2_apache_fcgid_root",
    "j_apache_cgid",
    "k2_apache_wsgi_prefix",
    "l_lighttpd_cgi",
    "m4_nginx_scgi_fixed",
    "p2_lighttpd_proxy",
)
AT_THE_ROOT = {
    "b1_lighttpd_root": "lighttpd-root-without-fix",
    "b2_lighttpd_root_fix": None,
    "b3_lighttpd_rewrite": "lighttpd-rewrite-to-fcgi",
    "d_nginx_root": None,
    "g_nginx_default": "nginx-params-alone",
    "h5_apache_proxy_fcgi_root": "apache-proxy-fcgi-alone",
    "h6_apache_proxy_fcgi_root_fixed": None,
    "k1_apache_wsgi_root": None,
}


@pytest.mark.parametrize("by", ["flup", "wire"])
@pytest.mark.parametrize("row", BROKEN)
def test_what_was_measured_of_broken_fronts_is_recognized(row: str, by: str) -> None:
    found = measured(row, URL, by)

    assert recognized(found) == BROKEN[row]
    verdict = judge(found)["configuration"]
    assert (verdict.level, verdict.text) == ("fault", BROKEN[row])
    assert verdict.changes
    assert verdict.detail[0].startswith("asked for")


@pytest.mark.parametrize("row", RIGHT)
def test_what_was_measured_of_right_fronts_is_no_fault(row: str) -> None:
    verdicts = judge(measured(row, URL, "wire"))

    assert {name: verdict.text for name, verdict in verdicts.items() if verdict.level == "fault"} == {}


def test_the_codes_for_scripts_stay() -> None:
    codes = {name: configuration.row for name, configuration in CONFIGURATIONS.items()}

    assert codes == {
        "lighttpd-prefix-without-border": "a",
        "lighttpd-root-without-fix": "b1",
        "lighttpd-rewrite-to-fcgi": "b3",
        "nginx-path-info-by-regex": "c",
        "nginx-split-without-border": "e",
        "nginx-location-without-slash": "f3",
        "nginx-params-alone": "g",
        "apache-proxy-fcgi-alone": "h1",
    }


def test_a_prefix_that_the_front_has_no_form_for_gets_no_lines_for_paths() -> None:
    found = changed("path", url="http://site.example:8080/a$b", SCRIPT_NAME="", PATH_INFO="/other")
    for answer in found.answers.values():
        if answer.report is not None:
            answer.report["environ"]["SERVER_SOFTWARE"] = "Apache/2.4.71"
    verdicts = judge(found)

    (change,) = verdicts["prefix"].changes
    assert change.where == "Apache, in place of this prefix"
    assert change.lines[0].startswith("another one: the prefix '/a$b' holds '$'")


@pytest.mark.parametrize("by", ["flup", "wire"])
@pytest.mark.parametrize("row", AT_THE_ROOT)
def test_fronts_at_the_root_are_distinguished(row: str, by: str) -> None:
    found = measured(row, "http://site.example:8080", by)

    assert recognized(found) == AT_THE_ROOT[row]
    assert (judge(found)["prefix"].level == "fault") is (AT_THE_ROOT[row] is not None)


@pytest.mark.parametrize("row", BROKEN)
def test_a_front_that_hides_its_name_is_recognized_by_what_it_does(row: str) -> None:
    found = measured(row, URL, "wire")
    answers = {}
    for name, answer in found.answers.items():
        new = answer.report
        if new is not None:
            new = {**new, "environ": {**new["environ"], "SERVER_SOFTWARE": "hidden"}}
        answers[name] = Answer(answer.target, answer.rest, answer.is_below, answer.status, {}, new)

    row_found = recognized(seen(answers))
    changes = judge(seen(answers))["configuration"].changes

    assert row_found == {"apache-proxy-fcgi-alone": "nginx-params-alone"}.get(BROKEN[row], BROKEN[row])
    assert [change.where.split(",")[0] for change in changes[:3]] == ["nginx", "lighttpd", "Apache"]


@pytest.mark.parametrize(
    ("software", "script_name", "path_info"),
    [
        ("nginx/1.22.1", "/x", "hello/there"),
        ("nginx/1.22.1", "/index.fcgi", "/hello/there"),
        ("nginx/1.22.1", "", ""),
        ("lighttpd/1.4.69", "/index.fcgi", "/other"),
        ("lighttpd/1.4.69", "/x", "/hello/there"),
        ("lighttpd/1.4.69", "/yourapplication/hello/there", ""),
        ("lighttpd/1.4.69", "/yourapplication/hello", "/there"),
        ("Apache/2.4.71", "/index.fcgi", "/hello/there"),
        ("Apache/2.4.71", "/yourapplication", "hello/there"),
        ("Apache/2.4.71", "/yourapplication/hello/there", "/there"),
    ],
)
def test_what_is_wrong_in_an_unknown_way_gets_no_name(software: str, script_name: str, path_info: str) -> None:
    found = changed("path", SCRIPT_NAME=script_name, PATH_INFO=path_info)
    for answer in found.answers.values():
        if answer.report is not None:
            answer.report["environ"]["SERVER_SOFTWARE"] = software

    verdicts = judge(found)

    assert recognized(found) is None
    assert verdicts["configuration"].level == "ok"
    assert verdicts["prefix"].level == "fault"
    assert verdicts["prefix"].changes


@pytest.mark.parametrize(
    "url", [URL, "http://site.example", "https://[::1]:8443/a/b", "https://site.example/%C3%BCber"]
)
def test_where_all_is_right_each_check_says_so(url: str) -> None:
    verdicts = judge(seen(right(url), url=url))

    assert {name: verdict for name, verdict in verdicts.items() if verdict.level != "ok"} == {}
    assert list(verdicts) == list(CHECKS)


@pytest.mark.parametrize(
    ("found", "check", "level", "text"),
    [
        (changed("path", HTTP_HOST="site.example"), "host", "fault", "the port is lost from Host"),
        (changed("path", HTTP_HOST="127.0.0.1:9000"), "host", "fault", "Host arrives as another one"),
        (changed("path", **{"wsgi.url_scheme": "https"}), "scheme", "fault", "takes the site for https: it is http"),
        (changed("path", SCRIPT_NAME="", PATH_INFO="/other"), "prefix", "fault", "do not add up"),
        (changed("path", PATH_INFO="/yourapplication/hello/there"), "prefix", "fault", "the prefix is doubled"),
        (changed("path", SCRIPT_NAME="/yourapplication" * 2), "prefix", "fault", "the prefix is doubled"),
        (changed("path", SCRIPT_NAME="", PATH_INFO="/hello/there"), "prefix", "note", "--script-name /yourapplication"),
        (changed("path", SCRIPT_NAME="", PATH_INFO="/yourapplication/hello/there"), "prefix", "note", "needs --prefix"),
        (changed("text", PATH_INFO="/%2541-%C3%BC"), "encoding", "fault", "still percent-encoded"),
        (changed("text", PATH_INFO="/A-Ã¼"), "encoding", "fault", "decoded twice"),
        (changed("text", PATH_INFO="/%41-ü"), "encoding", "fault", "other letters"),
        (changed("text", QUERY_STRING="x=&"), "encoding", "fault", "the query string is changed"),
        (changed("doubled", PATH_INFO="/double/slash"), "slashes", "note", "two slashes in a row arrive as one"),
        (changed("encoded", PATH_INFO="/hello w%2Forld"), "encoded-slash", "note", "%2F arrives as %2F"),
        (changed("border", SCRIPT_NAME="/x", PATH_INFO="/"), "border", "fault", "/yourapplicationfoo reaches the app"),
        (changed("bare", PATH_INFO="/"), "bare-address", "note", "as if it ended with a slash"),
        (
            changed("forged", SCRIPT_NAME="/forged-by-script-name/yourapplication"),
            "script-name",
            "fault",
            "Script-Name",
        ),
        (changed("twins", SCRIPT_NAME="/forged-by-x_script_name"), "script-name", "fault", "X_Script_Name"),
        (changed("slash", SCRIPT_NAME="/other"), "script-name", "fault", "can be forged with the path"),
        (changed("forged", HTTP_HOST="forged.example"), "forwarded", "fault", "X-Forwarded-Host"),
        (changed("forged", HTTP_HOST="site.example:4242"), "forwarded", "fault", "X-Forwarded-Port"),
        (changed("forged", REMOTE_ADDR="203.0.113.7"), "forwarded", "fault", "X-Forwarded-For"),
        (changed("forged", **{"wsgi.url_scheme": "https"}), "forwarded", "fault", "X-Forwarded-Proto"),
        (changed("forged", HTTP_X_FORWARDED_PREFIX=dict(FORGED)["X-Forwarded-Prefix"]), "forwarded", "note", "-Prefix"),
        (changed("forged", HTTP_X_FORWARDED_FOR="203.0.113.7, 192.0.2.1"), "forwarded", "ok", "do not reach"),
        (
            changed("forged", HTTP_PROXY="http://forged.example:3128"),
            "proxy-header",
            "fault",
            "arrives as HTTP_PROXY",
        ),
        (changed("twins", HTTP_X_FLASK_EMBED_TWIN="underscores"), "underscores", "note", "pass for those with dashes"),
        (changed("twins", HTTP_X_FLASK_EMBED_TWIN="dashes,underscores"), "underscores", "note", "pass for those"),
        (
            changed("twins", HTTP_X_FORWARDED_FOR=dict(TWINS)["X_Forwarded_For"]),
            "underscores",
            "note",
            "pass for those",
        ),
        (changed("twins", REMOTE_ADDR="203.0.113.8"), "underscores", "fault", "trusts X_Forwarded_*"),
        (changed("twins", HTTP_HOST="twin.example"), "underscores", "fault", "trusts X_Forwarded_*"),
        (changed("twins", **{"wsgi.url_scheme": "https"}), "underscores", "fault", "trusts X_Forwarded_*"),
        (changed("authorization", HTTP_AUTHORIZATION="another"), "authorization", "note", "puts another Authorization"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_has_its_words(found: Seen, check: str, level: str, text: str) -> None:
    verdict = judge(found)[check]

    assert verdict.level == level
    assert text in verdict.text


def replaced(name: str, **values: Any) -> Seen:
    """The answers where all is right, but for the one to a single request."""
    answers = right()
    base = answers[name]
    fields = {"target": base.target, "rest": base.rest, "is_below": base.is_below, "headers": {}, **values}
    answers[name] = Answer(**fields)
    return seen(answers)


@pytest.mark.parametrize(
    ("name", "values", "check", "level", "text"),
    [
        ("doubled", {"status": 404}, "slashes", "note", "the front answers 404 itself"),
        ("encoded", {"status": 404}, "encoded-slash", "note", "the front answers 404 itself"),
        ("text", {"status": 400}, "encoding", "fault", "the front answers 400 itself"),
        ("text", {"problem": "no whole answer within 2 seconds"}, "encoding", "fault", "within 2 seconds"),
        ("chunked", {"status": 411}, "chunked", "note", "refused with 411"),
        ("chunked", {"status": 501}, "chunked", "fault", "the front answers 501 itself"),
        ("chunked", {"status": 200, "report": report()}, "chunked", "fault", "a body in chunks is lost"),
        ("body", {"status": 200, "report": report()}, "body", "fault", "a body with a length is lost"),
        ("authorization", {"status": 200, "report": report()}, "authorization", "note", "Authorization is dropped"),
        ("authorization", {"status": 401}, "authorization", "note", "the front answers 401 itself"),
        ("forged", {"status": 400}, "forwarded", "note", "the front answers 400 itself"),
        ("twins", {"status": 400}, "underscores", "note", "the front answers 400 itself"),
        ("bare", {"status": 404}, "bare-address", "note", "the front answers 404 itself"),
        ("slash", {"status": 200, "problem": STALE}, "cache", "fault", "answered from a cache"),
        ("border", {"status": 200, "report": {**report(), "refused": OUTSIDE}}, "border", "ok", "as another path"),
        ("path", {"status": 200, "report": {**report(), "refused": OUTSIDE}}, "prefix", "fault", "its --prefix"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answers_of_the_front_itself_are_reported(
    name: str, values: dict[str, Any], check: str, level: str, text: str
) -> None:
    verdict = judge(replaced(name, **values))[check]

    assert verdict.level == level
    assert text in verdict.text


@pytest.mark.parametrize(
    ("location", "level"),
    [
        ("/yourapplication/", "ok"),
        ("http://site.example:8080/yourapplication/", "ok"),
        ("http://site.example/yourapplication/", "fault"),
        ("https://site.example:8080/yourapplication/", "fault"),
        ("http://10.0.0.1:8000/yourapplication/", "fault"),
        ("/", "fault"),
        ("http://[", "fault"),
        ("", "fault"),
    ],
)
def test_a_redirect_that_adds_the_slash_has_to_lead_to_the_same_place(location: str, level: str) -> None:
    found = replaced("bare", status=301, headers={"location": location})

    assert judge(found)["bare-address"].level == level


def test_an_app_behind_another_server_is_not_spared() -> None:
    answers = right()
    bare = {"refused": None, "input_terminated": False}
    for name, environ in (("forged", {"HTTP_PROXY": "http://x"}), ("chunked", {"HTTP_TRANSFER_ENCODING": "chunked"})):
        found = answers[name].report
        assert found is not None
        new = {**found, **bare, "environ": {**found["environ"], **environ}}
        answers[name] = Answer(answers[name].target, answers[name].rest, True, 200, {}, new)

    verdicts = judge(seen(answers))

    assert [name for name, verdict in verdicts.items() if verdict.level == "fault"] == ["proxy-header", "chunked"]
    assert "CVE-2016-5385" in verdicts["proxy-header"].why


@pytest.mark.parametrize(
    ("streams", "level", "text"),
    [
        ({"stream": "streamed"}, "ok", "is streamed"),
        ({"stream": "whole", "unbuffered": "streamed"}, "note", "unless the app sends X-Accel-Buffering: no"),
        ({"stream": "whole", "unbuffered": "whole"}, "note", "the response is buffered"),
        ({"stream": "no whole answer within 2 seconds"}, "fault", "within 2 seconds"),
        ({}, "fault", "not asked"),
    ],
)
def test_how_streams_come_is_judged(streams: dict[str, str], level: str, text: str) -> None:
    verdict = judge(seen(right(), streams))["streaming"]

    assert verdict.level == level
    assert text in verdict.text


def test_what_is_needed_is_a_fault_where_it_is_a_note() -> None:
    assert set(NEEDS) <= set(CHECKS)
    found = seen(right(), {"stream": "whole", "unbuffered": "whole"})

    assert judge(found)["streaming"].level == "note"
    assert judge(found, ["streaming"])["streaming"].level == "fault"
    assert judge(seen(right()), NEEDS)["streaming"].level == "ok"


def test_no_byte_of_a_front_acts_on_a_terminal() -> None:
    evil = "\x1b[2J\r\n\x9b"
    answers = right()
    for name, answer in answers.items():
        new = answer.report
        if new is not None:
            new = {**new, "refused": evil, "environ": dict.fromkeys(new["environ"], f"/{evil}")}
        answers[name] = Answer(
            answer.target, answer.rest, answer.is_below, 301, {"location": evil, "server": evil}, new
        )
    found = seen(answers, {"stream": evil})

    diagnosis = Diagnosis(found, judge(found))

    for line in diagnosis.lines():
        assert line.isprintable(), repr(line)
    assert "\x1b" not in json.dumps(diagnosis.as_json())


def test_the_keys_for_scripts_are_these() -> None:
    found = measured("c_nginx_flask01", URL, "wire")

    printed = Diagnosis(found, judge(found)).as_json()

    assert list(printed) == [
        *("url", "prefix", "front", "server", "gateway", "ok", "faults", "notes", "configuration", "checks"),
    ]
    assert (printed["url"], printed["prefix"]) == (URL, "/yourapplication")
    assert (printed["front"], printed["server"]) == ("nginx", "nginx/1.22.1")
    assert printed["configuration"] == {"row": "c", "name": "nginx-path-info-by-regex"}
    assert [check["check"] for check in printed["checks"]] == list(CHECKS)
    for check in printed["checks"]:
        assert list(check) == ["check", "level", "text", "why", "detail", "changes"]
    assert json.loads(json.dumps(printed)) == printed


@pytest.mark.parametrize("width", [40, 80, 100])
def test_the_text_has_a_line_for_each_check_and_fits(width: int) -> None:
    found = measured("c_nginx_flask01", URL, "wire")

    lines = list(Diagnosis(found, judge(found)).lines(width))

    listed = [line for line in lines if re.match(r"  (ok|note|FAULT) ", line)]
    assert [line.split()[1] for line in listed] == list(CHECKS)
    assert max(map(len, listed)) <= max(width, 60)
    assert lines[-1].startswith("3 faults")


def test_lines_are_printed_once() -> None:
    found = measured("g_nginx_default", URL, "wire")

    text = "\n".join(Diagnosis(found, judge(found)).lines())

    assert text.count("fastcgi_split_path_info") == 1
    assert "see above" in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.com", ("http", "example.com", 80, "example.com", "")),
        ("http://example.com/", ("http", "example.com", 80, "example.com", "")),
        ("https://Example.com:443/shop/", ("https", "example.com", 443, "example.com", "/shop")),
        ("http://[::1]:8080/a/b", ("http", "::1", 8080, "[::1]:8080", "/a/b")),
        ("http://bücher.example/%C3%BC", ("http", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/Ã¼")),
    ],
)
def test_an_address_is_taken_apart(url: str, expected: tuple[str, str, int, str, str]) -> None:
    assert Address.of(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is not the address of a site"),
        ("example.com/shop", "is not the address of a site"),
        ("/shop", "is not the address of a site"),
        ("ftp://example.com/", "is not the address of a site"),
        ("http:///shop", "is not the address of a site"),
        ("http://example.com:port/", "is a malformed URL"),
        ("http://example.com:99999/", "is a malformed URL"),
        ("http://[::1/", "is a malformed URL"),
        ("http://a\x1b\uff0f", "is a malformed URL"),
        ("http://example.com:0/", "port 0"),
        ("http://user:secret@example.com/", "holds a user or password"),
        ("http://example.com/?x=1", "goes on behind the path"),
        ("http://example.com/#x", "goes on behind the path"),
        ("http://example.com//x", "cannot be where an app is"),
        ("http://example.com/a/../b", "cannot be where an app is"),
        ("http://example.com/%0d%0a", "cannot be where an app is"),
        ("http://example.com/%ff", "cannot be where an app is"),
        ("http://exa mple.com/", "has the malformed host"),
        (f"http://{'x' * 70}.ü/", "DNS has no form for"),
    ],
)
def test_a_malformed_url_is_refused_in_a_line(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_EMBED_PROBE_TOKEN", TOKEN)
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        examine(url)

    assert not isinstance(caught.value, UnreachableError)
    assert "secret" not in str(caught.value)
    assert str(caught.value).isprintable()


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that calls *answer* for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def one(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                answer(connection)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    connections.append(connection)
                    threads.append(threading.Thread(target=one, args=(connection,)))
                    threads[-1].start()

        accepting = threading.Thread(target=serve)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/app"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(DEADLINE)
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(DEADLINE)
            for connection in connections:
                connection.close()


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def endless(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def endless_head(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Header: 1\r\n" * 100)


def dribbling(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    closed = threading.Event()
    while not closed.wait(0.02):
        connection.sendall(b"x")


def saying(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)

    return answer


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (silent, "timeout", "no whole answer within 0.4 seconds"),
        (dribbling, "timeout", "no whole answer within 0.4 seconds"),
        (endless, "no-http", "longer than 256 KiB"),
        (endless_head, "no-http", "the answer is malformed HTTP"),
        (saying(b""), "no-http", "the answer is malformed HTTP"),
        (saying(b"SSH-2.0-OpenSSH\r\n"), "no-http", "the answer is malformed HTTP"),
        (
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            "no-http",
            "the answer is malformed HTTP",
        ),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), "no-http", "the answer is malformed HTTP"),
        (
            saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"),
            "no-http",
            "the answer is malformed HTTP",
        ),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"), "not-served", "not as flask_embed.probe:app does"),
        (saying(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000), "not-served", "not as flask_embed.probe:app does"),
        (
            saying(b'HTTP/1.1 200 OK\r\n\r\n{"flask_embed_probe": 1, "word": "", "environ": 5}'),
            "not-served",
            "not as flask_embed.probe:app does",
        ),
        (saying(b"HTTP/1.1 503 No\r\nServer: x\x1b[2J\r\n\r\n"), "front", r"(x\x1b[2J) gets no answer"),
        (saying("HTTP/1.1 503 No\r\nServer: x\u202ey\r\n\r\n".encode()), "front", r"(x\u202ey) gets no answer"),
        (saying(b"HTTP/1.1 302 No\r\nLocation: /login\r\n\r\n"), "elsewhere", "answers 302 and leads to '/login'"),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "no-http", "if this is a port for TLS, write https://"),
    ],
    ids=[
        *("silent", "dribbling", "endless", "endless head", "closed", "ssh", "immense", "large", "large chunk"),
        *("json", "deep json", "false probe", "503", "direction of text", "redirect", "400"),
    ],
)
def test_servers_that_are_no_front_are_distinguished(
    answer: Callable[[socket.socket], None], kind: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_EMBED_PROBE_TOKEN", TOKEN)
    with server(answer) as url:
        began = time.monotonic()
        with pytest.raises(UnreachableError) as caught:
            examine(url, timeout=0.4 if kind == "timeout" else 5.0)

    assert caught.value.kind == kind
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert TOKEN not in str(caught.value)
    assert time.monotonic() - began < 5


def test_closed_ports_unknown_names_and_missing_tls_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_EMBED_PROBE_TOKEN", TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(UnreachableError) as no:
        examine(f"http://127.0.0.1:{port}/app")
    with pytest.raises(UnreachableError) as nowhere:
        examine("http://nowhere.invalid/", timeout=5)
    with server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url, pytest.raises(UnreachableError) as plain:
        examine(url.replace("http:", "https:"))
    with server(silent) as url, pytest.raises(UnreachableError) as late:
        examine(url.replace("http:", "https:"), timeout=0.3)

    assert f"connection refused: nothing listens at 127.0.0.1 port {port}" in str(no.value)
    assert "no address for the name 'nowhere.invalid'" in str(nowhere.value)
    assert "if it speaks plain HTTP, write http://" in str(plain.value)
    assert "begins no TLS within 0.3 seconds" in str(late.value)
    assert [caught.value.kind for caught in (no, nowhere, plain, late)] == ["refused", "dns", "tls", "timeout"]


def test_a_server_that_falls_silent_costs_two_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_EMBED_PROBE_TOKEN", TOKEN)
    turns: list[bytes] = []

    def falling_silent(connection: socket.socket) -> None:
        request = connection.recv(65536)
        turns.append(request)
        word = re.search(rb"X-Flask-Embed-Probe-Word: (\w+)", request)
        if len(turns) == 1 and word is not None:
            body = json.dumps({"flask_embed_probe": 1, "word": word[1].decode(), **report()})
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        silent(connection)

    with server(falling_silent) as url:
        began = time.monotonic()
        diagnosis = examine(url, timeout=0.3)

    assert time.monotonic() - began < 3
    assert len(turns) == 3
    assert "not asked" in diagnosis.verdicts["encoding"].text
    assert diagnosis.faults


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments], env={"FLASK_EMBED_PROBE_TOKEN": TOKEN, **variables})


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["http://127.0.0.1/"], {"FLASK_EMBED_PROBE_TOKEN": ""}, "FLASK_EMBED_PROBE_TOKEN is not set"),
        (["http://127.0.0.1/"], {"FLASK_EMBED_PROBE_TOKEN": "short"}, "has 5 characters"),
        (["127.0.0.1/app"], {}, "'127.0.0.1/app' is not the address of a site"),
        (["http://127.0.0.1/", "--timeout", "0"], {}, "--timeout 0: write a number of seconds above 0"),
        (["http://127.0.0.1/", "--timeout", "nan"], {}, "--timeout nan: write a number of seconds above 0"),
        (
            ["http://127.0.0.1/", "--needs", "speed"],
            {},
            "--needs 'speed' is unknown: write one of authorization, chunked",
        ),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], variables: dict[str, str], message: str) -> None:
    ended = run(*arguments, **variables)
    for_scripts = run(*arguments, "--json", **variables)

    assert (ended.exit_code, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert message in ended.stderr
    assert for_scripts.exit_code == 2
    printed = json.loads(for_scripts.stdout)
    assert (printed["ok"], printed["error"]) == (False, "usage")
    assert message in printed["message"]


def test_the_readme_has_every_name() -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("\n## The doctor\n")[2].partition("\n## ")[0]

    for name in CONFIGURATIONS:
        assert re.search(rf"^\| `{name}` \|", section, re.MULTILINE)
    for need in NEEDS:
        assert need in section
