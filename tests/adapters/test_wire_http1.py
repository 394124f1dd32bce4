"""The streams of tests/wire through adapters/serving/http1.py: whole, byte by byte, and in two pieces."""

from __future__ import annotations

import pytest

from tests.adapters.talking import bytewise, cut, statuses, talk
from tests.wire import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_is_answered_as_it_has_to_be_in_whatever_pieces_it_comes(case: Case) -> None:
    whole = talk([case.raw])

    assert statuses(whole) == case.expected("gevent")
    if len(case.raw) < 20_000:
        assert talk(bytewise(case.raw)) == whole
    for at in range(1, min(len(case.raw), 300), 1 if len(case.raw) < 20_000 else 50):
        assert talk(cut(case.raw, at)) == whole, f"cut at {at}"
