"""Numerals that msgspec takes long for are read as the others are."""

import json
import math

import msgspec
import pytest
from everything.v1 import everything_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.json import JsonCodec, JsonError, numerals

CODEC = JsonCodec()
SLOW = ["1e-320", "1E-0320", "1e23", "-1.7976931348623157e+308", "5e-324", "1.5e1"]


def document(numeral: str, count: int) -> bytes:
    return f'{{"doubles":[{",".join([numeral] * count)}]}}'.encode()


@pytest.mark.parametrize("numeral", SLOW)
def test_many_of_them_are_read_by_pythons_own_reader(numeral: str) -> None:
    data = document(numeral, 1000)
    assert numerals.may_be_slow(data)
    assert list(CODEC.decode(data, pb.Everything).doubles) == [float(numeral)] * 1000 == json.loads(data)["doubles"]
    assert not numerals.may_be_slow(document(numeral, 10))


def test_long_ones_are_looked_for_where_they_are_many() -> None:
    halfway = "9007199254740993.0"
    assert numerals.may_be_slow(document(halfway, 10_000))
    assert not numerals.may_be_slow(document(halfway, 1_000))
    assert not numerals.may_be_slow(document("1.5", 10_000))
    assert not numerals.may_be_slow(json.dumps({"strings": ["sees the trees"] * 10_000}).encode())


def test_one_that_is_no_double_is_refused_either_way() -> None:
    for count in (1, 1000):
        with pytest.raises(JsonError, match="out of range"):
            CODEC.decode(document("1e400", count), pb.Everything)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{!r}", "{:.17e}", "{:.30e}", "{:.3g}"]))
def test_both_readers_come_to_the_same_number(number: float, form: str) -> None:
    numeral = form.format(number).encode()
    try:
        usual = msgspec.json.decode(numeral)
    except msgspec.DecodeError:
        with pytest.raises(msgspec.DecodeError):
            numerals.read(numeral)
        return
    found = numerals.read(numeral)
    assert type(found) is type(usual)
    assert found == usual
    assert math.copysign(1, found) == math.copysign(1, usual)
