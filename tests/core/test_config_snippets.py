"""One source for the lines of web servers: the doctor and the README show lines that config writes."""

from __future__ import annotations

import re

import pytest

from flask_embed.config import FRONTS, Deployment, Site, render, snippets
from flask_embed.config.deployment import EXTERNAL
from flask_embed.config.server import Written
from flask_embed.errors import PrefixError
from tests.serving import ROOT

PREFIXES = ["", "/shop", "/über+(x)"]
HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded")
#: the lines that no configuration of ours needs: for a site that was written without it
ADDED = {
    "nginx": {
        "include fastcgi_params;",  # stays; it has another Host, which the next line puts right
        "fastcgi_param HTTP_HOST $http_host;",
        "fastcgi_pass ADDRESS;",
        "fastcgi_param HTTP_AUTHORIZATION $http_authorization;",
        "proxy_set_header Authorization $http_authorization;",
        'proxy_set_header X-Forwarded-For "";',  # ours has the address of the client there
        "absolute_redirect off;",
        "fastcgi_request_buffering on;",
        "proxy_request_buffering on;",
        "fastcgi_buffering off;",
        "proxy_buffering off;",
    },
    "lighttpd": {
        'setenv.add-environment = ( "HTTPS" => "on" )',
        'proxy.forwarded = ( "for" => 1, "proto" => 1 )',
        "server.stream-request-body = 0",
    },
    "apache": {
        "UseCanonicalName Off",
        "SetEnv HTTPS on",
        "RequestHeader set X-Forwarded-Proto https",  # TLS may end in front of Apache
        "SetEnv proxy-sendcl 1",
        "flushpackets=on",  # the end of a line
    },
}


def plain(line: str) -> str:
    """A line without indentation and comment, and with one address in place of any."""
    line = re.sub(r"\s+#( .*)?$", "", line.strip())
    line = re.sub(r"(proxy_pass http://|\"http://)[\w.:]+", r"\1HOST", line)
    return re.sub(r'"(HOST|127\.0\.0\.1)", "port" => (PORT|8000)', "HOST", line).removesuffix(",")


def written(front: str, prefix: str) -> set[str]:
    """The lines of all configurations of a front, and the pairs of its lists."""
    lines: set[str] = set()
    for via in FRONTS[front].VIAS:
        made = Deployment(
            app="app:app",
            prefix=prefix,
            via=via,
            socket="/PATH" if via == "fastcgi" else None,
            tcp=("127.0.0.1:8000",) if via == "http" else (),
            script=None if via in EXTERNAL else "/PATH",
        )
        text = render(front, made)
        lines |= {plain(line) for line in text.splitlines()}
        lines |= set(re.findall(r'"[\w-]+" => ""', text))
    return lines


@pytest.mark.parametrize("gateway", [True, False])
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("front", FRONTS)
def test_each_line_for_a_site_is_one_that_config_writes(front: str, prefix: str, gateway: bool) -> None:
    known = written(front, prefix)

    for topic, several in snippets(front, Site(prefix, gateway, "https", HEADERS)).items():
        for snippet in several:
            assert snippet.where.removeprefix("or ").startswith(FRONTS[front].TITLE)
            for line in snippet.lines:
                assert plain(line) in known | ADDED[front], (topic, line)


@pytest.mark.parametrize("front", FRONTS)
def test_the_lines_that_are_added_are_needed(front: str) -> None:
    shown = {
        plain(line)
        for gateway in (True, False)
        for several in snippets(front, Site("/shop", gateway, "https", HEADERS)).values()
        for snippet in several
        for line in snippet.lines
    }

    assert ADDED[front] <= shown


@pytest.mark.parametrize("gateway", [True, False])
def test_a_line_break_in_a_path_moves_no_border_of_nginx(gateway: bool) -> None:
    (snippet,) = snippets("nginx", Site("/shop", gateway))["paths"]
    patterns = re.findall(r'"(\(\?s\).*)"', "\n".join(snippet.lines))

    assert len(patterns) == 2 if gateway else 1
    for pattern in patterns:
        split = re.compile(pattern.replace(r"\z", r"\Z"))
        assert split.match("/shop\n") is None
        assert split.match("/shop/a\nb") is not None
    if gateway:
        found = re.match(patterns[1].replace(r"\z", r"\Z"), "/shop/a\nb")
        assert found is not None
        assert found.groups() == ("/shop", "/a\nb")


def test_the_readme_shows_lines_that_config_writes() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = [line for line in readme.splitlines() if line.endswith("| `SCRIPT_NAME` and `PATH_INFO` | nothing |")]
    assert len(rows) == 1
    texts = {front: render(front, Deployment(app="app:app", prefix="/app", socket="/PATH")) for front in FRONTS}

    shown = [span.replace("\\|", "|") for span in re.findall(r"`([^`]+)`", rows[0].partition("| `SCRIPT_NAME`")[0])]

    assert any("fastcgi_split_path_info" in span for span in shown)
    for span in shown:
        assert any(span in text for text in texts.values()), span


def test_a_prefix_that_a_front_has_no_form_for_is_refused() -> None:
    for front in ("lighttpd", "apache"):
        with pytest.raises(PrefixError, match="begins a variable"):
            snippets(front, Site("/a$b", gateway=True))
    assert snippets("nginx", Site("/a$b", gateway=True))["paths"]


def test_a_line_that_is_not_written_is_an_error() -> None:
    config = Written("a {\n    b;\n    c (\n        d\n    )  # e\n}\n")

    assert config.line("c") == "c ("
    assert config.block("c") == ("c (", "    d", ")  # e")
    with pytest.raises(LookupError, match="begins with 'x'"):
        config.line("x")
