"""Timestamps the short way, held against protobuf's own class, and RFC 3339's form, which protobuf's own class does not hold to."""

import json
import re
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.json import JsonCodec, timestamps
from towpath._wire.json.errors import JsonError

CODEC = JsonCodec()
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII)
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


def by_json_format(text: str, message_type: Any) -> Any:
    try:
        return json_format.Parse(json.dumps(text), message_type())
    except json_format.ParseError:
        return None


def by_codec(text: str, message_type: Any) -> Any:
    try:
        return CODEC.decode(json.dumps(text).encode(), message_type)
    except JsonError as error:
        assert f"is not a {message_type.DESCRIPTOR.full_name}; write it like" in str(error)
        return None


DATES = st.from_regex(r"[012][09]\d\d-[01]\d-[0-3]\dT[012]\d:[0-6]\d:[0-6]\d(\.\d{1,10})?(Z|[+-][012]\d:[0-6]\d)", fullmatch=True)


def spoiled(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts of which one character was left out, doubled or replaced."""

    def spoil(text: str, place: int, piece: str) -> str:
        at = place % (len(text) + 1)
        return text[:at] + piece + text[at + 1 :]

    return st.builds(
        spoil, texts, st.integers(0, 40), st.sampled_from(["", "0", "1", "-", "+", ":", " ", "_", ".", "t", "z", "٣", "s", ","])
    )


@given(st.one_of(DATES, spoiled(DATES)))
def test_a_timestamp_is_read_if_it_is_of_the_form_and_json_format_reads_it(text: str) -> None:
    expected = by_json_format(text, Timestamp) if RFC3339.fullmatch(text) else None
    assert by_codec(text, Timestamp) == expected


LENGTHS = st.from_regex(r"-?\d{1,13}(\.\d{0,10})?s", fullmatch=True)
LENGTH = re.compile(r"-?\d{1,20}(\.\d{1,9})?s", re.ASCII)


@given(st.one_of(LENGTHS, spoiled(LENGTHS)))
def test_a_duration_is_read_if_it_is_of_the_form_and_json_format_reads_it(text: str) -> None:
    expected = by_json_format(text, Duration) if LENGTH.fullmatch(text) else None
    assert by_codec(text, Duration) == expected


PATHS = st.from_regex(r"[a-z][A-Za-z0-9.,]{0,8}", fullmatch=True)


@given(st.one_of(PATHS, spoiled(PATHS)))
def test_a_field_mask_is_read_if_it_is_of_letters_and_json_format_reads_it(text: str) -> None:
    expected = by_json_format(text, FieldMask) if re.fullmatch(r"[A-Za-z0-9.,]*", text) else None
    assert by_codec(text, FieldMask) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1970-1-01T00:00:00Z",
        "1970-01-1T00:00:00Z",
        "1970-01-01T0:00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00.+01:00",
        "1970-01-01T00:00:00.1234567890+01:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_rfc_3339_or_out_of_range_is_refused(text: str) -> None:
    assert by_codec(text, Timestamp) is None


def test_an_offset_counts_from_utc() -> None:
    assert by_codec("1970-01-01T05:30:00.5+05:30", Timestamp) == Timestamp(nanos=500_000_000)
    assert by_codec("1969-12-31T19:00:00-05:00", Timestamp) == Timestamp()
