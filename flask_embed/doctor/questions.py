"""The requests that the doctor sends through a front to the probe; nothing is judged here."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flask_embed.doctor.client import Answer, Client, Headers, Question, UnreachableError
from flask_embed.environ import readable
from flask_embed.probe import AUTHORIZATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask_embed.doctor.address import Address

__all__ = ["BODY", "FORGED", "TWINS", "Seen", "ask_all", "questions_for", "unreachable"]

#: headers of a client that tries to pass for the front; each value is unmistakable
FORGED: Headers = (
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Host", "forged.example"),
    ("X-Forwarded-Port", "4242"),
    ("X-Forwarded-Prefix", "/forged-by-x-forwarded-prefix"),
    ("Script-Name", "/forged-by-script-name"),
    ("X-Script-Name", "/forged-by-x-script-name"),
    ("Proxy", "http://forged.example:3128"),
)
#: the same with underscores, which are dashes to CGI and WSGI (RFC 3875 section 4.1.18)
TWINS: Headers = (
    ("X-Flask-Embed-Twin", "dashes"),
    ("X_Flask_Embed_Twin", "underscores"),
    ("X_Forwarded_For", "203.0.113.8"),
    ("X_Forwarded_Host", "twin.example"),
    ("X_Forwarded_Prefix", "/forged-by-x_forwarded_prefix"),
    ("Script_Name", "/forged-by-script_name"),
    ("X_Script_Name", "/forged-by-x_script_name"),
)
#: the body of the requests that have one
BODY = b"0123456789abcdef" * 64


@dataclass(frozen=True)
class Seen:
    """All answers that the doctor has got: the checks judge them."""

    address: Address
    #: by the names of the requests: path, slash, bare, border, outside, text, encoded, doubled, forged, twins,
    #: authorization, body, chunked
    answers: Mapping[str, Answer]
    #: ``stream`` and ``unbuffered``: "streamed", "whole", or what else happened
    streams: Mapping[str, str] = field(default_factory=dict)


def questions_for(address: Address) -> list[Question]:
    """The requests in their order; one of path, slash and bare has to be answered by the probe."""
    base = address.quoted
    hello, rest = f"{base}/hello/there", "/hello/there"
    other = "http" if address.scheme == "https" else "https"
    below = [Question("bare", base, "")] if base else []
    beside = [Question("border", f"{base}foo", None), Question("outside", "/", None)] if base else []
    return [
        Question("path", hello, rest),
        Question("slash", f"{base}/", "/"),
        *below,
        *beside,
        Question("text", f"{base}/%2541-%C3%BC?x=%26", "/%41-\xc3\xbc"),
        Question("encoded", f"{base}/hello%20w%2Forld", "/hello w/orld"),
        Question("doubled", f"{base}//double//slash", "//double//slash"),
        Question("forged", hello, rest, (*FORGED, ("X-Forwarded-Proto", other))),
        Question("twins", hello, rest, (*TWINS, ("X_Forwarded_Proto", other))),
        Question("authorization", hello, rest, (("Authorization", AUTHORIZATION),)),
        Question("body", hello, rest, (), (BODY,)),
        Question("chunked", hello, rest, (), (BODY[:512], BODY[512:])),
    ]


def ask_all(address: Address, token: str, timeout: float = 10.0) -> Seen:
    """The answers to all requests, each with *timeout* seconds; none is sent once two were not answered.

    :exc:`UnreachableError` if the probe answers none of the plain ones.
    """
    context = ssl.create_default_context() if address.scheme == "https" else None
    client = Client(address, token, timeout, context)
    answers: dict[str, Answer] = {}
    silent = 0
    for request in questions_for(address):
        if silent >= 2:
            answer = Answer(request.target, problem="not asked, since two others were not answered")
        else:
            try:
                answer = client.ask(request)
            except UnreachableError as error:
                if not answers:
                    raise
                answer = Answer(request.target, problem=str(error))
            silent += not answer.status
        answers[request.name] = replace(answer, rest=request.rest or "", is_below=request.rest is not None)
        if not answers["path"].status:
            raise unreachable(address, answers["path"])
        if request.name not in ("path", "slash", "bare") and not any(found.report for found in answers.values()):
            raise unreachable(address, answers["path"])
    streams: dict[str, str] = {}
    for verb in ("stream", "unbuffered"):
        if streams.get("stream") != "streamed" and silent < 2:
            try:
                streams[verb] = client.stream(verb)
            except UnreachableError as error:
                streams[verb] = str(error)
    return Seen(address, answers, streams)


def unreachable(address: Address, answer: Answer) -> UnreachableError:
    """The error for an answer that is not the probe's."""
    status, url = answer.status, address.url
    server = f" ({readable(answer.headers['server'][:60])})" if "server" in answer.headers else ""
    if not status:
        kind = "timeout" if "within" in answer.problem else "no-http"
        return UnreachableError(
            kind, f"{address.host} port {address.port} accepts the connection, but: {answer.problem}"
        )
    if answer.problem:
        return UnreachableError("not-served", f"{url} answers from a cache; switch the cache of the front off there")
    if status in (301, 302, 303, 307, 308):
        there = answer.headers.get("location", "")[:200].removesuffix("/hello/there")
        return UnreachableError("elsewhere", f"{url} answers {status} and leads to {there!r}: ask that address")
    if status in (401, 403):
        return UnreachableError(
            "log-in", f"{url} answers {status}: the front{server} asks for a log-in; let this machine in without one"
        )
    if status in (500, 502, 503, 504):
        return UnreachableError(
            "front",
            f"{url} answers {status}: the front{server} gets no answer from the probe; start "
            "flask_embed.probe:app where the front looks for the app, and read its error log",
        )
    if status == 400 and address.scheme == "http":
        return UnreachableError("no-http", f"{url} answers 400{server}: if this is a port for TLS, write https://")
    if status == 404:
        return UnreachableError(
            "not-served",
            f"{url} answers 404{server}: flask_embed.probe:app is not served there, or has another token in "
            "FLASK_EMBED_PROBE_TOKEN than this command",
        )
    return UnreachableError("not-served", f"{url} answers {status}{server}, but not as flask_embed.probe:app does")
