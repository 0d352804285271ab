"""Maps with integers for keys, wherever they are in a message type."""

from everything.v1 import everything_pb2 as pb
from google.protobuf import struct_pb2
from library.v1 import library_pb2

from towpath._contracts.integer_keys import integer_keyed_maps


def test_each_is_named_once_however_the_types_are_nested() -> None:
    found = integer_keyed_maps(pb.Everything.DESCRIPTOR)
    assert "everything.v1.Everything.numbers_by_int32" in found
    assert "everything.v1.Everything.strings_by_string" not in found
    assert len(found) == len(set(found))


def test_maps_of_strings_are_none_of_them() -> None:
    assert integer_keyed_maps(struct_pb2.Struct.DESCRIPTOR) == ()
    assert integer_keyed_maps(library_pb2.ListBooksRequest.DESCRIPTOR) == ()
