"""gzip comes whole or not at all, in as many members as its sender made of it."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath.core.errors import Code, RpcError
from towpath.wire.compression import compress, decompress

LIMIT = 1000


def fault(data: bytes, limit: int = LIMIT) -> RpcError:
    with pytest.raises(RpcError) as caught:
        decompress(data, limit)
    return caught.value


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=10))
def test_all_members_are_one_message(parts):
    assert decompress(b"".join(gzip.compress(part) for part in parts), LIMIT) == b"".join(parts)
    assert decompress(compress(b"".join(parts)), LIMIT) == b"".join(parts)


def test_the_limit_holds_for_all_members_together():
    member = gzip.compress(bytes(400))
    assert decompress(2 * member, LIMIT) == bytes(800)
    assert fault(3 * member).code is Code.RESOURCE_EXHAUSTED
    assert decompress(2 * member, 800) == bytes(800)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"x") + b"garbage",
        gzip.compress(b"x") + gzip.compress(b"y")[:-1],
        gzip.compress(b"x") + b"\x1f\x8b",
        gzip.compress(b"x")[:-1],
        b"no gzip",
        b"",
    ],
)
def test_what_is_behind_a_member_and_is_none_is_a_fault(data):
    assert fault(data).code is Code.INTERNAL


def test_empty_members_are_bounded():
    empty = gzip.compress(b"")
    assert decompress(1000 * empty, LIMIT) == b""
    assert "members" in fault(2000 * empty).message
