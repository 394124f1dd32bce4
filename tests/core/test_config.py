"""``flask-embed config``: the texts, and the values that are refused. tests/servers/ starts the servers with them."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from click.testing import CliRunner

from flask_embed.cli import main
from flask_embed.commands.arguments import options_of, parser_of
from flask_embed.config import SERVERS, VIAS, Deployment, commands, modules, render, script
from flask_embed.errors import PrefixError, UsageError
from flask_embed.options import Options
from tests.serving import ROOT

SOCKET = "/run/shop.sock"


def deployment(**values: Any) -> Deployment:
    if not {"socket", "tcp", "script"} & set(values):
        values["socket"] = SOCKET
    return Deployment(**{"app": "shop:app", **values})


def first_comments(text: str) -> list[str]:
    """The comments up to the first empty one."""
    return [line.removeprefix("# ") for line in text.partition("\n#\n")[0].splitlines()]


CHOICES: list[tuple[str, dict[str, Any]]] = [
    *(
        (server, {"via": via, "prefix": prefix})
        for server in SERVERS
        for via in ("fastcgi", "http")
        for prefix in ("", "/p")
    ),
    *((server, {"via": "http", "tcp": ("127.0.0.1:8000",), "runner": "tornado"}) for server in SERVERS),
    *((server, {"via": via, "script": "/srv/app"}) for server in ("lighttpd", "apache") for via in ("spawn", "cgi")),
    ("apache", {"via": "wsgi", "script": "/srv/app.wsgi"}),
    ("nginx", {"tcp": ("10.0.0.2:9000", "10.0.0.3:9000"), "web_server": "10.0.0.1", "workers": 4}),
    ("systemd", {"chdir": "/srv/the shop", "python": "/srv/the shop/venv/bin/python", "workers": 2}),
]


@pytest.mark.parametrize(("server", "values"), CHOICES)
def test_the_first_comments_are_the_commands(server: str, values: dict[str, Any]) -> None:
    made = deployment(**values)
    text = render(server, made)
    shown = [shlex.split(line) for line in first_comments(text)]
    if made.via == "wsgi":
        assert commands(server, made) == []
    else:
        assert shown == commands(server, made)
    assert text.endswith("\n")
    assert not re.search(r"<<|>>\w|[ \t]$|\n\n\n", text, re.MULTILINE)
    assert all(line.startswith("#") or not line.startswith("?") for line in text.splitlines())


@pytest.mark.parametrize(("server", "values"), CHOICES)
def test_a_runner_takes_the_command(server: str, values: dict[str, Any]) -> None:
    made = deployment(**values)
    for command in commands(server, made):
        assert command[1] == "-m"
        runner = command[2].removeprefix("flask_embed.")
        listening = [] if runner == "cgi" or "--bind" in command else ["--bind", "unix:/run/some.sock"]
        arguments = parser_of(runner).parse_args([*command[3:], *listening])
        assert arguments.app == "shop:app"
        if runner == "cgi":
            continue
        options = options_of(runner, arguments)
        if made.via == "http":
            assert options.trust_proxy == 1
            assert options.forwarded_allow_ips == (("unix",) if made.socket else ("127.0.0.1",))
        assert options.workers == made.workers


def test_a_runner_gets_the_prefix_if_the_server_does_not_take_it_off() -> None:
    assert "--prefix" not in commands("nginx", deployment(prefix="/p"))[0]
    assert commands("nginx", deployment(prefix="p/", via="http"))[0][4:6] == ["--prefix", "/p"]


def test_a_socket_of_systemd_is_not_named_twice() -> None:
    assert "--bind" not in commands("systemd", deployment())[0]
    assert f"ListenStream={SOCKET}\nSocketMode=0660\n" in render("systemd", deployment())
    assert "SocketMode" not in render("systemd", deployment(tcp=("127.0.0.1:9000",)))


def test_systemd_waits_longer_than_the_runner() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", render("systemd", deployment()), re.MULTILINE)
    assert found is not None
    assert int(found[1]) > Options.graceful_timeout


def test_runners_on_other_machines_trust_the_web_server_alone() -> None:
    remote = {"tcp": ("10.0.0.2:9000",), "web_server": "10.0.0.1,10.0.1.0/24"}
    assert commands("nginx", deployment(**remote))[0][-4:-2] == ["--web-server-addrs", "10.0.0.1,10.0.1.0/24"]
    via_http = commands("nginx", deployment(**remote, via="http"))[0]
    assert via_http[via_http.index("--forwarded-allow-ips") + 1] == "10.0.0.1,10.0.1.0/24"
    ipv6 = commands("nginx", deployment(tcp=("[::1]:8000",), via="http"))[0]
    assert ipv6[ipv6.index("--forwarded-allow-ips") + 1] == "::1"


def test_health_is_watched_if_there_are_several_runners() -> None:
    one = render("nginx", deployment(tcp=("127.0.0.1:9000",)))
    two = render("nginx", deployment(tcp=("127.0.0.1:9000", "127.0.0.1:9001")))
    assert "next_upstream" not in one
    assert "max_fails" not in one
    assert two.count("max_fails=2 fail_timeout=10s;") == 2
    assert "fastcgi_next_upstream error timeout;" in two
    assert "non_idempotent" not in two


@pytest.mark.parametrize(
    ("server", "size", "line"),
    [
        ("nginx", "64k", "client_max_body_size 64k;"),
        ("nginx", "none", "client_max_body_size 0;"),
        ("lighttpd", "1m", "server.max-request-size = 1024 "),
        ("lighttpd", "1", "server.max-request-size = 1 "),
        ("lighttpd", "none", "server.max-request-size = 0 "),
        ("apache", "1G", "LimitRequestBody 1073741824"),
        ("apache", "none", "LimitRequestBody 0"),
    ],
)
def test_the_largest_body(server: str, size: str, line: str) -> None:
    made = deployment(max_body=size)
    assert f"    {line}" in render(server, made)
    assert ("--limit-body" in commands(server, made)[0]) == (server == "apache" and size != "none")


def test_a_script_is_the_command_or_the_app() -> None:
    cgi = deployment(via="cgi", script="/srv/a.cgi", python="/v/python", chdir="/srv/the app", app="shop.web:make()")
    assert script(cgi) == "#!/bin/sh\nexec /v/python -m flask_embed.cgi 'shop.web:make()' --chdir '/srv/the app'\n"
    wsgi = deployment(via="wsgi", script="/srv/a.wsgi", app="shop.web:site.make()")
    assert script(wsgi).splitlines()[1:] == [
        "from shop.web import site",
        "",
        "application = StrictEnviron(site.make())",
    ]


def test_systemd_words_are_quoted() -> None:
    made = deployment(python='/a "b"/%h/$c/\\d', chdir="/srv/100%")
    text = render("systemd", made)
    assert '\nExecStart="/a \\"b\\"/%%h/$$c/\\\\d" -m flask_embed.fastcgi shop:app --chdir /srv/100%%\n' in text
    assert "\nWorkingDirectory=/srv/100%%\n" in text


def test_the_modules_of_apache_are_named() -> None:
    for via in VIAS:
        made = deployment(via=via, **({"script": "/srv/app"} if via in ("spawn", "cgi", "wsgi") else {}))
        assert f"a2enmod {' '.join(modules(made))} &&" in render("apache", made)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("caddy", {}, "unknown server 'caddy': write one of nginx, lighttpd, apache, systemd"),
    ("nginx", {"via": "ftp"}, "--via 'ftp' is unknown: write one of fastcgi, http, spawn, cgi, wsgi"),
    ("nginx", {"via": "cgi", "script": "/a"}, "nginx does not offer --via cgi: write one of fastcgi, http"),
    ("lighttpd", {"via": "wsgi", "script": "/a"}, "lighttpd does not offer --via wsgi"),
    ("systemd", {"via": "spawn", "script": "/a"}, "systemd does not offer --via spawn"),
    ("nginx", {"runner": "flup", "via": "http"}, "--runner 'flup' is unknown: write gevent or tornado"),
    ("nginx", {"app": "shop"}, "--app 'shop' is malformed: write module:attribute or module:factory()"),
    ("nginx", {"app": "os:system('x')"}, "is malformed: write module:attribute"),
    ("nginx", {"app": "a:b\n; evil"}, r"--app 'a:b\n; evil' is malformed"),
    ("nginx", {"socket": "run/a.sock"}, "--socket 'run/a.sock' is a relative path: begin with a slash"),
    (
        "nginx",
        {"socket": "/run/a\n;.sock"},
        r"--socket '/run/a\n;.sock' holds '\n', which a line of a configuration cannot hold",
    ),
    (
        "nginx",
        {"socket": "/run/$host.sock"},
        "--socket '/run/$host.sock' holds '$', which has a meaning in configurations of nginx",
    ),
    ("nginx", {"socket": f"/{'x' * 107}"}, "is longer than the 107 bytes"),
    ("nginx", {"static": "/srv/$a"}, "--static '/srv/$a' holds '$'"),
    ("lighttpd", {"static": '/srv/"'}, "holds '\"', which has a meaning in configurations of lighttpd"),
    ("lighttpd", {"socket": "/run/a\\b"}, "holds '\\\\', which has a meaning in configurations of lighttpd"),
    ("apache", {"static": "/srv/${a}"}, "holds '$', which has a meaning in configurations of apache"),
    ("apache", {"static": "/srv/*"}, "holds '*', which has a meaning in configurations of apache"),
    ("apache", {"socket": "/run/a|b"}, "holds '|', which has a meaning in configurations of apache"),
    ("apache", {"socket": "/run/a#b"}, "--socket '/run/a#b' holds '#'"),
    ("apache", {"via": "spawn", "script": "/srv/a b"}, "--script '/srv/a b' holds a space"),
    ("apache", {"via": "spawn"}, "with --via spawn the web server starts the app: leave --socket out"),
    (
        "apache",
        {"via": "wsgi", "tcp": ("127.0.0.1:1",)},
        "with --via wsgi the web server starts the app: leave --tcp out",
    ),
    ("apache", {"via": "spawn", "tcp": ()}, "--via spawn needs --script /srv/app/app.fcgi"),
    ("lighttpd", {"via": "cgi", "script": "/a", "workers": 2}, "--workers 2: --via cgi has a process for each request"),
    (
        "nginx",
        {"script": "/a", "socket": SOCKET},
        "--script is for --via spawn, cgi and wsgi; leave it out for --via fastcgi",
    ),
    ("nginx", {"tcp": ()}, "name the address of the runner: either --socket /run/app.sock, or --tcp 127.0.0.1:9000"),
    ("nginx", {"socket": SOCKET, "tcp": ("127.0.0.1:1",)}, "name the address of the runner"),
    ("nginx", {"tcp": ("9000",)}, "--tcp '9000' is malformed: write 127.0.0.1:9000"),
    ("nginx", {"tcp": ("127.0.0.1:70000",)}, "--tcp '127.0.0.1:70000' has a port out of range"),
    ("nginx", {"tcp": ("127.0.0.1:9000; evil",)}, "--tcp '127.0.0.1:9000; evil' is malformed"),
    ("nginx", {"tcp": ("10.0.0.2:9000",)}, "name the web server's address with --web-server 10.0.0.1"),
    ("apache", {"tcp": ("127.0.0.1:1", "127.0.0.1:2")}, "--tcp is given 2 times, but apache takes one runner"),
    ("nginx", {"tcp": ("10.0.0.2:9",), "web_server": "evil"}, "--web-server 'evil' is malformed"),
    ("nginx", {"web_server": "10.0.0.1"}, "--web-server 10.0.0.1 is for --tcp"),
    ("nginx", {"server_name": "a;b"}, "--server-name 'a;b' is malformed"),
    ("nginx", {"server_name": "über.example"}, "--server-name 'über.example' is malformed"),
    ("nginx", {"server_name": "a\n"}, r"--server-name 'a\n' is malformed"),
    ("nginx", {"listen": "http"}, "--listen 'http' is malformed: write 80, or 127.0.0.1:8080"),
    ("nginx", {"listen": "0"}, "--listen '0' has a port out of range"),
    ("nginx", {"listen": "999.0.0.1:80"}, "--listen '999.0.0.1:80' has a malformed address"),
    ("systemd", {"listen": "80"}, "--listen 80 is for a web server"),
    ("nginx", {"max_body": "16x"}, "--max-body '16x' is malformed: write 64k, 16m, 1g or none"),
    ("nginx", {"max_body": "0"}, "--max-body '0' is malformed"),
    ("nginx", {"workers": 0}, "--workers 0 is out of range: write 1 to 1000"),
    ("systemd", {"user": "a b"}, "--user 'a b' is malformed"),
    ("nginx", {"group": "x;y"}, "--group 'x;y' is malformed"),
    ("nginx", {"static": "/s", "static_url": "//x"}, "--static-url: the path '//x' starts with '//'"),
    (
        "nginx",
        {"static": "/s", "static_url": "/"},
        "--static-url '/' cannot be the path of files: write one like /static",
    ),
    ("nginx", {"prefix": "//x"}, "the prefix '//x' starts with '//'"),
    ("nginx", {"prefix": "/a b"}, "the prefix '/a b' holds white space"),
    (
        "nginx",
        {"prefix": '/a"b'},
        "the prefix '/a\"b' holds '\"', which a URL holds percent-encoded only; leave it out",
    ),
    ("nginx", {"prefix": "/{a}"}, "the prefix '/{a}' holds '{'"),
    ("nginx", {"prefix": "/a|b"}, "holds '|'"),
    ("apache", {"prefix": "/a$b"}, "the prefix '/a$b' holds '$', which begins a variable in apache; leave it out"),
    ("lighttpd", {"prefix": "/a$b"}, "holds '$', which begins a variable in lighttpd"),
]


@pytest.mark.parametrize(("server", "values", "message"), REFUSED)
def test_a_malformed_or_contradictory_value_is_refused(server: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, PrefixError)) as refused:
        render(server, deployment(**values))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises((UsageError, PrefixError)):
        commands(server, deployment(**values))


# The command


def run(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(main, ["config", *arguments], prog_name="flask-embed")
    return ended.exit_code, ended.stdout, ended.stderr


def test_the_command_prints_the_configuration() -> None:
    status, out, err = run("nginx", "--app", "shop:app", "--prefix", "/shop", "--socket", SOCKET, "--static", "/srv/s")
    assert (status, err) == (0, "")
    assert out == render("nginx", deployment(prefix="/shop", static="/srv/s"))
    assert run("lighttpd", "--app", "shop:app", "--tcp", "127.0.0.1:8000", "--runner", "tornado")[1] == render(
        "lighttpd", deployment(via="http", runner="tornado", tcp=("127.0.0.1:8000",))
    )


def test_a_mistake_in_the_command_is_one_line() -> None:
    assert run("nginx", "--app", "shop:app", "--tcp", "x") == (
        2,
        "",
        "flask-embed config: --tcp 'x' is malformed: write 127.0.0.1:9000\n",
    )
    assert run("nginx", "--app", "shop:app", "--socket", SOCKET, "--runner", "gevent", "--via", "fastcgi") == (
        2,
        "",
        "flask-embed config: --runner gevent speaks HTTP: leave it out for --via fastcgi\n",
    )
    assert run("nginx", "--socket", SOCKET)[0] == 2


def test_the_commands_of_the_readme_print_configurations() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    lines = re.findall(r"^flask-embed config (.*)$", readme.replace("\\\n", ""), re.MULTILINE)
    assert {line.split()[0] for line in lines} == set(SERVERS)
    for line in lines:
        status, out, err = run(*shlex.split(re.sub(r"\s+[>|#] .*", "", line)))
        assert (status, err) == (0, ""), line
        assert out.startswith("# "), line


def test_the_command_offers_each_server_and_each_way() -> None:
    from flask_embed.cli import config as command

    offered = {option.name: getattr(option.type, "choices", ()) for option in command.params}
    assert tuple(offered["server"]) == SERVERS
    assert tuple(offered["via"]) == VIAS
