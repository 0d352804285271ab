"""The mapping where it has a choice to make or a fault to name; the rest is compared with json_format in `test_differential.py`."""

import json
import math
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Value

from towpath._wire.json import JsonCodec, JsonError

CODEC = JsonCodec()
IGNORING = JsonCodec(unknown_fields="ignore")


def read(document: Any, codec: JsonCodec = CODEC) -> pb.Everything:
    return codec.decode(json.dumps(document).encode(), pb.Everything)


def fault(document: Any, codec: JsonCodec = CODEC) -> str:
    with pytest.raises(JsonError) as caught:
        read(document, codec)
    return str(caught.value)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "expected an object for everything.v1.Everything, found an array"),
        ({"nope": 1}, "nope: everything.v1.Everything has no such field"),
        ({"children": [{}, {"nested": {"anInt32": "x"}}]}, "children[1].nested.anInt32: expected a whole number, found 'x'"),
        ({"childrenByString": {"k": {"nope": 1}}}, 'childrenByString["k"].nope: everything.v1.Everything has no such field'),
        ({"anInt32": 2**31}, f"anInt32: {2**31} is out of range; give {-(2**31)} to {2**31 - 1}"),
        ({"aUint64": "1" * 60}, f"aUint64: the number is out of range; give 0 to {2**64 - 1}"),
        ({"anInt64": "1" * 65}, "anInt64: expected a whole number, found '111111111111111111111111111111111111111..."),
        ({"anInt64": "1.5"}, "anInt64: expected a whole number, found 1.5"),
        ({"anInt64": True}, "anInt64: expected a whole number, found true"),
        ({"aDouble": "x"}, "aDouble: expected a number, found 'x'"),
        ({"aDouble": False}, "aDouble: expected a number, found false"),
        ({"aDouble": 10**400}, "aDouble: 1000000000000000000000000000000000000000... is out of range for a double"),
        ({"aFloat": 3.5e38}, "aFloat: 3.5e+38 is out of range for a float"),
        ({"aBool": 1}, "aBool: expected true or false, found 1"),
        ({"aString": 1}, "aString: expected a string, found 1"),
        ({"someBytes": 1}, "someBytes: expected base64 in a string, found 1"),
        ({"someBytes": "*"}, "someBytes: '*' is not base64"),
        ({"someBytes": "ü"}, "someBytes: 'ü' is not base64"),
        ({"aKind": "KIND_X"}, "aKind: 'KIND_X' is not a value of everything.v1.Kind"),
        ({"aKind": True}, "aKind: expected the name of a everything.v1.Kind, found true"),
        ({"strings": "x"}, "strings: expected an array, found 'x'"),
        ({"strings": [None]}, "strings[0]: expected a string, found null"),
        ({"int32s": [1, 2, "x"]}, "int32s[2]: expected a whole number, found 'x'"),
        ({"stringsByString": []}, "stringsByString: expected an object, found an array"),
        ({"bytesByBool": {"yes": ""}}, 'bytesByBool["yes"]: expected "true" or "false" as a key, found \'yes\''),
        ({"numbersByInt32": {"1": 1, "01": 2}}, "numbersByInt32[\"01\"]: the key '01' is there twice"),
        ({"anInt32": 1, "an_int32": 1}, "an_int32: the field an_int32 is there twice, under both of its names"),
        ({"chosenNumber": 1, "chosenString": "x"}, "chosenString: chosenNumber is there too, and only one of oneof choice may be"),
        ({"timestamp": "yesterday"}, "timestamp: 'yesterday' is not a google.protobuf.Timestamp; write it like \"2013-01-31T23:59:59Z\""),
        ({"duration": 3}, "duration: expected a google.protobuf.Duration as a string, found 3"),
        ({"struct": 1}, "struct: expected an object, found 1"),
        ({"listValue": {}}, "listValue: expected an array, found an object"),
        ({"any": 1}, "any: expected an object, found 1"),
        ({"any": {"x": 1}}, 'any: an Any needs its type as a string in "@type"'),
        ({"any": {"@type": "x/y.Z"}}, "any: the type 'x/y.Z' of an Any is not known here"),
        (
            {"any": {"@type": "x/google.protobuf.Duration", "seconds": 1}},
            'any: an Any of google.protobuf.Duration has "@type" and "value", and nothing else',
        ),
        ({"chosenNull": 1}, "chosenNull: expected null, found 1"),
    ],
)
def test_a_fault_is_named_with_its_place(document: Any, text: str) -> None:
    assert fault(document) == text


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"aString":"\\ud800"}', b"nul", b'{"a":1}x'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(JsonError, match=r"^not JSON: "):
        CODEC.decode(data, pb.Everything)


def test_half_a_surrogate_pair_in_an_object_is_refused() -> None:
    for document in ({"aString": "\ud800"}, {"struct": {"\ud800": 1}}, {"struct": {"a": ["\ud800"]}}):
        with pytest.raises(JsonError, match="half of a surrogate pair"):
            CODEC.from_object(document, pb.Everything)


def test_an_integer_beyond_every_float_is_out_of_range() -> None:
    with pytest.raises(JsonError, match=r"aDouble: 10+\.\.\. is out of range for a double"):
        CODEC.from_object({"aDouble": 10**400}, pb.Everything)


def test_floats_come_as_numbers_or_numerals_or_by_name() -> None:
    message = read({"aDouble": "-Infinity", "aFloat": "NaN", "doubles": ["1e2", 3, 1.5], "floats": [0.1, 2]})
    assert (message.a_double, list(message.doubles), message.a_float != message.a_float) == (-math.inf, [100.0, 3.0, 1.5], True)
    assert CODEC.to_object(message) == {"aDouble": "-Infinity", "aFloat": "NaN", "doubles": [100.0, 3.0, 1.5], "floats": [0.1, 2.0]}
    assert CODEC.to_object(pb.Everything(doubles=[math.inf], a_double=-0.0)) == {"doubles": ["Infinity"], "aDouble": -0.0}


def test_values_of_every_kind_go_both_ways() -> None:
    document = {
        "values": [1.5, "s", True, None, [1.0, {"a": []}], {"b": {"c": None}}],
        "struct": {"a": 1.0},
        "listValue": [1.0],
        "boolValue": False,
        "bytesByBool": {"true": "AA==", "false": ""},
    }
    assert CODEC.to_object(read(document)) == document


def test_both_names_of_a_field_are_read() -> None:
    assert read({"an_int32": 7, "@odd name": "x", "from": "y"}) == read({"anInt32": 7, "renamed": "x", "from": "y"})


def test_integers_may_come_as_any_whole_number() -> None:
    message = read({"anInt32": "1e2", "aUint64": 5.0, "anInt64": "-7", "aSint64": -3, "aFixed32": "4.0", "numbersByInt32": {"-1": 0}})
    assert (message.an_int32, message.a_uint64, message.an_int64, message.a_sint64, message.a_fixed32) == (100, 5, -7, -3, 4)


def test_base64_comes_in_either_alphabet_padded_or_not() -> None:
    for text in ("-_8=", "-_8", "+/8=", "+/8"):
        assert read({"someBytes": text}).some_bytes == b"\xfb\xff"


def test_null_is_as_good_as_absent_but_for_what_has_a_null() -> None:
    message = read(
        {"anInt32": None, "strings": None, "nested": None, "stringsByString": None, "value": None, "chosenNull": None, "values": [None]}
    )
    assert message == pb.Everything(value=Value(null_value=0), chosen_null=0, values=[Value(null_value=0)])


def test_an_empty_object_is_a_message_that_is_there() -> None:
    assert read({"nested": {}}).HasField("nested")
    assert read({"nested": {"anInt32": None}}).HasField("nested")
    assert read({"any": {}}).HasField("any")


def test_what_is_unknown_is_ignored_if_asked_for() -> None:
    document = {"nope": 1, "aKind": "X", "kinds": ["X", "KIND_ONE"], "kindsByUint64": {"1": "X", "2": 2}, "nested": {"nope": 1}}
    assert read(document, IGNORING) == pb.Everything(kinds=[1], kinds_by_uint64={2: 2}, nested=pb.Everything())
    assert "aBool: expected" in fault({"aBool": 1}, IGNORING)


def test_enums_go_out_as_numbers_if_asked_for() -> None:
    assert JsonCodec(enums_as_ints=True).to_object(pb.Everything(a_kind=1, kinds=[2], chosen_null=0)) == {
        "aKind": 1,
        "kinds": [2],
        "chosenNull": None,
    }


def test_an_any_goes_both_ways_whatever_is_in_it() -> None:
    for inner in (pb.Address(city="York"), Duration(seconds=3)):
        message = pb.Everything()
        message.any.Pack(inner)
        assert CODEC.decode(CODEC.encode(message), pb.Everything) == message
    assert CODEC.to_object(pb.Everything(any=AnyMessage())) == {"any": {}}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (pb.Everything(any=AnyMessage(type_url="x/y.Z")), "the type 'x/y.Z' of an Any is not known here"),
        (
            pb.Everything(any=AnyMessage(type_url="x/everything.v1.Address", value=b"\xff")),
            "the value of an Any is not a everything.v1.Address",
        ),
        (pb.Everything(value=Value()), "a google.protobuf.Value with nothing in it has no JSON; set null_value for null"),
        (pb.Everything(value=Value(number_value=math.inf)), "a google.protobuf.Value cannot be inf: JSON has no numeral for it"),
        (pb.Everything(duration=Duration(seconds=10**13)), "this google.protobuf.Duration has no JSON: "),
    ],
)
def test_what_has_no_json_is_not_written(message: pb.Everything, text: str) -> None:
    with pytest.raises(JsonError) as caught:
        CODEC.encode(message)
    assert str(caught.value).startswith(text)


def test_what_is_nested_too_deeply_is_refused_and_not_a_crash() -> None:
    for open_, close in (('{"nested":', "{}"), ('{"struct":{"a":', "1"), ('{"listValue":[', "1")):
        depth = 100_000  # also for what json.loads would not read
        with pytest.raises(JsonError):
            CODEC.decode((open_ * depth + close).encode(), pb.Everything)
    nested: dict[str, Any] = {"nope": 1}
    for _ in range(2000):
        nested = {"nested": nested}
    for document in (nested, {"nested": nested, "an_int32": 1}):
        with pytest.raises(JsonError, match="nested too deeply"):
            CODEC.from_object(document, pb.Everything)
    message = pb.Everything()
    inner = message
    for _ in range(2000):
        inner = inner.nested
    inner.an_int32 = 1
    for write in (CODEC.encode, CODEC.to_object):
        with pytest.raises(JsonError, match="nested too deeply"):
            write(message)


def test_hostile_numerals_take_no_time() -> None:
    """Converting a million digits would take minutes."""
    for document in (
        {"anInt64": "9" * 1_000_000},
        {"aDouble": "9" * 1_000_000},
        {"aDouble": "1e" + "9" * 1_000_000},
        {"aKind": "9" * 1_000_000},
    ):
        with pytest.raises(JsonError):
            CODEC.from_object(document, pb.Everything)


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        ("an_int64", ["-5"], -5),
        ("a_bool", ["true"], True),
        ("a_kind", ["KIND_TWO"], 2),
        ("a_kind", ["1"], 1),
        ("some_bytes", ["_-8"], b"\xff\xef"),
        ("a_string", ["a b"], "a b"),
        ("a_double", ["NaN"], None),
        ("strings", ["a", "b"], ["a", "b"]),
        ("bools", ["true", "false"], [True, False]),
    ],
)
def test_a_field_is_set_from_text(name: str, texts: list[str], expected: Any) -> None:
    message = pb.Everything()
    for text in texts:
        CODEC.set_from_text(message, pb.Everything.DESCRIPTOR.fields_by_name[name], text)
    assert getattr(message, name) == expected or expected is None


def test_a_message_whose_json_is_a_scalar_is_set_from_text() -> None:
    message = pb.Everything()
    texts = {"timestamp": "2013-01-31T10:00:00Z", "duration": "1.5s", "field_mask": "a,b", "bool_value": "true", "int64_value": "7"}
    for name, text in texts.items():
        CODEC.set_from_text(message, pb.Everything.DESCRIPTOR.fields_by_name[name], text)
    CODEC.set_from_text(message, pb.Everything.DESCRIPTOR.fields_by_name["timestamps"], "2013-01-31T10:00:00Z")
    assert CODEC.to_object(message) == {
        "timestamp": "2013-01-31T10:00:00Z",
        "duration": "1.500s",
        "fieldMask": "a,b",
        "boolValue": True,
        "int64Value": "7",
        "timestamps": ["2013-01-31T10:00:00Z"],
    }


@pytest.mark.parametrize(("name", "text"), [("a_bool", "1"), ("bool_value", "yes"), ("nested", "x"), ("struct", "{}"), ("an_int32", " 1")])
def test_a_text_that_is_no_value_of_the_field_is_refused(name: str, text: str) -> None:
    with pytest.raises(JsonError):
        CODEC.set_from_text(pb.Everything(), pb.Everything.DESCRIPTOR.fields_by_name[name], text)


def test_an_unknown_name_in_a_text_is_ignored_if_asked_for() -> None:
    message = pb.Everything()
    IGNORING.set_from_text(message, pb.Everything.DESCRIPTOR.fields_by_name["a_kind"], "KIND_X")
    assert message == pb.Everything()
