"""A verdict: its words, what it shows of a request, and the lines of the web server that put it right.

The lines are those of :mod:`flask_embed.config`, for the front that the doctor has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from flask_embed.config import FRONTS, Site, Snippet, snippets
from flask_embed.doctor.known import front_of, recognized, speaks_cgi, split
from flask_embed.environ import readable
from flask_embed.errors import PrefixError

if TYPE_CHECKING:
    from flask_embed.doctor.client import Answer
    from flask_embed.doctor.questions import Seen

__all__ = ["Verdict", "changes_for", "detail_of", "paths_unless_recognized", "shown", "unanswered"]


class Verdict(NamedTuple):
    """The answer of one check."""

    level: Literal["ok", "note", "fault"]
    #: in a few words
    text: str
    #: its effect on the app
    why: str = ""
    #: the request, what the app sees, what it should see: a line for each
    detail: tuple[str, ...] = ()
    #: the first helps, and so does each whose place begins with "or"
    changes: tuple[Snippet, ...] = ()


def shown(script_name: str, path_info: str) -> str:
    """Both variables on one line, with control characters escaped."""
    return f'SCRIPT_NAME "{readable(script_name)}", PATH_INFO "{readable(path_info)}"'


def detail_of(seen: Seen, answer: Answer) -> tuple[str, ...]:
    """The request, what the app sees and what it should see."""
    lines = [f"asked for   {answer.target}", f"app sees    {shown(*split(answer))}"]
    if answer.report is not None and answer.report["refused"]:
        lines.append(f"            refused by runners: {readable(answer.report['refused'])}")
    should = shown(seen.address.prefix, answer.rest) if answer.is_below else "nothing, it is not for this app"
    return (*lines, f"should see  {should}")


def unanswered(answer: Answer) -> str:
    """The outcome of a request that the probe has not answered."""
    return readable(answer.problem) or f"the front answers {answer.status} itself"


def changes_for(seen: Seen, topic: str, headers: tuple[str, ...] = ()) -> tuple[Snippet, ...]:
    """The lines of the front for a topic of :func:`flask_embed.config.snippets`; of each one if it is not known.

    *headers* must not reach the app.
    """
    front = front_of(seen)
    site = Site(seen.address.written, speaks_cgi(seen), seen.address.scheme, headers)
    found = (_of(name, site, topic) for name in FRONTS if front in (name, ""))
    return tuple(snippet for several in found for snippet in several)


def paths_unless_recognized(seen: Seen) -> tuple[Snippet, ...]:
    """The lines that hand paths over; none where the verdict on the configuration has them."""
    return () if recognized(seen) else changes_for(seen, "paths")


def _of(name: str, site: Site, topic: str) -> tuple[Snippet, ...]:
    try:
        return snippets(name, site).get(topic, ())
    except PrefixError as error:  # one that a URL may hold and this server has no form for
        if topic == "paths":
            return (Snippet(f"{FRONTS[name].TITLE}, in place of this prefix", (f"another one: {error}",)),)
        return snippets(name, site._replace(prefix="")).get(topic, ())
