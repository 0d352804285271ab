"""The writers beside each other and beside json_format, over generated message types: aliases of enums, maps of them, groups, recursion."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.json.writers import BUILT, plans_in_c, pure, quick, same
from towpath._wire.json import plans

F: Final = descriptor_pb2.FieldDescriptorProto
OPTIONS: Final = [
    {"proto_names": proto, "print_defaults": defaults, "enums_as_ints": ints}
    for proto in (False, True)
    for defaults in (False, True)
    for ints in (False, True)
]
KEYS: Final = (F.TYPE_STRING, F.TYPE_INT32, F.TYPE_BOOL, F.TYPE_UINT64, F.TYPE_SINT32)
NUMBERS: Final[Iterator[int]] = count()

# An enum as its numbers in the order of their names; the first is 0, as an open enum demands. The second name of a number is an alias.
ENUMS = st.lists(st.one_of(st.integers(-2, 3), st.sampled_from([-(2**31), 2**31 - 1, 100_000])), max_size=6).map(lambda rest: [0, *rest])
# A message as its fields, each a shape with the place of the enum or message that it is of, which is taken modulo their number.
SHAPES = st.sampled_from(["enum", "enums", "unpacked", "optional", "map", "message", "messages", "messages_by_key", "group", "text"])
MESSAGES = st.lists(st.tuples(SHAPES, st.integers(0, 5)), max_size=5)


def types(enums: list[list[int]], messages: list[list[tuple[str, int]]], *, closed: bool) -> list[Any]:
    """The message classes of a file with these enums and messages; of proto2, whose enums are closed, or of proto3."""
    name = f"shapes{next(NUMBERS)}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto2" if closed else "proto3")
    for place, numbers in enumerate(enums):
        enum = file.enum_type.add(name=f"E{place}")
        enum.options.allow_alias = len(set(numbers)) < len(numbers)
        for index, number in enumerate(numbers):
            enum.value.add(name=f"E{place}_N{index}", number=number)
    for place, fields in enumerate(messages):
        message = file.message_type.add(name=f"M{place}")
        for number, (shape, target) in enumerate(fields, 1):
            _add(message, shape, number, f".{name}.E{target % len(enums)}", f".{name}.M{target % len(messages)}", closed=closed)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{name}.M{place}")) for place in range(len(messages))]


def _add(message: Any, shape: str, number: int, enum: str, other: str, *, closed: bool) -> None:
    full_name = f"{other[: other.index('.', 1)]}.{message.name}"
    field = message.field.add(name=f"f_{number}", number=number, label=F.LABEL_OPTIONAL, type=F.TYPE_STRING)
    if shape in ("enum", "enums", "unpacked", "optional"):
        field.type, field.type_name = F.TYPE_ENUM, enum
        field.label = F.LABEL_REPEATED if shape in ("enums", "unpacked") else F.LABEL_OPTIONAL
        if shape == "unpacked":
            field.options.packed = False
        if shape == "optional" and not closed:
            field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name=f"_f_{number}")
    elif shape == "group" and closed:
        field.name = field.name.replace("_", "")
        field.type, field.type_name, field.label = F.TYPE_GROUP, f"{full_name}.F{number}", F.LABEL_REPEATED
        message.nested_type.add(name=f"F{number}").field.add(name="e", number=1, type=F.TYPE_ENUM, type_name=enum, label=F.LABEL_OPTIONAL)
    elif shape in ("message", "messages", "group"):
        field.type, field.type_name = F.TYPE_MESSAGE, other
        field.label = F.LABEL_REPEATED if shape == "messages" else F.LABEL_OPTIONAL
    elif shape in ("map", "messages_by_key"):
        field.type, field.type_name, field.label = F.TYPE_MESSAGE, f"{full_name}.F{number}Entry", F.LABEL_REPEATED
        entry = message.nested_type.add(name=f"F{number}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=KEYS[number % len(KEYS)], label=F.LABEL_OPTIONAL)
        kind, of = (F.TYPE_ENUM, enum) if shape == "map" else (F.TYPE_MESSAGE, other)
        entry.field.add(name="value", number=2, type=kind, type_name=of, label=F.LABEL_OPTIONAL)


def fill(draw: st.DrawFn, message: Any, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        target = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key = {F.TYPE_STRING: "k", F.TYPE_BOOL: True}.get(field.message_type.fields_by_name["key"].type, 7)
            enum = field.message_type.fields_by_name["value"].enum_type
            if enum is not None:
                target[key] = draw(values(enum))
            elif depth:
                fill(draw, target[key], depth - 1)
        elif field.message_type is not None:
            if depth:
                fill(draw, target.add() if field.is_repeated else target, depth - 1)
        elif field.is_repeated:
            target.extend(draw(st.lists(values(field.enum_type), max_size=3)))
        else:
            setattr(message, field.name, "x" if field.enum_type is None else draw(values(field.enum_type)))


def values(enum: Any) -> st.SearchStrategy[int]:
    known = st.sampled_from([value.number for value in enum.values])
    return known if enum.is_closed else st.one_of(known, st.integers(-(2**31), 2**31 - 1))


@st.composite
def messages(draw: st.DrawFn) -> Any:
    made = types(
        draw(st.lists(ENUMS, min_size=1, max_size=3)), draw(st.lists(MESSAGES, min_size=1, max_size=3)), closed=draw(st.booleans())
    )
    message = made[0]()
    fill(draw, message, 3)
    return message


def aliased(shape: str) -> Any:
    """A message that reaches an enum with aliases through another message alone, and has none of it set."""
    return types([[0, 1, 1, -3, -3, 0]], [[("text", 0), ("message", 1)], [(shape, 0)]], closed=False)[0](f_1="x")


@settings(max_examples=150, deadline=None)
@given(messages(), st.sampled_from(OPTIONS))
@example(aliased("enum"), OPTIONS[0])
@example(aliased("map"), OPTIONS[2])
def test_any_type_is_written_the_same_by_both_writers_and_as_json_format_writes_it(message: Any, options: dict[str, bool]) -> None:
    written = pure(**options).encode(message)
    assert same(quick(**options).encode(message), written)
    theirs = json_format.MessageToJson(
        message,
        indent=None,
        preserving_proto_field_name=options["proto_names"],
        always_print_fields_with_no_presence=options["print_defaults"],
        use_integers_for_enums=options["enums_as_ints"],
    )
    assert json.loads(written) == json.loads(theirs)


@BUILT
@given(messages(), st.sampled_from(OPTIONS))
def test_any_type_has_a_plan(message: Any, options: dict[str, bool]) -> None:
    assert plans_in_c(**options).of(message.DESCRIPTOR) is not None


@pytest.mark.parametrize("codec", [quick(), pure()])
def test_of_the_names_of_a_number_the_first_is_written_and_each_is_read(codec: Any) -> None:
    [made] = types([[0, 1, 1, -3, -3, 0]], [[("enum", 0), ("enums", 0), ("map", 0)]], closed=False)
    message = made(f_1=1, f_2=[1, -3, 0, 9], f_3={7: -3})
    document = b'{"f1":"E0_N1","f2":["E0_N1","E0_N3","E0_N0",9],"f3":{"7":"E0_N3"}}'
    assert codec.encode(message) == document
    assert codec.decode(document.replace(b"N1", b"N2").replace(b"N3", b"N4").replace(b"N0", b"N5"), made) == message


class Choosy:
    """A plan that no table is right for."""

    def __init__(self, table: Any) -> None:
        raise ValueError(table)


def test_a_type_whose_table_is_refused_is_written_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "COMPILED", Choosy)
    assert plans_in_c().of(aliased("enum").DESCRIPTOR) is None
    assert quick().encode(aliased("enum")) == b'{"f1":"x"}'
