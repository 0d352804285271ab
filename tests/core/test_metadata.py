from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.metadata import EMPTY, FALLBACK, OWNED, OWNED_PREFIXES, Metadata, Value

PAIRS: list[tuple[str, Value]] = [("a", "1"), ("b-bin", b"\x00\xff"), ("a", "2")]

keys = st.from_regex(r"x[0-9a-z_.-]{0,8}y", fullmatch=True)
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)).map(str.strip)


@given(st.lists(st.tuples(keys, texts) | st.tuples(keys.map("{}-bin".format), st.binary())))
def test_what_grpc_carries_is_kept_in_order(pairs: list[tuple[str, Value]]) -> None:
    metadata = Metadata(pairs)
    assert list(metadata) == pairs
    assert len(metadata) == len(pairs)
    for key, _ in pairs:
        values = [value for name, value in pairs if name == key]
        assert metadata.get_all(key) == values
        assert metadata.get(key) == values[-1]
        assert key in metadata


def test_a_missing_key_gives_the_default() -> None:
    metadata = Metadata(PAIRS)
    assert metadata.get("c") is None
    assert metadata.get("c", "none") == "none"
    assert metadata.get_all("c") == []
    assert "c" not in metadata


def test_metadata_of_the_same_pairs_is_equal_and_of_another_order_is_not() -> None:
    assert Metadata(PAIRS) == Metadata(iter(PAIRS))
    assert hash(Metadata(PAIRS)) == hash(Metadata(PAIRS))
    assert Metadata(PAIRS) != Metadata(PAIRS[::-1])
    assert Metadata(PAIRS) != PAIRS


def test_metadata_is_shown_as_its_pairs() -> None:
    assert repr(Metadata(PAIRS)) == r"Metadata([('a', '1'), ('b-bin', b'\x00\xff'), ('a', '2')])"


@pytest.mark.parametrize("key", ["", "Key", "ключ", "a b", ":path", "a\n", "a\x00", "a="])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"is not lower-case ASCII letters, digits, '_', '-' and '\.'"):
        Metadata([(key, "value")])


@pytest.mark.parametrize("key", sorted({*OWNED, *(prefix + "x" for prefix in OWNED_PREFIXES)}))
def test_a_key_that_is_owned_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"metadata key '{key}' is reserved for the protocol; [a-z]"):
        Metadata([("x", "y"), (key, "value")])


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("towpath-tenant", "set the option tenant"),
        ("towpath-criticality", "set the option criticality"),
        ("idempotency-key", "set the option idempotency_key"),
        ("grpc-timeout", "set the option timeout"),
        ("content-encoding", "choose another name"),
        ("towpath-anything", "choose another name"),
    ],
)
def test_a_refused_key_comes_with_what_to_do_instead(key: str, instead: str) -> None:
    with pytest.raises(ValueError, match=f"reserved for the protocol; {instead}$"):
        Metadata([(key, "value")])


@pytest.mark.parametrize("key", ["authorization", "cookie", "etag", "cache-control", "towpath", "trail-x", FALLBACK])
def test_any_other_key_is_an_applications(key: str) -> None:
    assert Metadata([(key, "value")]).get(key) == "value"


@pytest.mark.parametrize("value", ["é", "a\nb", "\x00", "\x7f", b"bytes", " padded", "padded ", " "])
def test_a_value_that_no_header_can_carry_is_refused(value: Value) -> None:
    with pytest.raises(ValueError, match=r"metadata 'key' must be a str of printable ASCII without outer spaces; name it key-bin"):
        Metadata([("key", value)])


@pytest.mark.parametrize("value", ["", "a b", "~", "!"])
def test_any_other_ascii_is_a_value(value: str) -> None:
    assert Metadata([("key", value)]).get("key") == value


def test_a_binary_key_wants_bytes() -> None:
    with pytest.raises(ValueError, match="metadata 'a-bin' ends in -bin, so its value must be bytes, not str"):
        Metadata([("a-bin", "text")])


def test_a_mapping_is_refused_since_its_keys_alone_would_be_taken_for_pairs() -> None:
    mapping: Any = {"ab": "1"}  # whose key is a pair, too
    with pytest.raises(TypeError, match=r"^metadata are pairs, of which a key may have several; give mapping.items"):
        Metadata(mapping)
    nothing: Any = {}
    assert Metadata(nothing) == EMPTY
    assert list(Metadata(mapping.items())) == [("ab", "1")]


def test_what_was_received_is_not_checked_again() -> None:
    pairs: tuple[tuple[str, Value], ...] = (("grpc-odd", " as sent "),)
    assert tuple(Metadata.received(pairs)) == pairs


def test_empty_metadata_is_falsy_and_equal_to_any_other() -> None:
    assert not EMPTY
    assert Metadata() == EMPTY == Metadata.received(())
