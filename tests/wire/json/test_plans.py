"""The writer in C writes what the one in Python does, and each of them is used where it should be."""

import importlib.util
import sys
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.json.test_differential import messages
from tests.wire.json.writers import BUILT, outcome, plans_in_c, pure, quick, same
from towpath._wire.json import plans
from towpath._wire.json.encoding import Encoders
from towpath._wire.json.wellknown import Resolver

QUICK, PURE = quick(), pure()
PLANS = plans_in_c()
ENCODERS = Encoders(Resolver(descriptor_pool.Default()), proto_names=False, print_defaults=False, enums_as_ints=False)


def in_c(message: Any) -> bytes:
    """What the extension makes of the message; raises one of NOT_PLAIN."""
    write = PLANS.of(message.DESCRIPTOR)
    assert write is not None
    return write(message.SerializePartialToString())


@BUILT
@settings(max_examples=150)
@given(messages(), st.booleans(), st.booleans(), st.booleans())
def test_both_writers_write_the_same_bytes(message: pb.Everything, proto_names: bool, print_defaults: bool, enums_as_ints: bool) -> None:
    options = {"proto_names": proto_names, "print_defaults": print_defaults, "enums_as_ints": enums_as_ints}
    written = pure(**options).encode(message)
    assert same(quick(**options).encode(message), written)
    if b'"@type"' not in written and b'"any"' not in written:
        write = plans_in_c(**options).of(message.DESCRIPTOR)
        assert write is not None
        assert same(write(message.SerializeToString()), written)  # and did not give up


@BUILT
@given(st.lists(st.floats(), max_size=8), st.lists(st.floats(width=32)), st.integers(0, 40), st.lists(st.integers(0, 10**17), max_size=8))
def test_numerals_are_the_same_to_the_byte(doubles: list[float], floats: list[float], scale: int, numbers: list[int]) -> None:
    message = pb.Everything(doubles=[*doubles, *(number / 10**scale for number in numbers)], floats=floats)
    assert in_c(message) == PURE.encode(message)


@BUILT
def test_many_long_numerals_are_left_to_the_writer_in_python() -> None:
    message = pb.Everything(doubles=[number / 7 for number in range(1, 200)])
    with pytest.raises(ValueError, match="not plain"):
        in_c(message)
    assert QUICK.encode(message) == PURE.encode(message)
    short = pb.Everything(doubles=[number / 100 for number in range(200)], floats=message.doubles)
    assert in_c(short) == PURE.encode(short)


@BUILT
@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_strings_and_bytes_are_the_same_to_the_byte(text: str, data: bytes) -> None:
    message = pb.Everything(a_string=text, strings=[text * 3, "0123456" + text], some_bytes=data, strings_by_string={text: text})
    assert in_c(message) == PURE.encode(message)


@BUILT
@pytest.mark.parametrize(
    "message",
    [
        Timestamp(),
        *(
            Timestamp(seconds=seconds, nanos=nanos)
            for seconds in (-62135596800, -1, 951782400, 253402300799)
            for nanos in (0, 10**6, 1000, 1)
        ),
        *(Duration(seconds=seconds, nanos=nanos) for seconds, nanos in ((0, 0), (0, -1), (-3, -(10**6)), (315576000000, 999999999))),
        FieldMask(),
        FieldMask(paths=["a", "a_b.c_d", "x9"]),
        Value(string_value=""),
        Value(null_value=0),
        Value(list_value={}),
        pb.Everything(),
        pb.Everything(a_double=-0.0, a_kind=77, kinds=[-1, 0, 99], chosen_null=0, empty={}, int32_value={}, string_value={}, struct={}),
    ],
    ids=repr,
)
def test_what_has_a_form_of_its_own_is_the_same(message: Any) -> None:
    assert in_c(message) == PURE.encode(message)


@BUILT
@pytest.mark.parametrize(
    "message",
    [
        Timestamp(seconds=253402300800),
        Timestamp(seconds=-62135596801),
        Timestamp(nanos=-1),
        Duration(seconds=315576000001),
        Duration(seconds=1, nanos=-1),
        Duration(nanos=10**9),
        FieldMask(paths=["displayName"]),
        FieldMask(paths=["a_"]),
        FieldMask(paths=["a_1"]),
        Value(),
        Value(number_value=float("inf")),
        pb.Everything(any={}),
    ],
    ids=repr,
)
def test_what_is_not_plain_is_left_to_the_writer_in_python(message: Any) -> None:
    with pytest.raises(ValueError, match="the message is not plain"):
        in_c(message)
    assert outcome(QUICK, message) == outcome(PURE, message)


@BUILT
@pytest.mark.parametrize("depth", [100, 150, 151, 200])
def test_what_nests_deeper_than_the_writer_in_c_goes_is_written_all_the_same(depth: int) -> None:
    message = pb.Everything()
    inner = message
    for _ in range(depth):
        inner = inner.nested
    inner.an_int32 = 1
    assert QUICK.encode(message) == PURE.encode(message)
    if depth > 150:
        with pytest.raises(ValueError, match="not plain"):
            in_c(message)


def test_without_the_extension_all_is_written_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "towpath._wire.json._writer", None)  # an import of it fails
    spec = importlib.util.spec_from_file_location("plans_alone", plans.__file__)
    assert spec is not None
    assert spec.loader is not None
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert alone.COMPILED is None
    assert alone.COMPILED_CHECK is None
    assert alone.Plans(ENCODERS).of(Timestamp.DESCRIPTOR) is None


@BUILT
@pytest.mark.parametrize(("value", "used"), [("", True), ("0", True), ("1", False)])
def test_a_variable_switches_the_extension_off(value: str, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plans.PURE, value)
    assert (plans.Plans(ENCODERS).of(Timestamp.DESCRIPTOR) is not None) == used


def old_style() -> Any:
    """A message class of proto2: with a group, a closed enum, a required field and an extension."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="towpath/tests/old.proto", package="old", syntax="proto2")
    file.enum_type.add(name="Closed").value.add(name="ONE", number=1)
    old = file.message_type.add(name="Old")
    old.field.add(name="must", number=2, type=kinds.TYPE_STRING, label=kinds.LABEL_REQUIRED)
    old.field.add(name="closed", number=1, type=kinds.TYPE_ENUM, type_name=".old.Closed", label=kinds.LABEL_OPTIONAL)
    old.field.add(name="parts", number=3, type=kinds.TYPE_GROUP, type_name=".old.Old.Parts", label=kinds.LABEL_REPEATED)
    old.nested_type.add(name="Parts").field.add(name="count", number=4, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL)
    old.extension_range.add(start=100, end=200)
    file.extension.add(name="more", number=100, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL, extendee=".old.Old")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("old.Old"))


@BUILT
def test_messages_of_proto2_are_written_the_same() -> None:
    old = old_style()
    unknown = b"\x12\x01x" + b"\x08\x07" + b"\xa0\x06\x05"  # a number that the closed enum does not have, and the extension
    for message in (old(must="x"), old(), old(closed=1, must=""), old(parts=[{"count": 1}, {}]), old.FromString(unknown)):
        assert QUICK.encode(message) == PURE.encode(message)
    assert in_c(old(must="x")) == b'{"must":"x"}'


# What needs no compiler.


def test_a_table_has_each_message_once_and_marks_what_it_does_not_cover() -> None:
    table = PLANS.table(pb.Everything.DESCRIPTOR)
    fields = {field[0]: field for field in table[0][1]}
    assert list(fields) == sorted(field.number for field in pb.Everything.DESCRIPTOR.fields)
    assert fields[14] == (14, 9, False, b'"aString":', b"", -1, ())
    assert fields[16][6] == ((-1, b'"KIND_NEGATIVE"'), (0, b'"KIND_UNSPECIFIED"'), (1, b'"KIND_ONE"'), (2, b'"KIND_TWO"'))
    assert fields[17] == (17, 11, False, b'"nested":', b"", 0, ())
    assert (fields[53][1], fields[66][1]) == (20, 0)  # a null, and an Any
    assert [form for form, _ in table].count(3) == 1  # Timestamp, which two fields are of
    assert table[fields[72][5]] == (1, ((1, 5, False, b"", b"0", -1, ()),))  # Int32Value
    assert {field[0]: field[1] for field in PLANS.table(old_style().DESCRIPTOR)[0][1]} == {1: 0, 2: 9, 3: 0}


def test_a_table_follows_the_options() -> None:
    defaults = {field[0]: field[4] for field in plans_in_c(print_defaults=True).table(pb.Everything.DESCRIPTOR)[0][1]}
    assert [defaults[number] for number in (1, 4, 14, 16, 17, 20, 30, 40)] == [
        b"0.0",
        b'"0"',
        b'""',
        b'"KIND_UNSPECIFIED"',
        b"",
        b"",
        b"[]",
        b"{}",
    ]
    others = plans_in_c(proto_names=True, enums_as_ints=True).table(pb.Everything.DESCRIPTOR)[0][1]
    assert [field[3:] for field in others if field[0] == 16] == [(b'"a_kind":', b"", -1, ())]


class Picky:
    """A plan that writes nothing but empty messages."""

    def __init__(self, table: Any) -> None:
        assert table

    def write(self, data: bytes) -> bytes:
        if data:
            raise ValueError(data)
        return b'{"by":"the plan"}'


def test_a_codec_writes_itself_what_its_plan_gives_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "COMPILED", Picky)
    codec = quick()
    assert codec.encode(pb.Everything()) == b'{"by":"the plan"}'
    assert codec.encode(pb.Everything(a_string="x")) == b'{"aString":"x"}'
    assert pure().encode(pb.Everything()) == b"{}"
