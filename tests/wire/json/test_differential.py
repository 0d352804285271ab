"""The mapping beside google.protobuf.json_format, over generated messages and generated documents."""

import json
import math
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BoolValue, BytesValue, FloatValue, Int64Value, StringValue
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.json.writers import EITHER, pure, quick
from towpath._wire.json import JsonCodec, JsonError

CODEC = JsonCodec()
CODECS = {make: make() for make in (quick, pure)}
FIELDS = pb.Everything.DESCRIPTOR.fields_by_name
# json_format does not read the largest floats that it writes.
FLOATS = st.one_of(
    st.floats(width=32).filter(lambda value: not 3.4e38 < abs(value) < math.inf), st.sampled_from([0.1, 1e-45, -0.0, 16777216.0])
)
I32, I64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KIND = st.sampled_from([-1, 0, 1, 2, 77])
SMALL = st.integers(-(2**53), 2**53)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), TEXT, SMALL.map(float)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
TIMES = st.builds(Timestamp, seconds=st.integers(-62135596800, 253402300799), nanos=st.integers(0, 999_999_999))


def struct(value: dict[str, Any]) -> Struct:
    message = Struct()
    message.update(value)
    return message


def dynamic(value: Any) -> Value:
    return json_format.ParseDict(value, Value())


def packed(message: Any) -> AnyMessage:
    holder = AnyMessage()
    holder.Pack(message)
    return holder


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "a_double": st.floats(),
    "a_float": FLOATS,
    "an_int32": I32,
    "an_int64": I64,
    "a_uint32": U32,
    "a_uint64": U64,
    "a_sint32": I32,
    "a_sint64": I64,
    "a_fixed32": U32,
    "a_fixed64": U64,
    "an_sfixed32": I32,
    "an_sfixed64": I64,
    "a_bool": st.booleans(),
    "a_string": TEXT,
    "some_bytes": st.binary(max_size=6),
    "a_kind": KIND,
    "maybe_int32": I32,
    "maybe_string": TEXT,
    "maybe_bool": st.booleans(),
    "maybe_kind": KIND,
    "doubles": st.lists(st.floats(), max_size=3),
    "floats": st.lists(FLOATS, max_size=3),
    "int32s": st.lists(I32, max_size=3),
    "int64s": st.lists(I64, max_size=3),
    "uint64s": st.lists(U64, max_size=3),
    "bools": st.lists(st.booleans(), max_size=3),
    "strings": st.lists(TEXT, max_size=3),
    "bytess": st.lists(st.binary(max_size=4), max_size=3),
    "kinds": st.lists(KIND, max_size=3),
    "strings_by_string": st.dictionaries(TEXT, TEXT, max_size=2),
    "numbers_by_int32": st.dictionaries(I32, I64, max_size=2),
    "bytes_by_bool": st.dictionaries(st.booleans(), st.binary(max_size=4), max_size=2),
    "kinds_by_uint64": st.dictionaries(U64, KIND, max_size=2),
    "doubles_by_string": st.dictionaries(TEXT, st.floats(), max_size=2),
    "values_by_string": st.dictionaries(TEXT, JSON.map(dynamic), max_size=2),
    "timestamp": TIMES,
    "duration": st.builds(
        pb.google_dot_protobuf_dot_duration__pb2.Duration, seconds=st.integers(0, 10**9), nanos=st.integers(0, 999_999_999)
    ),
    "field_mask": st.lists(st.sampled_from(["a", "a_b", "user.display_name"]), max_size=2).map(
        lambda paths: pb.google_dot_protobuf_dot_field__mask__pb2.FieldMask(paths=paths)
    ),
    "struct": st.dictionaries(TEXT, JSON, max_size=2).map(struct),
    "value": JSON.map(dynamic),
    "list_value": st.lists(JSON, max_size=2).map(lambda items: json_format.ParseDict(items, ListValue())),
    "any": st.one_of(TIMES, st.builds(pb.Address, city=TEXT), st.just(Struct())).map(packed),
    "empty": st.just({}),
    "timestamps": st.lists(TIMES, max_size=2),
    "values": st.lists(JSON.map(dynamic), max_size=2),
    "int64_values": st.lists(I64.map(lambda number: {"value": number}), max_size=2),
    "from": TEXT,
    "renamed": TEXT,
    **{
        f"{name}_value": inner.map(lambda value: {"value": value})
        for name, inner in {
            "double": st.floats(),
            "float": FLOATS,
            "int64": I64,
            "uint64": U64,
            "int32": I32,
            "uint32": U32,
            "bool": st.booleans(),
            "string": TEXT,
            "bytes": st.binary(max_size=4),
        }.items()
    },
}
CHOICES = st.one_of(
    st.just({}),
    I64.map(lambda number: {"chosen_number": number}),
    TEXT.map(lambda text: {"chosen_string": text}),
    st.just({"chosen_null": 0}),
)


@st.composite
def messages(draw: st.DrawFn, depth: int = 2) -> pb.Everything:
    names = draw(st.lists(st.sampled_from(sorted(SCALARS)), max_size=6, unique=True))
    message = pb.Everything(**{name: draw(SCALARS[name]) for name in names}, **draw(CHOICES))
    if depth and draw(st.booleans()):
        message.nested.CopyFrom(draw(messages(depth - 1)))
        message.children.append(draw(messages(depth - 1)))
        message.children_by_string["child"].CopyFrom(draw(messages(depth - 1)))
        message.chosen_child.CopyFrom(draw(messages(0)))
    return message


def same(one: Any, other: Any) -> bool:
    """Equality that NaN does not break."""
    return one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


@EITHER
@settings(max_examples=100)
@given(message=messages(), proto_names=st.booleans(), print_defaults=st.booleans())
def test_a_message_is_written_as_json_format_writes_it(make: Any, message: pb.Everything, proto_names: bool, print_defaults: bool) -> None:
    codec = make(proto_names=proto_names, print_defaults=print_defaults)
    theirs = json_format.MessageToJson(
        message, indent=None, preserving_proto_field_name=proto_names, always_print_fields_with_no_presence=print_defaults
    )
    assert json.loads(codec.encode(message)) == json.loads(theirs)
    assert codec.to_object(message) == json.loads(theirs)


@EITHER
@settings(max_examples=60)
@given(message=messages())
def test_what_either_writes_both_read(make: Any, message: pb.Everything) -> None:
    ours, theirs = CODECS[make].encode(message), json_format.MessageToJson(message, indent=None)
    assert same(json_format.Parse(ours, pb.Everything()), json_format.Parse(theirs, pb.Everything()))
    assert same(CODEC.decode(theirs.encode(), pb.Everything), json_format.Parse(theirs, pb.Everything()))
    assert same(CODEC.decode(ours, pb.Everything), json_format.Parse(theirs, pb.Everything()))


@EITHER
@pytest.mark.parametrize(
    "message",
    [
        AnyMessage(),
        packed(Timestamp(seconds=5)),
        packed(pb.Address(city="x")),
        packed(packed(packed(Struct()))),
        packed(pb.Everything(any=packed(pb.Address(city="y")))),
        Timestamp(nanos=1_000_000),
        pb.google_dot_protobuf_dot_duration__pb2.Duration(seconds=-1, nanos=-5),
        pb.google_dot_protobuf_dot_field__mask__pb2.FieldMask(paths=["a_b", "c.d"]),
        struct({"a": [1, None, {"b": True}]}),
        dynamic(None),
        dynamic(-0.5),
        json_format.ParseDict([], ListValue()),
        Int64Value(value=-(2**63)),
        FloatValue(),
        BytesValue(value=b"\xff"),
        StringValue(value="x"),
        BoolValue(value=True),
    ],
    ids=lambda message: str(message.DESCRIPTOR.name),
)
def test_a_type_with_json_of_its_own_has_it_as_the_whole_document_too(make: Any, message: Any) -> None:
    codec, expected = make(), json.loads(json_format.MessageToJson(message))
    assert json.loads(codec.encode(message)) == expected
    assert codec.to_object(message) == expected
    assert same(codec.decode(codec.encode(message), type(message)), message)


LOOSE = st.one_of(
    JSON,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["1", "-1", "1.0", "1e2", "NaN", "Infinity", "KIND_ONE", "KIND_MISSING", "AQI=", "_-8", "true", "NULL_VALUE", "3s"]),
    st.sampled_from([1e300, 3.5e38, 2**31, 2**63, 2**64, -1, 0.5, "1972-01-01T00:00:00Z"]),
    st.sampled_from([{"1": "2"}, {"true": "AQ=="}, ["KIND_TWO", 1], {"chosenNumber": "1", "chosenString": ""}, {"": 1}]),
    st.sampled_from([{"@type": "type.googleapis.com/everything.v1.Address", "city": "x"}, {"@type": "missing"}, {"@type": 7}]),
)


@settings(max_examples=200, derandomize=True)  # a new leniency of json_format is no reason for a red run
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted({*FIELDS, *(field.json_name for field in FIELDS.values())})), TEXT),
        st.one_of(LOOSE, st.lists(LOOSE, max_size=2), st.dictionaries(TEXT, LOOSE, max_size=2)),
        max_size=3,
    ),
    st.booleans(),
)
def test_a_document_is_read_and_refused_as_json_format_does(document: dict[str, Any], ignore: bool) -> None:
    codec = JsonCodec(unknown_fields="ignore" if ignore else "refuse")
    data = json.dumps(document).encode()
    try:
        ours = codec.decode(data, pb.Everything)
    except JsonError:
        ours = None
    try:
        theirs = json_format.Parse(data, pb.Everything(), ignore_unknown_fields=ignore)
    except (json_format.ParseError, OverflowError, ValueError, TypeError, AttributeError, KeyError):
        theirs = None
    if ours is not None and theirs is not None:
        assert same(ours, theirs)
    else:
        assert (ours is None) == (theirs is None) or stricter(document), (ours, theirs)


def stricter(value: Any) -> bool:
    """Whether a document has what this codec refuses on purpose (docstring of `towpath._wire.json.codec`)."""
    if isinstance(value, dict):
        return any(key in _DIFFERENT or stricter(item) for key, item in value.items()) or "@type" in value
    if isinstance(value, list):
        return not value or None in value or any(stricter(item) for item in value)
    return isinstance(value, str | float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53)


_DIFFERENT = frozenset({"any", "bytesByBool", "bytes_by_bool", "chosenNull", "chosen_null"})


@settings(max_examples=100)
@given(st.one_of(st.binary(max_size=40), JSON.map(lambda value: json.dumps(value).encode())))
def test_nothing_but_its_own_error_comes_out(data: bytes) -> None:
    try:
        message = CODEC.decode(data, pb.Everything)
    except JsonError as error:
        assert str(error)
    else:
        assert math.isfinite(len(CODEC.encode(message)))
