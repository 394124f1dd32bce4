"""The configurations of web servers and of systemd as these read them, as far as their quoting goes.

Each function gives the statements of a text, one after the other, each as its words: what is quoted comes as what it
stands for, and is a :class:`Quoted`, so that a word that was to be one can be told from one that has become more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LANGUAGES", "Quoted", "shape"]


class Quoted(str):
    """A word that stood in quotes."""

    __slots__ = ()


_NGINX = re.compile(
    r"""\s*(?:(?P<comment>\#[^\n]*)|(?P<mark>[;{}])|"(?P<double>(?:[^"\\]|\\.)*)"(?=[\s;{})]|\Z)"""
    r"""|'(?P<single>(?:[^'\\]|\\.)*)'(?=[\s;{})]|\Z)|(?P<word>(?:[^\s;{}\\]|\\.)+))""",
    re.DOTALL,
)


def nginx(text: str) -> Iterator[list[str]]:
    """Directives, which end with a semicolon, and what stands before and behind braces (ngx_conf_file.c)."""
    words: list[str] = []
    for match in _each(_NGINX, text):
        if match["comment"] is not None:
            continue
        if match["mark"] is not None:
            yield [*words, match["mark"]]
            words = []
            continue
        quoted = match["double"] if match["double"] is not None else match["single"]
        if quoted is not None:
            words.append(Quoted(re.sub(r"\\([\"'\\])", r"\1", quoted)))
        else:
            words.append(match["word"])
    if words:
        raise ValueError(f"a directive without an end: {words}")


_LIGHTTPD = re.compile(
    r"""[^\S\n]*(?:(?P<comment>\#[^\n]*)|(?P<line>\n)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<mark>=>|=~|==|\+=|[=(){},])"""
    r"""|(?P<word>[\w.$\[-]+\]?|\]))""",
    re.DOTALL,
)


def lighttpd(text: str) -> Iterator[list[str]]:
    """Lines, which have no continuation: what is in parentheses may have more than one (configfile-glue.c)."""
    words: list[str] = []
    for match in _each(_LIGHTTPD, text):
        if match["comment"] is not None:
            continue
        if match["line"] is not None:
            if words:
                yield words
            words = []
        elif match["quoted"] is not None:
            words.append(Quoted(match["quoted"].replace('\\"', '"')))
        else:
            words.append(match["mark"] or match["word"])
    if words:
        yield words


_APACHE = re.compile(
    r"""[ \t]*(?:(?P<option>[\w-]+=)?"(?P<quoted>(?:[^"\\]|\\.)*)"(?=[ \t>]|\Z)|(?P<word>[^ \t"]+))""", re.DOTALL
)


def apache(text: str) -> Iterator[list[str]]:
    """Lines, of which one that ends with a backslash goes on in the next (ap_cfg_getline, ap_getword_conf)."""
    for line in re.sub(r"\\\n", "", text).split("\n"):
        stripped = line.strip(" \t\r\f\v")
        if not stripped or stripped.startswith("#"):
            continue
        yield [
            match["word"]
            if match["quoted"] is None
            else Quoted((match["option"] or "") + re.sub(r'\\(["\\])', r"\1", match["quoted"]))
            for match in _each(_APACHE, stripped)
        ]


_SYSTEMD = re.compile(r"""\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s|\Z)|(?P<word>[^\s"']+))""", re.DOTALL)


def systemd(text: str) -> Iterator[list[str]]:
    """Sections and settings (systemd.syntax(7)); that of a command is taken apart into words (systemd.service(5))."""
    text = "\n".join(line for line in text.split("\n") if line.lstrip()[:1] not in ("#", ";"))
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        stripped = line.strip()
        if not stripped:
            continue
        name, equals, value = stripped.partition("=")
        if not equals:
            yield [stripped]
        elif name.startswith("Exec"):
            words = [
                match["word"] if match["quoted"] is None else Quoted(re.sub(r"\\(.)", r"\1", match["quoted"]))
                for match in _each(_SYSTEMD, value)
            ]
            yield [name, *(word.replace("%%", "%").replace("$$", "$") for word in words)]
        else:
            yield [name, value.replace("%%", "%")]


def _each(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The matches that *text* consists of; ValueError for other text."""
    position = 0
    text = text.rstrip(" \t\n")
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            raise ValueError(f"what is {text[position : position + 40]!r}?")
        yield match
        position = match.end()


def shape(statements: list[list[str]]) -> list[tuple[int, list[str]]]:
    """The shape of statements without quoted texts and values: their numbers of words, and their marks."""
    return [
        (len(words), [word for word in words if not isinstance(word, Quoted) and re.fullmatch(r"[^\w/]+", word)])
        for words in statements
    ]


LANGUAGES: dict[str, Callable[[str], Iterator[list[str]]]] = {
    "nginx": nginx,
    "lighttpd": lighttpd,
    "apache": apache,
    "systemd": systemd,
}
