"""JSON is nested as deeply as protobuf's own form may be, and not more deeply."""

import json
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from google.protobuf import descriptor_pb2

from towpath._wire.json import JsonCodec, JsonError
from towpath._wire.json.depth import MAX_DEPTH, MAX_STRUCT_DEPTH, is_deeper

CODEC = JsonCodec(unknown_fields="ignore")


def nested(depth: int, name: str = "nested", *, listed: bool = False, inmost: Any = None) -> Any:
    """As many objects within each other."""
    value = {"children": []} if inmost is None else inmost
    for _ in range(depth - 1):
        value = {name: [value] if listed else value}
    return value


@pytest.mark.parametrize(("name", "listed"), [("nested", False), ("children", True), ("zzz", True)])
def test_a_document_as_deep_as_protobufs_own_form_may_be_is_read_and_a_deeper_one_is_not(name: str, listed: bool) -> None:
    message = CODEC.decode(json.dumps(nested(MAX_DEPTH, name, listed=listed)).encode(), pb.Everything)
    assert pb.Everything.FromString(message.SerializeToString()) == message
    with pytest.raises(JsonError, match="the document is nested too deeply"):
        CODEC.decode(json.dumps(nested(MAX_DEPTH + 1, name, listed=listed)).encode(), pb.Everything)


def test_arrays_and_siblings_are_no_depth() -> None:
    assert not is_deeper([[[[{}]]]], 1)
    assert is_deeper([[[[{"a": [[{}]]}]]]], 1)
    assert not is_deeper({"a": [1, []], "b": 1}, 1)
    assert not is_deeper(1, 1)
    wide = CODEC.decode(json.dumps({"children": [{"nested": {}}] * 500}).encode(), pb.Everything)
    assert len(wide.children) == 500


def structured(depth: int) -> Any:
    value: Any = {"a": 1}
    for number in range(depth - 1):
        value = [value] if number % 2 else {"a": value}
    return value


@pytest.mark.parametrize("field", ["struct", "value"])
def test_a_struct_is_bounded_by_the_messages_that_it_is(field: str) -> None:
    deepest = structured(MAX_STRUCT_DEPTH) if isinstance(structured(MAX_STRUCT_DEPTH), dict) else {"a": structured(MAX_STRUCT_DEPTH - 1)}
    message = CODEC.decode(json.dumps({field: deepest}).encode(), pb.Everything)
    assert pb.Everything.FromString(message.SerializeToString()) == message
    with pytest.raises(JsonError, match=r"google\.protobuf\.Value is nested too deeply; 32 objects and arrays may be within each other"):
        CODEC.decode(json.dumps({field: {"a": [deepest]}}).encode(), pb.Everything)


def test_a_type_that_cannot_be_nested_is_not_looked_at() -> None:
    data = json.dumps({"value": [{"name": "x"}] * 200, "zzz": nested(150)}).encode()
    assert len(CODEC.decode(data, descriptor_pb2.EnumDescriptorProto).value) == 200
