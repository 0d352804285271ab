"""How much a JSON document may become, and that no message within it is read twice, whatever is odd or wrong in it."""

import json
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import Parse
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.json.test_differential import messages, same
from tests.wire.json.test_plans_types import types
from towpath._wire.elements import heaviest
from towpath._wire.json import JsonCodec, JsonError, TooManyElementsError, filling
from towpath._wire.json.elements import needs_budget

CODEC = JsonCodec()
LENIENT = JsonCodec(unknown_fields="ignore")
MANY = 1000
WEIGHT = heaviest(pb.Everything)


def elements_of(value: Any) -> int:
    """The most that a parsed document may become."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(elements_of, value.values()))
    return 1 + len(value) + sum(map(elements_of, value)) if isinstance(value, list) else 1


def document(name: str, items: list[Any]) -> bytes:
    return json.dumps({name: items}, separators=(",", ":")).encode()


def in_map(name: str, value: Any, count: int = MANY) -> bytes:
    return json.dumps({name: {str(key): value for key in range(count)}}).encode()


DEAR = {
    "messages": document("children", [{}] * MANY),
    "messages under their other names": document("children", [{"a_string": "x"}] * MANY),
    "messages of one field": b'{"nested":' * 100 + b"{}" + b"}" * 100,
    "values": document("values", [1] * MANY),
    "wrappers": document("int64Values", ["1"] * MANY),
    "times": document("timestamps", ["1970-01-01T00:00:00Z"] * MANY),
    "a struct": json.dumps({"struct": {"a": [[1], {"b": 2}] * (MANY // 4)}}).encode(),
    "a list": json.dumps({"listValue": [[]] * MANY}).encode(),
    "a map of messages": in_map("childrenByString", {}),
    "a map of strings": in_map("stringsByString", ""),
    "a map of numbers": in_map("numbersByInt32", "1"),
    "a map of values": in_map("valuesByString", 1),
    "numbers as strings": document("int64s", ["1"] * 4 * MANY),
    "bytes": document("bytess", [""] * 4 * MANY),
    "numbers as strings and an unknown field": json.dumps({"int64s": ["1"] * 4 * MANY, "zzz": 1}).encode(),
    "what is within an Any": json.dumps(
        {"any": {"@type": "type.googleapis.com/everything.v1.Everything", "children": [{}] * MANY}}
    ).encode(),
    "unknown objects": document("zzz", [{}] * MANY),
    "unknown arrays": document("zzz", [[]] * 2 * MANY),
    "what is no JSON": b'{"children":[' + b"{}," * MANY,
}


@pytest.mark.parametrize("name", DEAR)
def test_a_document_of_too_many_elements_is_refused_whatever_they_are(name: str) -> None:
    limit = 99 if "one field" in name else MANY - 1
    with pytest.raises(TooManyElementsError, match=f"there are more than {limit * 2 if 'arrays' in name else limit} "):
        LENIENT.decode(DEAR[name], pb.Everything, elements=limit)
    if name != "what is no JSON":
        assert LENIENT.decode(DEAR[name], pb.Everything, elements=(2 * MANY + 2) * WEIGHT) == LENIENT.decode(DEAR[name], pb.Everything)


@pytest.mark.parametrize(
    "data",
    [
        document("int32s", [1] * 50 * MANY),
        document("doubles", [1.5, 2] * 20 * MANY),
        document("floats", [0.5] * 20 * MANY),
        document("bools", [True] * 20 * MANY),
        document("kinds", [1] * 20 * MANY),
        document("strings", ["{[,", '"\\', "x"] * MANY),
        json.dumps({"aString": json.dumps([{"a": [1, 2], "b\\": '"'}] * 20 * MANY)}).encode(),
    ],
    ids=lambda data: str(data[:12]),
)
def test_what_costs_little_is_let_in_however_much_it_is(data: bytes) -> None:
    found = CODEC.decode(data, pb.Everything, elements=MANY)
    assert found == CODEC.decode(data, pb.Everything) == Parse(data, pb.Everything())


def test_a_body_that_is_one_field_is_bounded_too() -> None:
    body = json.dumps([{}] * MANY).encode()
    assert len(CODEC.decode(body, pb.Everything, elements=2 * MANY * WEIGHT, field="children").children) == MANY
    with pytest.raises(TooManyElementsError):
        CODEC.decode(body, pb.Everything, elements=MANY - 1, field="children")


@given(messages())
def test_with_a_budget_a_document_is_read_as_without(message: pb.Everything) -> None:
    data = CODEC.encode(message)
    most = elements_of(json.loads(data)) * WEIGHT
    assert same(CODEC.decode(data, pb.Everything, elements=most), CODEC.decode(data, pb.Everything))
    for elements in {1, most // 2}:
        try:
            found = CODEC.decode(data, pb.Everything, elements=elements)
        except TooManyElementsError:
            assert needs_or_refuses(data, elements)
        else:
            assert same(found, CODEC.decode(data, pb.Everything))


def needs_or_refuses(data: bytes, elements: int) -> bool:
    try:
        return needs_budget(data, elements, WEIGHT)
    except TooManyElementsError:
        return True


@given(st.lists(st.text('{}[],"\\x', max_size=6), max_size=8), st.integers(1, 60))
@example(["\\", '\\"', '"', "\\\\"], 3)
def test_commas_and_brackets_in_strings_are_nobodys_elements(texts: list[str], limit: int) -> None:
    data = json.dumps({"strings": texts, "children": [{}, {}]}).encode()
    bare = json.dumps({"strings": ["x"] * len(texts), "children": [{}, {}]}).encode()
    if len(bare) > 2 * limit:
        assert needs_or_refuses(data, limit) == needs_or_refuses(bare, limit)


@given(st.binary(max_size=80), st.integers(0, 20))
def test_any_bytes_are_bounded_or_left_to_the_parser(data: bytes, limit: int) -> None:
    assert needs_or_refuses(data, limit) in (True, False)


def test_a_long_document_is_gone_through_in_lots() -> None:
    data = document("strings", ["a,b"] * 100_000)
    assert not needs_budget(data, 100_000 + 3)
    assert needs_budget(data, 100_000 + 1)


# Nothing is read twice.


class Counting:
    """Counts what is filled, by the common way and by the tables."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.filled = 0
        make = filling.Fillers.of

        def of(fillers: Any, descriptor: Any) -> Any:
            fill = make(fillers, descriptor)

            def counted(value: Any, message: Any) -> None:
                self.filled += 1
                fill(value, message)

            return counted

        monkeypatch.setattr(filling.Fillers, "of", of)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, ""),
        ({"zzz": 1}, "zzz: everything.v1.Everything has no such field"),
        ({"a_string": "x"}, ""),
        ({"aString": 1}, "aString: expected a string, found 1"),
        ({"strings": [1]}, "strings[0]: expected a string, found 1"),
        ({"struct": {"a": ["\ud800"]}}, "struct.a[0]: the string has half of a surrogate pair"),
        ({"children": [*([{}] * 10), 1]}, "children[10]: expected an object for everything.v1.Everything, found 1"),
        (
            {"nested": {"children": [*([{}] * 10), {"kinds": ["?"]}]}},
            "nested.children[10].kinds[0]: '?' is not a value of everything.v1.Kind",
        ),
        ({"childrenByString": {"a": {}, "b": {"anInt32": 0.5}}}, 'childrenByString["b"].anInt32: expected a whole number, found 0.5'),
        ({"childrenByString": []}, "childrenByString: expected an object, found an array"),
        ({"numbersByInt32": []}, "numbersByInt32: expected an object, found an array"),
        ({"children_by_string": {"a": {}, "b": 1}}, 'children_by_string["b"]: expected an object for everything.v1.Everything, found 1'),
        ({"kinds": ["KIND_ONE", 2, "1"]}, ""),
        ({"chosenNumber": "1", "chosenChild": {}}, "chosenChild: chosenNumber is there too, and only one of oneof choice may be"),
        ({"int32s": [1, "2", 2**31]}, "int32s[2]: 2147483648 is out of range; give -2147483648 to 2147483647"),
        ({"doubles": [1, 10**400]}, "doubles[1]: 1000000000000000000000000000000000000000... is out of range for a double"),
        ({"doubles": [1, 2**1024 - 2**970 - 1]}, ""),
        ({"doubles": [1, 2**1024 - 2**970]}, "doubles[1]: 1797693134862315807937289714053034150799... is out of range for a double"),
        ({"floats": [1, 3.4028235677973366e38]}, "floats[1]: 3.4028235677973366e+38 is out of range for a float"),
        ({"floats": [3.5e38]}, "floats[0]: 3.5e+38 is out of range for a float"),
        ({"timestamp": "then"}, "timestamp: 'then' is not a google.protobuf.Timestamp; write it like \"2013-01-31T23:59:59Z\""),
    ],
    ids=repr,
)
def test_no_message_is_read_twice_whatever_is_odd_or_wrong(changed: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    codec = JsonCodec()
    whole = {"children": [{"nested": {}}] * 100, **changed}
    before = {"children": [{"nested": {}}] * 100}
    for value in (whole, {**changed, **before} if "children" not in changed else whole):
        counting.filled = 0
        try:
            codec.from_object(value, pb.Everything)
        except JsonError as error:
            assert str(error) == fault  # whether it is raised is in the table
        else:
            assert not fault
        assert counting.filled <= 1 + 200 + 13


def test_a_key_that_two_spellings_have_is_there_twice() -> None:
    [made] = types([[0]], [[("messages_by_key", 0)]], closed=False)
    assert CODEC.decode(b'{"f1":{"1":{},"2":{}}}', made) == made(f_1={1: {}, 2: {}})
    with pytest.raises(JsonError, match=r"""f1\["1.0"\]: the key '1.0' is there twice"""):
        CODEC.decode(b'{"f1":{"1":{},"1.0":{}}}', made)


def test_a_fault_quotes_no_more_of_a_key_than_tells_which_it_is() -> None:
    with pytest.raises(JsonError) as caught:
        CODEC.decode(json.dumps({"numbersByInt32": {"9" * 10_000: 1}}).encode(), pb.Everything)
    assert len(str(caught.value)) < 300
    with pytest.raises(JsonError, match="may have 10000 paths"):
        CODEC.decode(json.dumps({"fieldMask": "a," * 10_000}).encode(), pb.Everything)


def test_a_message_of_few_fields_of_many_is_read_all_the_same() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="towpath/tests/wide.proto", package="wide", syntax="proto3")
    wide = file.message_type.add(name="Wide")
    for number in range(1, 130):
        wide.field.add(
            name=f"f{number}",
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("wide.Wide"))
    for count in (0, 1, 3, 4, 129):
        fields = {f"f{number}": number for number in range(1, count + 1)}
        assert CODEC.from_object(fields, made) == made(**fields)
    with pytest.raises(JsonError, match=r"f130: wide\.Wide has no such field"):
        CODEC.from_object({"f130": 1}, made)


def test_a_number_that_a_closed_enum_does_not_have_is_a_fault_or_ignored() -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="towpath/tests/shut.proto", package="shut", syntax="proto2")
    file.enum_type.add(name="Closed").value.add(name="ONE", number=1)
    message = file.message_type.add(name="Shut")
    message.field.add(name="one", number=1, type=kinds.TYPE_ENUM, type_name=".shut.Closed", label=kinds.LABEL_OPTIONAL)
    message.field.add(name="many", number=2, type=kinds.TYPE_ENUM, type_name=".shut.Closed", label=kinds.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("shut.Shut"))
    assert CODEC.decode(b'{"one":"ONE","many":[1,"ONE"]}', made) == made(one=1, many=[1, 1])
    for data in (b'{"one":7}', b'{"many":[1,7]}', b'{"many":["ONE",7]}'):
        with pytest.raises(JsonError, match=r"7 is not a value of shut\.Closed"):
            CODEC.decode(data, made)
        assert 7 not in (LENIENT.decode(data, made).one, *LENIENT.decode(data, made).many)
