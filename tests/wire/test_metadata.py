"""Application metadata as fields: what round-trips, what is ours and stays hidden, what a peer gets wrong."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import RpcError
from towpath._core.metadata import Metadata
from towpath._wire import metadata
from towpath._wire.hpack import Decoder

ASCII_KEYS = st.from_regex(r"x[0-9a-z_.-]{0,12}", fullmatch=True).filter(lambda key: not key.endswith("-bin") and key != "x-request-id")
ASCII_PAIRS = st.tuples(ASCII_KEYS, st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300).map(str.strip))
BINARY_PAIRS = st.tuples(ASCII_KEYS.map(lambda key: key + "-bin"), st.binary(max_size=300))


@given(st.lists(ASCII_PAIRS | BINARY_PAIRS, max_size=8))
def test_metadata_come_back_in_order(pairs: list[tuple[str, str | bytes]]) -> None:
    assert metadata.decode(metadata.encoded_fields(Metadata(pairs))) == Metadata(pairs)


@given(st.lists(ASCII_PAIRS | BINARY_PAIRS, max_size=8))
def test_the_block_holds_the_fields(pairs: list[tuple[str, str | bytes]]) -> None:
    given_metadata = Metadata(pairs)
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(metadata.encode(given_metadata))
    assert [*block.known.fields, *block.extra] == metadata.encoded_fields(given_metadata)


@given(st.binary(max_size=100))
def test_base64_is_read_with_and_without_padding(value: bytes) -> None:
    padded = base64.b64encode(value)
    assert metadata.from_base64(padded) == value
    assert metadata.from_base64(padded.rstrip(b"=")) == value


@given(st.binary(max_size=30))
def test_any_bytes_are_base64_or_none(value: bytes) -> None:
    decoded = metadata.from_base64(value)
    assert decoded is None or base64.b64encode(decoded).rstrip(b"=")[:-1] == value.rstrip(b"=")[:-1]


def test_binary_values_go_without_padding() -> None:
    assert metadata.encoded_fields(Metadata([("k-bin", b"a")])) == [(b"k-bin", b"YQ")]


def test_values_joined_by_commas_are_taken_apart() -> None:
    assert list(metadata.decode([(b"k-bin", b"YQ==,Yg,,Yw")])) == [("k-bin", b"a"), ("k-bin", b"b"), ("k-bin", b""), ("k-bin", b"c")]


@pytest.mark.parametrize("value", [b"a", b"****", b"YQ YQ", b"\xff\xfe"])
def test_a_value_that_is_not_base64_is_dropped_and_nothing_else(value: bytes) -> None:
    assert list(metadata.decode([(b"x", b"1"), (b"k-bin", value), (b"y", b"2")])) == [("x", "1"), ("y", "2")]


def test_text_beyond_ascii_is_kept_byte_for_byte() -> None:
    assert metadata.decode([(b"x", bytes(range(0x80, 0x100)))]).get("x") == bytes(range(0x80, 0x100)).decode("latin-1")


def test_more_than_a_peer_takes_is_refused() -> None:
    pairs = [(f"k{n}", "v" * 8000) for n in range(7)]
    assert len(metadata.encoded_fields(Metadata(pairs))) == 7
    with pytest.raises(RpcError, match="RESOURCE_EXHAUSTED: the metadata are larger than the limit of 61440 bytes"):
        metadata.encode(Metadata([*pairs, ("k7", "v" * 8000)]))


def test_pairs_in_the_place_of_metadata_are_checked_as_metadata_are() -> None:
    assert metadata.encoded_fields([("a", "b")]) == [(b"a", b"b")]
    with pytest.raises(ValueError, match="'a' must be a str of printable ASCII"):
        metadata.encoded_fields([("a", "b\r\nc: d")])
    with pytest.raises(TypeError, match="metadata are pairs"):
        metadata.encoded_fields({"ab": "c"})  # type: ignore[arg-type]


def test_the_crumbs_of_a_cookie_are_one_cookie() -> None:
    crumbs = [(b"x", b"1"), (b"cookie", b"session=abc"), (b"y", b"2"), (b"cookie", b"theme=dark"), (b"cookie", b"_ga=1")]
    assert list(metadata.decode(crumbs)) == [("x", "1"), ("cookie", "session=abc; theme=dark; _ga=1"), ("y", "2")]
    assert list(metadata.decode([(b"cookie", b"a=1; b=2")])) == [("cookie", "a=1; b=2")]
