"""Compression of whole messages, and the one rule by which two sides agree on it."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError, SetupError
from towpath._wire.compression import CONNECT_STREAM_FIELDS, GRPC_FIELDS, GZIP, HTTP_FIELDS, REGISTRY, configured, negotiate

LIMIT = 1000


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
