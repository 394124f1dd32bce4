"""Every behaviour on every way: in-process, through each runner, and through each front that is configured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.servers.behaviours import BEHAVIOURS
from tests.servers.deviations import DEVIATIONS, NOTES, deviation
from tests.servers.matrix import README, replaced
from tests.servers.ways import WAYS, Broken, Way

if TYPE_CHECKING:
    from collections.abc import Iterator

#: seconds to wait for what is listed as not coming
PATIENCE_IN_VAIN = 0.5


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    _, start, prefix = WAYS[request.param]
    with start(prefix, tmp_path_factory.mktemp("way")) as started:
        yield started


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_behaviour(way: Way, request: pytest.FixtureRequest, behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = deviation(behaviour, request.node.callspec.params["way"])
    if listed is None:
        BEHAVIOURS[behaviour](way)
        return
    monkeypatch.setattr(way, "patience", PATIENCE_IN_VAIN)
    with pytest.raises((AssertionError, Broken, OSError)) as caught:
        BEHAVIOURS[behaviour](way)
    said = f"{type(caught.value).__name__}: {caught.value}"
    assert re.search(listed.seen, said), f"it deviates in another way than {listed.seen!r}: {said}"


def test_no_deviation_is_listed_for_nothing() -> None:
    used = {id(listed) for name in BEHAVIOURS for way in WAYS if (listed := deviation(name, way)) is not None}
    assert [listed for listed in DEVIATIONS if id(listed) not in used] == []
    assert list(NOTES) == list(dict.fromkeys(listed.note for listed in DEVIATIONS))
    assert {name for listed in DEVIATIONS for name in listed.behaviours} <= set(BEHAVIOURS)


def test_the_matrix_in_the_readme_is_current() -> None:
    text = README.read_text("utf-8")
    assert replaced(text) == text, "write it anew: python -m tests.servers.matrix"
