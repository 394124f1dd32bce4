"""Checks that a contender does the work that it is timed for: status, body and headers that mean the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from tests.benchmarks.asking import HOST, Answer, Visitor, ask
from tests.benchmarks.pages import Ran

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from _typeshed.wsgi import WSGIApplication

    from tests.benchmarks.workloads import Right, Workload


def check(
    app: WSGIApplication, workload: Workload, lacks: Collection[str] = (), ids: Collection[int] = (7, 9876)
) -> None:
    """AssertionError if *app* does not answer the requests with these *ids* as it should.

    *lacks* is what the framework has no means for: ``"vary"`` for its sessions, ``"teardown"`` among its hooks.
    """
    visitor = Visitor(app)
    for number in ids:
        right = workload.right(number)
        request = workload.request(number, visitor)
        ran = (Ran.before, Ran.after, Ran.teardown)
        answer = ask(app, request)
        wrong = list(_differences(answer, right, lacks))
        expected = (workload.hooks, workload.hooks, 0 if "teardown" in lacks else workload.hooks)
        found = (Ran.before - ran[0], Ran.after - ran[1], Ran.teardown - ran[2])
        if found != expected:
            wrong.append(f"{found} hooks before, after and at the end, not {expected}")
        cookies = answer.cookies
        if bool(cookies) != (right.then is not None):
            wrong.append(f"the cookies {cookies}")
        elif right.then is not None:
            if "path=/" not in answer.header("Set-Cookie").lower():
                wrong.append(f"the cookie {answer.header('Set-Cookie')!r}, which is not for all paths")
            variables = {"HTTP_COOKIE": "; ".join(cookies.values())}
            body = ask(app, request._replace(variables=variables)).body
            if body != right.then:
                wrong.append(f"the body {body!r} with the cookies {cookies}, not {right.then!r}")
        if wrong:
            raise AssertionError(f"{workload.name}, {request.method} {request.path}: {'; '.join(wrong)}")


def _differences(answer: Answer, right: Right, lacks: Collection[str]) -> Iterator[str]:
    """The differences from the right answer."""
    if answer.status != right.status:
        yield f"the status {answer.status}, not {right.status}"
    if right.body is not None and not _same_body(answer, right):
        yield f"the body {answer.body[:200]!r}, not {right.body[:200]!r}"
    type_found = answer.header("Content-Type").lower()
    if right.content_type is not None and not _same_type(type_found, right.content_type):
        yield f"the type {type_found!r}, not {right.content_type!r}"
    length = answer.header("Content-Length")
    if length != (str(len(answer.body)) if right.sized else ""):
        yield f"the length {length!r}"
    location = answer.header("Location")
    root = f"http://{HOST}/"
    if urljoin(root, location) != urljoin(root, right.location):
        yield f"the location {location!r}, not {right.location!r}"
    if right.allow and right.allow not in answer.header("Allow").replace(" ", "").split(","):
        yield f"Allow {answer.header('Allow')!r}, not {right.allow!r}"
    if answer.header("Content-Range") != right.content_range:
        yield f"the range {answer.header('Content-Range')!r}, not {right.content_range!r}"
    if right.varies and "vary" not in lacks and "cookie" not in answer.header("Vary").lower():
        yield f"Vary {answer.header('Vary')!r}"


def _same_body(answer: Answer, right: Right) -> bool:
    if right.content_type == "application/json" and right.body is not None:
        return bool(json.loads(answer.body) == json.loads(right.body))
    return answer.body == right.body


def _same_type(found: str, right: str) -> bool:
    """True if the types are the same, of HTML with its charset; without a body any type is right."""
    if right.startswith("text/html"):
        return found.replace(" ", "") == right.replace(" ", "")
    return not right or found.partition(";")[0] == right
