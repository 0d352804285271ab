"""Compression of whole messages, and the one rule by which two sides agree on it."""

import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError, SetupError
from towpath._wire.compression import (
    CONNECT_STREAM_FIELDS,
    GRPC_FIELDS,
    GZIP,
    HTTP_FIELDS,
    MAX_RATIO,
    REGISTRY,
    Unfolded,
    configured,
    negotiate,
)

LIMIT = 1000
RANDOM = random.Random(18).randbytes(200_000)


def fault(data: bytes, limit: int = LIMIT) -> RpcError:
    with pytest.raises(RpcError) as caught:
        GZIP.decompress(data, limit)
    return caught.value


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=10))
def test_all_members_are_one_message(parts):
    assert GZIP.decompress(b"".join(gzip.compress(part) for part in parts), LIMIT) == b"".join(parts)
    assert GZIP.decompress(GZIP.compress(b"".join(parts)), LIMIT) == b"".join(parts)


def test_the_limit_holds_for_all_members_together():
    member = gzip.compress(bytes(400))
    assert GZIP.decompress(2 * member, LIMIT) == bytes(800)
    assert fault(3 * member).code is Code.RESOURCE_EXHAUSTED
    assert GZIP.decompress(2 * member, 800) == bytes(800)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"x", mtime=0) + b"garbage",
        gzip.compress(b"x", mtime=0) + gzip.compress(b"y", mtime=0)[:-1],
        gzip.compress(b"x", mtime=0) + b"\x1f\x8b",
        gzip.compress(b"x", mtime=0)[:-1],
        b"no gzip",
    ],
)
def test_what_is_behind_a_member_and_is_none_is_a_fault(data):
    assert fault(data).code is Code.INTERNAL


def test_empty_members_are_bounded():
    empty = gzip.compress(b"")
    assert GZIP.decompress(1000 * empty, LIMIT) == b""
    assert "members" in fault(2000 * empty).message


def test_no_member_is_gone_through_again_for_those_before_it():
    members = b"".join(gzip.compress(bytes([number % 256]) * 40) for number in range(1000))
    assert GZIP.decompress(members, 1 << 20) == b"".join(bytes([number % 256]) * 40 for number in range(1000))
    large = gzip.compress(RANDOM) + gzip.compress(b"x")
    assert GZIP.decompress(large, 1 << 20) == RANDOM + b"x"
    assert fault(large[:-9], 1 << 20).message == "a message's gzip data ends too early"


def test_a_message_unfolds_to_a_multiple_of_its_bytes_and_to_a_sixteenth_of_the_limit_in_any_case():
    limit = 1 << 20
    bomb = gzip.compress(bytes(limit))
    error = fault(bomb, limit)
    assert error.code is Code.RESOURCE_EXHAUSTED
    allowed = len(bomb) * MAX_RATIO
    assert error.message == "a message unfolds to more than its size allows; send it without compression, or raise the message limit"
    (told,) = error.details
    assert told.metadata == {"size": str(len(bomb)), "allowed": str(allowed), "limit": str(limit)}
    free = GZIP.decompress(gzip.compress(bytes(limit // 16)), limit)
    assert free == bytes(limit // 16)
    assert isinstance(free, Unfolded)
    assert free.limit == limit // 16
    assert GZIP.decompress(bomb, 16 * limit) == bytes(limit)
    assert not isinstance(GZIP.decompress(gzip.compress(RANDOM), limit), Unfolded)


@pytest.mark.parametrize("size", [0, 1, 1000, 100_000, 4 << 20])
def test_what_is_compressed_here_is_no_bomb_to_whoever_reads_it(size):
    for compression in REGISTRY.values():
        data = compression.compress(bytes(size))
        assert size <= MAX_RATIO * len(data)
        assert compression.decompress(data, max(size, 1)) == bytes(size)
        assert gzip.decompress(data) == bytes(size)


ALL_FIELDS = pytest.mark.parametrize("names", [GRPC_FIELDS, CONNECT_STREAM_FIELDS, HTTP_FIELDS], ids=lambda names: names.sent.decode())


@ALL_FIELDS
@pytest.mark.parametrize(
    ("accepted", "compression"),
    [
        (b"gzip", GZIP),
        (b"identity,gzip", GZIP),
        (b"br , gzip\t,identity", GZIP),
        (b"gzip;q=1", GZIP),
        (b"br, gzip ; q=0.001", GZIP),
        (b"gzip;level=0", GZIP),
        (b"gzip;q=0", None),
        (b"gzip; Q=0.000, br", None),
        (b"", None),
        (b"identity", None),
        (b"gzipped", None),
        (b"gz ip", None),
    ],
)
def test_every_protocol_reads_a_list_of_compressions_alike(names, accepted, compression):
    negotiation = negotiate(names, {names.accepted: accepted})
    assert negotiation.response(GZIP) is compression
    assert negotiation.response(None) is None
    assert (negotiation.request, negotiation.fault) == (None, None)


@ALL_FIELDS
def test_a_request_is_compressed_as_its_head_says(names):
    assert negotiate(names, {names.sent: b"gzip"}).request is GZIP
    assert negotiate(names, {names.sent: b"identity"}).request is None
    negotiation = negotiate(names, {names.sent: b"br"})
    assert negotiation.request is None
    assert negotiation.fault is not None
    assert negotiation.fault.code is Code.UNIMPLEMENTED
    assert negotiation.fault.message == f"{names.sent.decode()} 'br' is not supported; use gzip"


@ALL_FIELDS
def test_what_a_client_says_is_what_a_server_reads(names):
    for compression in (None, *REGISTRY.values()):
        fields = dict(names.request(compression))
        negotiation = negotiate(names, fields)
        assert negotiation.request is compression
        assert all(negotiation.response(known) is known for known in REGISTRY.values())
        assert names.announced(fields) is compression
    assert names.announced({names.sent: b"br"}) is None


def test_an_algorithm_is_registered_by_its_name():
    for name, compression in REGISTRY.items():
        assert compression.name == name
        assert compression.decompress(compression.compress(b"abc"), 3) == b"abc"


def test_a_setting_names_a_compression():
    assert configured(None) is None
    assert configured("gzip") is GZIP
    with pytest.raises(SetupError, match="compression='br' is not known; use gzip, or None"):
        configured("br")


def test_no_data_is_an_empty_message():
    assert all(compression.decompress(b"", 10) == b"" for compression in REGISTRY.values())
