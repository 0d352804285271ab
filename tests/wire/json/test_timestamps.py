"""Timestamps the short way, held against protobuf's own class."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.json import timestamps
from towpath._wire.json.errors import JsonError

FIRST, LAST = -62_135_596_800, 253_402_300_799

nanos = st.one_of(
    st.integers(0, 999_999_999), st.integers(0, 999).map(lambda n: n * 1_000_000), st.integers(0, 999_999).map(lambda n: n * 1000)
)


@given(st.builds(Timestamp, seconds=st.integers(FIRST, LAST), nanos=nanos))
def test_what_is_written_is_what_protobuf_writes_and_is_read_back(message: Timestamp) -> None:
    text = timestamps.write(message)
    assert text == message.ToJsonString()
    again = Timestamp()
    timestamps.fill(text, again)
    assert again == message


@pytest.mark.parametrize(
    "message",
    [
        Timestamp(seconds=LAST + 1),
        Timestamp(seconds=FIRST - 1),
        Timestamp(seconds=2**62),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
    ],
)
def test_what_is_out_of_range_has_no_json(message: Timestamp) -> None:
    with pytest.raises(JsonError, match=r"this google\.protobuf\.Timestamp has no JSON: .*must be in"):
        timestamps.write(message)


@given(st.one_of(st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,10})?(Z|[+-]\d\d:\d\d)", fullmatch=True), st.text()))
def test_what_is_read_is_what_protobuf_reads_and_the_rest_is_left_to_it(text: str) -> None:
    expected = Timestamp()
    try:
        expected.FromJsonString(text)
    except ValueError:
        expected = None
    message = Timestamp()
    try:
        timestamps.fill(text, message)
    except (ValueError, LookupError):
        return
    assert message == expected


@pytest.mark.parametrize(
    "value",
    [
        "2013-W05-4T10:00:00Z",  # a date of ISO 8601, and none of RFC 3339
        "2013-01-31 10:00:00Z",
        "2013-01-31T10:00-00Z",
        "2013-01-31T24:00:00Z",
        "2013-01-31T10:60:00Z",
        "2013-01-31T10:00:60Z",
        "2013-02-30T10:00:00Z",
        "2013-01-31T10:00:00",
        "2013-01-31T10:00:00+01:00",
        "2013-01-31T10:00:00,5Z",
        "2013-01-31T10:00:00.Z",
        "2013-01-31T10:00:00.1234567890Z",
        "2013-01-31T10:00:00.1_0Z",
        "2013-01-31T10:00:00.٣Z",
        "٢013-01-31T10:00:00Z",
        "",
        1,
        None,
        [],
        {},
    ],
)
def test_what_is_not_plain_is_not_read_here(value: Any) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        timestamps.fill(value, Timestamp())
