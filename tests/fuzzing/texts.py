"""Texts that people write: targets, prefixes, hosts, addresses, keys, sizes. Each has one form, or one line refuses it.

An input is which of them (one byte), and the text in UTF-8, with bytes that are none as surrogates.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flask_embed.answers import not_found
from flask_embed.commands.arguments import read_mode, read_seconds, read_size
from flask_embed.doctor.address import Address
from flask_embed.doctor.questions import questions_for
from flask_embed.environ import escape_controls, url_root_fault
from flask_embed.errors import LoadError, PrefixError, UsageError
from flask_embed.loading import check_target
from flask_embed.middleware import DispatcherMiddleware
from flask_embed.middleware.hosts import host_keys, normalize_host
from flask_embed.middleware.prefix import below, normalize_prefix
from tests.fuzzing import Target
from tests.security.checks import absent, check, equal, present

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSALS = (LoadError, PrefixError, UsageError, argparse.ArgumentTypeError)


def target(text: str) -> None:
    module, attribute, is_factory = check_target(text)
    equal(f"{module}:{attribute}{'()' * is_factory}", text, "the parts together")
    for mark in " \n\t/\\;'\"()[]{}":
        absent(mark, module + attribute)
    check(all([*module.split("."), *attribute.split(".")]), "an empty name")


def prefix(text: str) -> None:
    stored = normalize_prefix(text)
    written = stored.encode("latin-1").decode()
    check(stored == "" or (stored[0] == "/" and stored[-1] != "/"), f"the prefix is {stored!r}")
    check(not {"", ".", ".."}.intersection(stored.split("/")[1:]), f"the prefix is {stored!r}")
    equal(url_root_fault("", stored), None, "what is wrong with it as a SCRIPT_NAME")
    for spelling in (written, f"{written}/"):
        equal(normalize_prefix(spelling), stored, f"the form of {spelling!r}")
    equal(below(f"{stored}/x", stored), "/x", "what is below it")
    equal(below(f"{stored}x", stored), None, "what only begins like it")


def host(text: str) -> None:
    stored = normalize_host(text)
    equal(normalize_host(stored), stored, "the form of its form")
    name = stored.replace("*", "any")
    equal(url_root_fault(name, ""), None, "what is wrong with it as a Host")
    check(stored in host_keys({"HTTP_HOST": name}), f"{stored!r} is no key of a request for {name!r}")


def address(text: str) -> None:
    found = Address.of(text)
    equal(Address.of(found.url), found, "the address of its own URL")
    equal(url_root_fault(found.netloc, found.prefix), None, "what is wrong with it")
    check(0 < found.port < 65536, f"the port is {found.port}")
    for request in questions_for(found):
        check(request.target.isascii() and request.target.isprintable(), f"asked for is {request.target!r}")
        check(" " not in request.target and request.target.startswith("/"), f"asked for is {request.target!r}")


def key(text: str) -> None:
    dispatcher = DispatcherMiddleware(None, {text: not_found})
    if not text:  # the app for the rest, which is no mount
        return
    (shown,) = dispatcher.mounts
    equal(list(DispatcherMiddleware(None, {shown: not_found}).mounts), [shown], "the form of its form")
    try:
        dispatcher.mount(shown, not_found)
    except PrefixError as refusal:
        present("taken", str(refusal))
    else:
        raise AssertionError(f"two apps are mounted at {shown!r}")


def number(text: str) -> None:
    found: list[Any] = []
    for read in (read_size, read_seconds, read_mode):
        try:
            found.append(read(text))
        except argparse.ArgumentTypeError as refusal:
            check_refusal(refusal)
            found.append(None)
    size, seconds, mode = found
    check(size is None or 0 < size < 10**15 * 1024**3, f"the size is {size}")
    check(seconds is None or 0 <= seconds < 86400, f"the seconds are {seconds}")
    check(mode is None or 0 <= mode <= 0o777, f"the mode is {mode}")


KINDS: tuple[Callable[[str], None], ...] = (target, prefix, host, address, key, number)


def check_refusal(refusal: Exception) -> None:
    told = str(refusal)
    equal(escape_controls(told), told, "what a terminal would not act on")
    check(len(told) > 10, f"the refusal {told!r} says nothing")


def run(data: bytes) -> None:
    if not data:
        return
    text = data[1:].decode("utf-8", "surrogateescape")
    try:
        KINDS[data[0] % len(KINDS)](text)
    except REFUSALS as refusal:
        check_refusal(refusal)


def seeds(kind: Callable[[str], None], *texts: str) -> tuple[bytes, ...]:
    return tuple(bytes([KINDS.index(kind)]) + text.encode() for text in texts)


TARGET = Target(
    run,
    (
        *seeds(target, "shop:app", "shop.web:create()", "a:b.c", "shop", "os:system('x')", "ü:ä"),
        *seeds(
            prefix,
            "/shop",
            "shop/",
            "/",
            "",
            "//evil",
            "/a/../b",
            "/über",
            "/a b",
            "/a\x1b",
            "/%61",
            "/a\\b",
            "/a?b",
            "/…",
        ),
        *seeds(
            host, "example.com", "WWW.Example.com.", "*.example.com:80", "[::1]:8000", "bücher.example", "a..b", "::1"
        ),
        *seeds(
            address, "http://example.com:8000/shop", "https://[::1]/ü", "http://bücher.example", "http://u@h/?#", "x"
        ),
        *seeds(
            key, "/shop", "example.com/shop", "*.example.com:80/", "shop", "http://a/b", "[::1]/ü", "", "/", "a\x1b"
        ),
        *seeds(number, "64k", "16m", "1g", "0", "30", "1.5", "nan", "0660", "1e3", "none", "-1"),
    ),
    (
        b":",
        b"()",
        b".",
        b"/",
        b"//",
        b"*.",
        b"[::1]",
        b"http://",
        b"https://",
        b"%2F",
        b"xn--",
        b"\xef\xbc\x8f",
        b"\xe3\x80\x82",
    ),
    longest=200,
)
