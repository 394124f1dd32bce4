"""Any text as a value of ``flask-embed config`` is refused in one line, or stays one word of the configuration."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from flask_embed.cli import main
from flask_embed.config import Deployment, commands, render, script
from flask_embed.errors import PrefixError, UsageError
from tests.core.languages import LANGUAGES, Quoted, shape

if TYPE_CHECKING:
    from pathlib import Path

#: the values of a deployment, in plain words
PLAIN: dict[str, Any] = {
    "app": "shop:app",
    "prefix": "/p",
    "socket": "/run/shop.sock",
    "script": "/srv/shop.wsgi",
    "web_server": "10.0.0.1",
    "server_name": "shop.example",
    "listen": "8080",
    "static": "/srv/files",
    "static_url": "/static",
    "chdir": "/srv",
    "python": "/usr/bin/python3",
    "user": "alice",
    "group": "web",
    "max_body": "16m",
}
#: the servers and the values that each way needs
WAYS: list[tuple[str, dict[str, Any]]] = [
    *((server, {"via": via, "socket": PLAIN["socket"]}) for server in LANGUAGES for via in ("fastcgi", "http")),
    *((server, {"via": "fastcgi", "tcp": ("10.0.0.2:9",), "web_server": "10.0.0.1"}) for server in LANGUAGES),
    *((server, {"via": "http", "tcp": ("127.0.0.1:8000",)}) for server in LANGUAGES),
    *(
        (server, {"via": via, "script": PLAIN["script"]})
        for server in ("lighttpd", "apache")
        for via in ("spawn", "cgi")
    ),
    ("apache", {"via": "wsgi", "script": PLAIN["script"]}),
]
PIECES = [
    *(
        '"',
        "'",
        "\\",
        "\\\\",
        '\\"',
        "$",
        "$host",
        "${a}",
        "%",
        "%h",
        "%%",
        ";",
        "{",
        "}",
        "#",
        "|",
        "*",
        "?",
        "[",
        "(",
        ")",
        "`",
    ),
    *("<", ">", "</VirtualHost>", "=", ",", "!", "-", "&", "~", "\n", "\r", "\r\n", "\t", " ", "\0", "\x85", "\u2028"),
    *("/", "//", "..", "a", "b", "ü", "€", "\udcff", "0", "10.0.0.1", "::1", ":", ".", "127.0.0.1:80", "<<app>>"),
    *("; evil on;", "\nevil on", "}\nserver {", "\\\nUser=root", "%\nevil", '" evil "', "evil:app", "unix:"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | st.text(max_size=8)
VALUES = TEXTS | TEXTS.map(lambda text: f"/{text}") | TEXTS.map(lambda text: f"/srv/a{text}b")


def refused(server: str, made: Deployment) -> str | None:
    """The message that refuses it, None if it is accepted."""
    messages: list[str | None] = []
    for ask in (render, commands):
        try:
            ask(server, made)
            messages.append(None)
        except (UsageError, PrefixError) as error:
            messages.append(str(error))
    assert messages[0] == messages[1]
    assert messages[0] is None or messages[0].isprintable()
    return messages[0]


def with_plain_values(made: Deployment) -> Deployment:
    """The deployment with values that have no meaning in any language."""
    given = asdict(made)
    for name, plain in PLAIN.items():
        if given[name] not in (None, getattr(Deployment, name, None)) and name not in ("listen", "max_body"):
            given[name] = plain if name != "prefix" or given[name].strip("/") else ""
    return Deployment(**given)


def some(statements: list[list[str]]) -> set[str]:
    """The set of all words."""
    return {word for statement in statements for word in statement}


@given(st.sampled_from(WAYS), st.dictionaries(st.sampled_from(sorted(PLAIN)), VALUES, min_size=1, max_size=3))
@example(("systemd", {"socket": "/run/shop.sock"}), {"chdir": "/srv/a\\"})
@example(("systemd", {"socket": "/run/shop.sock"}), {"chdir": "/srv/a "})
@example(WAYS[0], {"static": "/srv/a ", "prefix": "/a(b)+'c;"})
def test_no_value_is_more_than_a_value(way: tuple[str, dict[str, Any]], values: dict[str, str]) -> None:
    server, needed = way
    made = Deployment(**{"app": "shop:app", **needed, **values})
    if refused(server, made) is not None:
        return

    found = list(LANGUAGES[server](render(server, made)))

    assert shape(found) == shape(list(LANGUAGES[server](render(server, with_plain_values(made)))))
    words = some(found)
    if made.static is not None:
        assert f"{made.static.rstrip('/')}/" in words
    if made.socket is not None:
        assert any(made.socket in word for word in words if server == "systemd" or isinstance(word, Quoted))
    if made.script is not None and server == "apache":
        assert Quoted(made.script) in words or Quoted(f"{made.script}/") in words
    if server == "systemd":
        assert [statement[1:] for statement in found if statement[0] == "ExecStart"] == commands(server, made)
        assert [statement[1:] for statement in found if statement[0] == "WorkingDirectory"] == [
            [made.chdir or os.getcwd()]
        ]
        assert [statement[1:] for statement in found if statement[0] == "User"] == [[made.user]]


@given(st.sampled_from(WAYS), st.dictionaries(st.sampled_from(sorted(PLAIN)), VALUES, max_size=2))
@example(("nginx", {"via": "http", "tcp": ("127.0.0.1:8000",)}), {"web_server": "::1%\nevil"})
def test_the_first_comments_are_the_commands_whatever_they_hold(
    way: tuple[str, dict[str, Any]], values: dict[str, str]
) -> None:
    server, needed = way
    made = Deployment(**{"app": "shop:app", **needed, **values})
    if refused(server, made) is not None:
        return

    lines = render(server, made).partition("\n#\n")[0].split("\n")

    assert all(line.startswith("# ") for line in lines)
    if made.via == "wsgi":
        assert commands(server, made) == []
    else:
        assert [shlex.split(line.removeprefix("# ")) for line in lines] == commands(server, made)


@given(st.sampled_from(WAYS), TEXTS.map(lambda text: f"/a{text}"), st.sampled_from(["", "/", "/x", "x", "//x", "/x/y"]))
def test_a_prefix_matches_the_paths_below_it_and_no_others(
    way: tuple[str, dict[str, Any]], prefix: str, path: str
) -> None:
    server, needed = way
    made = Deployment(app="shop:app", prefix=prefix, **needed)
    if refused(server, made) is not None:
        return
    prefix = prefix.removesuffix("/")

    words = [word for word in some(list(LANGUAGES[server](render(server, made)))) if isinstance(word, Quoted)]

    for word in words:
        if word.startswith(("^", "(?s)^")):
            pattern = word.replace(r"\z", r"\Z").replace("(?i:", "(?:")
            assert (re.match(pattern, prefix + path) is not None) == (path[:1] in ("", "/")), word


@given(VALUES, st.sampled_from(["module.web:app", "shop:create()", "shop:site.app"]))
def test_a_script_runs_the_command_or_the_app(folder: str, app: str) -> None:
    for via in ("cgi", "wsgi"):
        made = Deployment(app=app, via=via, script="/srv/shop", chdir=folder, python="/usr/bin/python3")
        if refused("apache", made) is not None:
            return
        if via == "cgi":
            first, second, end = script(made).split("\n")
            assert (first, end) == ("#!/bin/sh", "")
            assert shlex.split(second) == ["exec", *commands("apache", made)[0]]
        else:
            compile(script(made), "shop.wsgi", "exec")


ODD_NAMES = ['a"b', "a\nb", "a\\", "a$b", "a b", "a%b", "a ", "ü"]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize(("server", "way"), WAYS)
def test_the_folder_of_the_user_is_no_more_than_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, way: dict[str, Any], name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    folder = os.getcwd()
    made = Deployment(app="shop:app", **way)

    message = refused(server, made)

    is_named = way["via"] in ("spawn", "cgi", "wsgi") or server == "systemd"
    if message is not None:
        assert is_named
        assert message.startswith("--chdir ")
        assert repr(folder) in message
        return
    found = list(LANGUAGES[server](render(server, made)))
    assert shape(found) == shape(list(LANGUAGES[server](render(server, with_plain_values(made)))))
    if server == "systemd":
        assert ["WorkingDirectory", folder] in found
    elif way["via"] == "wsgi":
        assert f"python-path={folder}" in some(found)


WORDS = [
    *(
        "nginx",
        "lighttpd",
        "apache",
        "systemd",
        "--app",
        "--prefix",
        "--via",
        "--runner",
        "--socket",
        "--tcp",
        "--script",
    ),
    *("--listen", "--static", "--max-body", "-w", "--chdir", "--user", "http", "spawn", "shop:app", "--", "-h"),
]


@given(st.lists(st.sampled_from(WORDS) | VALUES, max_size=8))
def test_any_command_line_ends_in_a_configuration_or_in_a_word(arguments: list[str]) -> None:
    ended = CliRunner().invoke(main, ["config", *arguments], prog_name="flask-embed")

    assert ended.exit_code in (0, 2)
    assert isinstance(ended.exception, SystemExit | None)
    assert (ended.stderr == "") == (ended.exit_code == 0)
    assert "Traceback" not in ended.output
