"""Objects with two members of one name, told by counting, in C and in Python."""

import json
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.json.writers import BUILT, EITHER
from towpath._wire.json import JsonError, plans
from towpath._wire.json.repeated_names import refuse_repeated_name, repeats_a_name

NAMES = st.sampled_from(["a", "b", ":", '"', "\\", '\\":', "é", ""])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), NAMES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(NAMES, inner), max_size=3).map(tuple)),
    max_leaves=8,
)


def text(value: Any, *, ascii_only: bool) -> str:
    """JSON of a value whose objects are tuples of members, so that they can repeat a name."""
    if isinstance(value, tuple):
        members: Any = value
        names = [json.dumps(name, ensure_ascii=ascii_only) for name, _ in members]
        values = [text(one, ascii_only=ascii_only) for _, one in members]
        return f"{{{', '.join(f'{name} : {one}' for name, one in zip(names, values, strict=True))}}}"
    if isinstance(value, list):
        items: Any = value
        return f"[{','.join(text(one, ascii_only=ascii_only) for one in items)}]"
    return json.dumps(value, ensure_ascii=ascii_only)


def repeats(value: Any) -> bool:
    if isinstance(value, tuple):
        members: Any = value
        return len({name for name, _ in members}) < len(members) or any(repeats(one) for _, one in members)
    items: Any = value
    return isinstance(value, list) and any(map(repeats, items))


@given(VALUES, st.booleans())
def test_a_repeated_name_is_told_and_no_other_document(value: Any, ascii_only: bool) -> None:
    data = text(value, ascii_only=ascii_only).encode()
    read = json.loads(data)
    assert repeats_a_name(data, read) == repeats(value)
    if plans.COMPILED_CHECK is not None:
        assert plans.COMPILED_CHECK(data, read) == repeats(value)
    if repeats(value):
        with pytest.raises(JsonError, match="is there twice in one object"):
            refuse_repeated_name(data)


@EITHER
@pytest.mark.parametrize(
    ("document", "message_type", "name"),
    [
        (b'{"aString":"x","aString":"x"}', pb.Everything, "aString"),
        (b'{"aString":"x","a\\u0053tring":null}', pb.Everything, "aString"),
        (b'{"nested":{"anInt32":1},"nested":{}}', pb.Everything, "nested"),
        (b'{"children":[{},{"nested":{"aBool":true,"aBool":false}}]}', pb.Everything, "aBool"),
        (b'{"stringsByString":{"a:b":"1","a:b":"2"}}', pb.Everything, "a:b"),
        (b'{"any":{"@type":"x","@type":"type.googleapis.com/google.protobuf.Empty"}}', pb.Everything, "@type"),
        (b'{"k":[{"n":1,"n":2}]}', Struct, "n"),
    ],
)
def test_it_is_refused_by_its_name_as_json_format_does(make: Any, document: bytes, message_type: Any, name: str) -> None:
    with pytest.raises(JsonError, match=f"'{name}' is there twice in one object"):
        make().decode(document, message_type)
    with pytest.raises(json_format.ParseError):
        json_format.Parse(document, message_type())


@BUILT
def test_the_count_in_c_ends_at_what_is_nested_too_deeply() -> None:
    check: Any = plans.COMPILED_CHECK
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(RecursionError):
        check(b"", value)
    while value:  # or freeing it would recurse, too
        value = value.pop()


@BUILT
@pytest.mark.parametrize("arguments", [(), ("{}", {}), (b"{}",)])
def test_the_count_in_c_takes_bytes_and_a_value(arguments: tuple[Any, ...]) -> None:
    check: Any = plans.COMPILED_CHECK
    with pytest.raises(TypeError):
        check(*arguments)


def test_a_long_document_is_not_read_again_to_say_which_name_it_is() -> None:
    short = b'{"a":1,"zzz":"' + b"x" * 1000 + b'","a":1}'
    with pytest.raises(JsonError, match="'a' is there twice in one object"):
        refuse_repeated_name(short)
    with pytest.raises(JsonError, match="an object has two members of one name"):
        refuse_repeated_name(short.replace(b"x", b"x" * 100))
