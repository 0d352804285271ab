"""What bytes that upb would not write, and tables that `plans` would not make, may do to the writer in C: nothing."""

import contextlib
import json
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.json.writers import BUILT, outcome, plans_in_c, pure, quick, same
from towpath._wire.json import plans

QUICK, PURE = quick(), pure()
PLANS = plans_in_c()

WHOLE = pb.Everything(
    a_double=1.5,
    a_float=0.1,
    an_int64=-1,
    a_sint32=-7,
    a_string='a"\n\u00e9',
    some_bytes=b"\x00\x01",
    a_kind=2,
    doubles=[1e300],
    int32s=[1, 300],
)
WHOLE.nested.children.add(strings=["x"], numbers_by_int32={1: 2}).timestamp.FromSeconds(1)
WHOLE.children_by_string["k"].struct.update({"a": [1, None, {"b": True}]})
WHOLE.duration.FromMilliseconds(-1500)
WHOLE.field_mask.paths.append("a_b")
BYTES = WHOLE.SerializeToString()


def survives(data: bytes) -> None:
    write = PLANS.of(pb.Everything.DESCRIPTOR)
    assert write is not None
    try:
        written = write(data)
    except ValueError:
        return
    json.loads(written)


@BUILT
def test_bytes_that_end_anywhere_are_no_crash() -> None:
    for length in range(len(BYTES)):
        survives(BYTES[:length])


@BUILT
@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 11,  # a number that never ends
        b"\xff" * 10 + b"\x01",
        b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",  # a string of 2**64 - 1 bytes
        b"\x72\xff\xff\xff\xff\x07x",
        b"\x00",  # no field has the number 0
        b"\x0f",  # and no wire type is 7
        b"\x0c",  # a group that ends before it began
        b"\x08\x01",  # a double as a varint
        b"\x70\x01\x70\x01",
        b"\x72\x01a\x6a\x00",  # fields out of order
        b"\x72\x01a\x72\x01b",  # and one twice
        b"\x72\x01\xff",  # text that is no UTF-8
        b"\x72\x02\xc0\x80",
        b"\x72\x03\xed\xa0\x80",
        b"\x72\x04\xf4\x90\x80\x80",
        b"\x72\x02\xe2\x82",
        b"\xc2\x02\x00",  # an entry of a map without key and value
        b"\xc2\x02\x06\x12\x01a\x0a\x01b",
        b"\xc2\x02\x08\x0a\x01a\x12\x01b\x08\x01",
        b"\x83\x38" * 5000,  # groups within groups
        b"\x83\x38\x08\x01\x8c\x38",
    ],
)
def test_hostile_bytes_are_given_up_on(data: bytes) -> None:
    write = PLANS.of(pb.Everything.DESCRIPTOR)
    assert write is not None
    with pytest.raises(ValueError, match="the message is not plain"):
        write(data)


@BUILT
def test_unknown_fields_are_skipped() -> None:
    write = PLANS.of(pb.Everything.DESCRIPTOR)
    assert write is not None
    unknown = b"\x80\x38\x01" + b"\x81\x38" + bytes(8) + b"\x82\x38\x01x" + b"\x85\x38" + bytes(4) + b"\x83\x38\x08\x01\x84\x38"
    assert write(b"\x72\x01a" + unknown) == b'{"aString":"a"}'


@BUILT
@settings(max_examples=300)
@given(st.binary(max_size=60), st.integers(0, len(BYTES)), st.integers(0, len(BYTES)))
def test_no_bytes_are_a_crash(data: bytes, at: int, until: int) -> None:
    survives(data)
    spliced = BYTES[:at] + data + BYTES[until:]
    survives(spliced)
    try:
        message = pb.Everything.FromString(spliced)
    except Exception:
        return
    # Whatever upb took for a message is written, or refused, as in Python.
    one, other = outcome(QUICK, message), outcome(PURE, message)
    assert same(one, other) if isinstance(one, bytes) and isinstance(other, bytes) else one == other


# Tables that `plans` would not make.

FIELD: tuple[Any, ...] = (1, 5, False, b'"a":', b"", -1, ())


@BUILT
@pytest.mark.parametrize(
    "table",
    [
        (),
        [],
        (1,),
        ((0,),),
        ((0, [FIELD]),),
        ((0, (FIELD[:6],)),),
        ((9, ()),),
        ((-1, ()),),
        ((2, ()),),
        ((2, (FIELD, FIELD)),),
        ((0, (FIELD, FIELD)),),
        ((0, ((0, *FIELD[1:]),)),),
        ((0, ((2**29, *FIELD[1:]),)),),
        ((0, ((2**80, *FIELD[1:]),)),),
        ((0, ((1, 22, *FIELD[2:]),)),),
        ((0, ((1, -1, *FIELD[2:]),)),),
        ((0, ((1, 11, *FIELD[2:]),)),),
        ((0, ((1, 11, False, b"", b"", 1, ()),)),),
        ((0, ((1, 19, False, b"", b"", 0, ()),)),),
        ((0, ((1, 11, False, b"", b"", 1, ()),)), (2, (FIELD, (2, *FIELD[1:])))),
        ((0, ((1, 19, False, b"", b"", 1, ()),)), (2, (FIELD, (2, 19, False, b"", b"", 1, ())))),
        ((0, ((1, 19, False, b"", b"", 1, ()),)), (2, ((1, 1, *FIELD[2:]), (2, *FIELD[1:])))),
        ((0, ((1, 5, False, "a", b"", -1, ()),)),),
        ((0, ((1, 5, False, b"", None, -1, ()),)),),
        ((0, ((1, 14, False, b"", b"", -1, ((1, b"x"), (1, b"y"))),)),),
        ((0, ((1, 14, False, b"", b"", -1, (1,)),)),),
        ((0, ((1, 14, False, b"", b"", -1, ((1, "x"),)),)),),
    ],
    ids=repr,
)
def test_a_faulty_table_is_refused(table: Any) -> None:
    assert plans.COMPILED is not None
    with pytest.raises((ValueError, TypeError, OverflowError)):
        plans.COMPILED(table)


@BUILT
def test_a_plan_is_made_of_a_table_alone_and_writes_bytes_alone() -> None:
    made: Any = plans.COMPILED
    with pytest.raises(TypeError, match="no keywords"):
        made(table=())
    with pytest.raises(TypeError, match="expected bytes, found bytearray"):
        made(((0, ()),)).write(bytearray())


SMALL = st.integers(-1, 3)
TABLES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.lists(
            st.tuples(st.integers(1, 3), st.integers(0, 21), st.booleans(), st.binary(max_size=3), st.binary(max_size=2), SMALL), max_size=3
        ),
    ),
    min_size=1,
    max_size=4,
)


@BUILT
@settings(max_examples=300)
@given(TABLES, st.lists(st.binary(max_size=30), max_size=4), st.binary(max_size=12))
def test_no_table_is_a_crash(tables: list[Any], datas: list[bytes], core: bytes) -> None:
    assert plans.COMPILED is not None
    table = tuple((form, tuple((*field, ((1, b'"x"'),)) for field in sorted(fields))) for form, fields in tables)
    try:
        plan = plans.COMPILED(table)
    except ValueError:
        return
    lengths = b"".join(bytes([tag, len(core)]) + core for tag in (0x0A, 0x12, 0x1A))
    for data in (*datas, lengths, b"\x0a" + bytes([len(lengths)]) + lengths):
        with contextlib.suppress(ValueError):
            assert isinstance(plan.write(data), bytes)
