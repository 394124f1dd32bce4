"""FastCGI records: cut at every border, spread over records of every size, and refused where they are none."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_embed.adapters.serving.fcgi_records import ProtocolError, Records, encoded_pairs, end, finish, output, pairs
from tests.adapters.records import (
    ABORT,
    BEGIN,
    DATA,
    END,
    GET_VALUES,
    PARAMS,
    STDIN,
    STDOUT,
    UNKNOWN,
    VALUES,
    begin,
    record,
    stream,
)  # fmt: skip
from tests.adapters.talking import unread

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLES = {"REQUEST_METHOD": "POST", "EMPTY": "", "HTTP_COOKIE": "ü" * 300, "PATH_INFO": "/a b", "x" * 127: "y" * 128}


def whole(size: int = 65535, padding: int = 0, body: bytes = b"the body" * 9) -> bytes:
    """A request in records of *size*."""
    return begin() + stream(PARAMS, encoded_pairs(VARIABLES), size, padding) + stream(STDIN, body, size, padding)


def receive_bytes(records: Records, data: bytes) -> None:
    for i in range(len(data)):
        records.receive(data[i : i + 1])


def assert_is_whole(records: Records) -> None:
    request = records.request
    assert request is not None
    assert request.variables == VARIABLES
    assert unread(request.body) == b"the body" * 9
    assert request.input_ended
    assert (request.id, request.keeps_connection, request.aborted) == (1, False, False)
    assert records.replies == b""


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 127, 128, 65535])
@pytest.mark.parametrize("padding", [0, 1, 7, 255])
def test_a_request_is_the_same_in_records_of_any_size(size: int, padding: int) -> None:
    records = Records()

    records.receive(whole(size, padding))

    assert_is_whole(records)


@pytest.mark.parametrize("padding", [0, 3])
def test_nor_does_it_matter_where_what_comes_is_cut(padding: int) -> None:
    data = whole(100, padding)
    for cut in range(len(data) + 1):
        records = Records()
        records.receive(data[:cut])
        records.receive(data[cut:])
        assert_is_whole(records)


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 8, 13])
def test_or_in_how_many_pieces_it_comes(piece: int) -> None:
    records, data = Records(), whole(50, 5)

    for i in range(0, len(data), piece):
        records.receive(data[i : i + piece])

    assert_is_whole(records)


@given(
    st.dictionaries(
        st.text(st.characters(max_codepoint=255), max_size=300), st.text(max_size=0) | st.text("aü", max_size=300)
    )
)
def test_names_and_values_come_back_as_they_were(values: dict[str, str]) -> None:
    assert pairs(encoded_pairs(values)) == values


def test_a_body_is_handed_on_before_its_record_is_whole() -> None:
    records = Records()
    head = begin() + stream(PARAMS, encoded_pairs({"A": "b"}), 99)

    records.receive(head + record(STDIN, b"x" * 1000)[:508])

    assert records.request is not None
    assert unread(records.request.body) == b"x" * 500
    assert not records.request.input_ended


def test_of_two_values_for_one_name_the_last_one_counts() -> None:
    assert pairs(encoded_pairs({"A": "1"}) + encoded_pairs({"A": "2"})) == {"A": "2"}


def test_a_connection_carries_one_request_after_the_other() -> None:
    records = Records()
    for _ in range(3):
        assert records.is_quiet
        records.receive(whole())
        assert not records.is_quiet
        assert_is_whole(records)
        records.next()


def test_what_still_comes_of_a_request_that_was_answered_is_dropped() -> None:
    records = Records()
    records.receive(begin(flags=1) + stream(PARAMS, encoded_pairs({"A": "b"}), 99) + record(STDIN, b"half"))
    records.next()

    records.receive(record(STDIN, b"the other half") + record(STDIN) + record(ABORT))
    assert records.is_quiet
    records.receive(whole())

    assert_is_whole(records)


def test_variables_above_the_limit_are_dropped_and_their_size_is_told() -> None:
    records = Records(limit=1000)

    records.receive(begin() + stream(PARAMS, encoded_pairs({"A": "b" * 5000}), 900))

    request = records.request
    assert request is not None
    assert request.variables == {}
    assert request.size > request.limit


def test_a_second_request_at_a_time_is_refused_and_the_first_goes_on() -> None:
    records, data = Records(), whole()

    records.receive(data[:40] + b"")
    records.receive(data[40:])
    records.receive(begin(2) + record(PARAMS, encoded_pairs({"A": "of the second"}), 2) + record(PARAMS, b"", 2))

    assert records.replies == end(2, 1)
    records.replies = b""
    assert_is_whole(records)


@pytest.mark.parametrize("role", [0, 2, 3, 65535])
def test_another_role_is_refused(role: int) -> None:
    records = Records()

    records.receive(begin(role=role) + stream(PARAMS, encoded_pairs({"A": "b"}), 99))

    assert records.replies == end(1, 3)
    assert records.request is None


def test_an_authorizer_has_no_body_to_wait_for() -> None:
    records = Records(roles=(1, 2))

    records.receive(begin(role=2) + stream(PARAMS, encoded_pairs({"A": "b"}), 99))

    assert records.request is not None
    assert records.request.input_ended


def test_an_abort_ends_the_body() -> None:
    records = Records()

    records.receive(begin() + stream(PARAMS, encoded_pairs({"A": "b"}), 99) + record(ABORT))

    assert records.request is not None
    assert records.request.aborted
    assert records.request.input_ended


def test_an_abort_of_another_request_is_nothing() -> None:
    records = Records()

    records.receive(begin() + stream(PARAMS, encoded_pairs({"A": "b"}), 99) + record(ABORT, number=7))

    assert records.request is not None
    assert not records.request.aborted


def test_values_are_told_and_unknown_ones_left_out() -> None:
    records = Records(values={"FCGI_MAX_CONNS": "7", "FCGI_MPXS_CONNS": "0"})

    records.receive(record(GET_VALUES, encoded_pairs({"FCGI_MAX_CONNS": "", "FCGI_OTHER": ""}), 0))

    content = encoded_pairs({"FCGI_MAX_CONNS": "7"})
    assert records.replies == struct.pack("!BBHHBx", 1, VALUES, 0, 17, 7) + content + bytes(7)
    assert records.is_quiet


@pytest.mark.parametrize("kind", [0, 4, 5, 12, 255])
def test_an_unknown_management_record_is_answered(kind: int) -> None:
    records = Records()

    records.receive(record(kind, b"", 0))

    assert records.replies == record(UNKNOWN, bytes([kind]) + bytes(7), 0)


def test_an_unknown_record_of_a_request_is_passed_over() -> None:
    records = Records()

    records.receive(begin() + record(99, b"what?") + record(DATA, b"data") + whole()[16:])

    assert_is_whole(records)


def _faults() -> Iterator[tuple[str, bytes]]:
    params = stream(PARAMS, encoded_pairs({"A": "b"}), 99)
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "TLS", b"\x16\x03\x01\x02\x00"
    yield "a bad version", record(BEGIN, bytes(8), version=2)
    yield "version 0", record(BEGIN, bytes(8), version=0)
    yield "begin with too little", record(BEGIN, b"\0\1")
    yield "begin with too much", record(BEGIN, b"\0\1" + bytes(20))
    yield "begin without a number", begin(0)
    yield "a request begun twice", begin() + begin()
    yield "begun again in its body", begin() + params + begin()
    yield "variables after their end", begin() + params + record(PARAMS, b"\1\1Ab")
    yield "a body before the variables", begin() + record(STDIN, b"x")
    yield "a name that is cut off", begin() + record(PARAMS, b"\5\1Ab") + record(PARAMS)
    yield "a value that is cut off", begin() + record(PARAMS, b"\1\5Ab") + record(PARAMS)
    yield "a length that is cut off", begin() + record(PARAMS, b"\x80\0") + record(PARAMS)
    yield "a value length that is cut off", begin() + record(PARAMS, b"\1\x80\0\0") + record(PARAMS)
    yield "a length without a value length", begin() + record(PARAMS, b"\1") + record(PARAMS)
    yield "a huge length", begin() + record(PARAMS, b"\xff\xff\xff\xff\1A") + record(PARAMS)
    yield "a huge management record", record(GET_VALUES, bytes(5000), 0)
    yield "values that are cut off", record(GET_VALUES, b"\x0eFCGI", 0)
    yield "ten thousand begins", begin() + b"".join(begin(number) for number in range(2, 10_002))
    yield "ten thousand questions", record(GET_VALUES, b"", 0) * 10_000


FAULTS = dict(_faults())


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_fastcgi_is_told_at_once(fault: str) -> None:
    records = Records()

    with pytest.raises(ProtocolError):
        records.receive(FAULTS[fault])

    assert len(records.replies) <= 64 * 24


@pytest.mark.parametrize("fault", FAULTS)
def test_or_when_it_comes_byte_by_byte(fault: str) -> None:
    records = Records()

    with pytest.raises(ProtocolError):
        receive_bytes(records, FAULTS[fault])


@pytest.mark.parametrize("cut", range(1, len(whole(100)), 7))
def test_a_request_that_is_cut_off_is_no_request(cut: int) -> None:
    records = Records()

    records.receive(whole(100)[:cut])

    assert records.request is None or records.request.variables is None or not records.request.input_ended
    assert not records.is_quiet


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 65527, 65528, 65529, 200_000])
def test_output_comes_in_records_that_say_how_long_they_are(size: int) -> None:
    data = bytes(i % 251 for i in range(size))

    sent = b"".join(output(3, data)) + finish(3)

    found, kinds = b"", []
    while sent:
        version, kind, number, length, padding = struct.unpack_from("!BBHHBx", sent)
        assert (version, number, (length + padding) % 8) == (1, 3, 0)
        if kind == STDOUT:
            found += sent[8 : 8 + length]
        kinds.append((kind, length))
        sent = sent[8 + length + padding :]
    assert found == data
    assert kinds[-2:] == [(STDOUT, 0), (END, 8)]
    assert all(length for _, length in kinds[:-2]) or size == 0


@given(st.binary(max_size=200), st.integers(1, 9))
def test_any_bytes_are_taken_or_refused(data: bytes, piece: int) -> None:
    records = Records(limit=500)
    try:
        for start in (b"", whole(40)[:60]):
            records.receive(start)
            for i in range(0, len(data), piece):
                records.receive(data[i : i + piece])
    except ProtocolError:
        pass
    assert len(records.replies) <= 64 * 24
