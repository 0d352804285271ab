"""Messages that are small to send and dear to read: as bytes of a `hostile.v1.WeighRequest` in JSON and in protobuf's form."""

import gzip
import zlib
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import NamedTuple

from everything.v1.everything_pb2 import Everything
from hostile.v1.hostile_pb2 import WeighRequest

LIMIT = 4 << 20
"""Bytes that a message may have by default."""

_FULL = LIMIT // 3
"""Bytes of a large message: a third of the limit, since reading one takes time."""


class Payload(NamedTuple):
    """A body of a request."""

    make: Callable[[], bytes]
    """The body before it is compressed."""
    refused: bool = True
    """Whether it has to be refused. If not, an answer is fine too."""
    compress: Callable[[bytes], bytes] = partial(gzip.compress, compresslevel=1)
    """How it is compressed."""


def _content(text: str) -> bytes:
    return b'{"content":{' + text.encode() + b"}}"


def _filled(before: str, piece: str, after: str) -> bytes:
    """A document with pieces, separated by commas, that is large."""
    room = _FULL - len(_content(before + after))
    return _content(before + (piece + ",") * (room // (len(piece) + 1)) + piece + after)


def _field(number: int, payload: bytes) -> bytes:
    """A field with a length, in protobuf's form."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _within(payload: bytes) -> bytes:
    """A request with these bytes as its content."""
    return _field(1, payload)


_CHILDREN, _NESTED, _BY_UINT64, _ANY = (
    Everything.DESCRIPTOR.fields_by_name[name].number for name in ("children", "nested", "kinds_by_uint64", "any")
)


def _crowded(count: int = 40_000) -> Iterable[int]:
    """Keys that have one place in a table."""
    return ((i << 32) | i for i in range(count))


def _nested(depth: int) -> bytes:
    message = b""
    for _ in range(depth):
        message = _field(_NESTED, message)
    return _within(message)


def _anys(depth: int) -> bytes:
    """Messages within messages that each say in an Any what they are."""
    message = Everything()
    for _ in range(depth):
        outer = Everything()
        outer.any.Pack(message)
        message = outer
    return WeighRequest(content=message).SerializeToString()


def _members(_: bytes) -> bytes:
    return gzip.compress(b"") * 50_000


def _bomb(_: bytes) -> bytes:
    """64 MiB of nothing."""
    return gzip.compress(bytes(64 << 20), 1)


def _cut(body: bytes) -> bytes:
    return gzip.compress(body)[:-5]


def _wrong_sum(body: bytes) -> bytes:
    return gzip.compress(body)[:-8] + bytes(8)


def _trailing(body: bytes) -> bytes:
    return gzip.compress(body) + b"garbage" * 1000


def _raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body)


JSON: dict[str, Payload] = {
    "a gzip bomb": Payload(lambda: b"", compress=_bomb),
    "50,000 members of gzip": Payload(lambda: b"", compress=_members),
    "gzip that is cut": Payload(lambda: b"{}" * 100, compress=_cut),
    "gzip with a wrong sum": Payload(lambda: b"{}", compress=_wrong_sum),
    "gzip with garbage behind": Payload(lambda: b"{}", compress=_trailing),
    "gzip of gzip": Payload(lambda: gzip.compress(b"{}")),
    "zlib's form for gzip's": Payload(lambda: b"{}", compress=_raw_deflate),
    "empty messages": Payload(lambda: _filled('"children":[', "{}", "]")),
    "empty messages and a fault": Payload(lambda: _filled('"children":[', "{}", ',{"no":1}]')),
    "values of a list": Payload(lambda: _filled('"listValue":[', "1", "]")),
    "lists within lists": Payload(lambda: _content('"value":' + "[" * 1_000_000 + "]" * 1_000_000)),
    "brackets": Payload(lambda: b"[" * _FULL),
    "messages within messages": Payload(lambda: _content('"nested":{' * 20_000 + "}" * 20_000)),
    "keys of one place": Payload(lambda: _content('"kindsByUint64":{' + ",".join(f'"{key}":1' for key in _crowded()) + "}")),
    "the same key": Payload(lambda: _filled('"stringsByString":{', '"a":"b"', "}")),
    "a key of a megabyte": Payload(lambda: _content(f'"numbersByInt32":{{"{"a" * 1_000_000}":1}}')),
    "a name of a megabyte": Payload(lambda: _content(f'"{"a" * 1_000_000}":1'), refused=False),
    "digits of an integer": Payload(lambda: _content(f'"anInt64":{"1" * 1_000_000}')),
    "digits of text": Payload(lambda: _content(f'"anInt64":"{"1" * 1_000_000}"')),
    "a large exponent": Payload(lambda: _content('"anInt64":1e400000000')),
    "a small exponent": Payload(lambda: _content('"aDouble":1e-400000000'), refused=False),
    "digits of a fraction": Payload(lambda: _content(f'"aDouble":0.{"1" * 1_000_000}'), refused=False),
    "digits of a duration": Payload(lambda: _content(f'"duration":"{"9" * 1_000_000}s"')),
    "digits of a timestamp": Payload(lambda: _content(f'"timestamp":"2026-01-01T00:00:00.{"9" * 1_000_000}Z"')),
    "no base64": Payload(lambda: _content(f'"someBytes":"{"!" * 1_000_000}"')),
    "paths of a mask": Payload(lambda: _content(f'"fieldMask":"{"a," * 500_000}a"')),
    "types within types": Payload(
        lambda: _content('"any":' + '{"@type":"type.googleapis.com/google.protobuf.Any","value":' * 3000 + "{}" + "}" * 3000)
    ),
    "half of a pair": Payload(lambda: _content('"aString":"\\ud800"')),
    "no UTF-8": Payload(lambda: b'{"content":{"aString":"\xff\xfe"}}'),
    "white space": Payload(lambda: b" " * (_FULL - 2) + b"{}", refused=False),
    "escapes": Payload(lambda: _content('"aString":"' + "\\u0061" * 600_000 + '"'), refused=False),
    "a string without end": Payload(lambda: b'{"content":{"aString":"' + b"\\" * (_FULL - 40)),
    "numbers": Payload(lambda: _filled('"doubles":[', "0", "]"), refused=False),
    "numbers and a fault": Payload(lambda: _filled('"int32s":[', "0", ',"a"]')),
    "enums that nobody knows": Payload(lambda: _filled('"kinds":[', '"A"', "]"), refused=False),
}
"""Bodies for a protocol that speaks JSON."""

PROTO: dict[str, Payload] = {
    "a gzip bomb": Payload(lambda: b"", compress=_bomb),
    "50,000 members of gzip": Payload(lambda: b"", compress=_members),
    "gzip that is cut": Payload(lambda: b"", compress=_cut),
    "empty messages": Payload(lambda: _within((_varint(_CHILDREN << 3 | 2) + b"\0") * 600_000)),
    "keys of one place": Payload(lambda: _within(b"".join(_field(_BY_UINT64, b"\x08" + _varint(key) + b"\x10\x01") for key in _crowded()))),
    "messages within messages": Payload(lambda: _nested(5000)),
    "types within types": Payload(lambda: _anys(500), refused=False),
    "a type of many messages": Payload(lambda: _within(_field(_ANY, _field(2, b"\xba\x02\x00" * 600_000))), refused=False),
    "fields that nobody knows": Payload(lambda: b"\x78\x01" * 500_000, refused=False),
    "groups within groups": Payload(lambda: b"\x7b" * 1_000_000 + b"\x7c" * 1_000_000),
    "numbers of eleven bytes": Payload(lambda: b"\x78" + b"\xff" * 10 + b"\x01"),
    "a length beyond the end": Payload(lambda: b"\x0a\xff\xff\xff\xff\x0f"),
    "no UTF-8": Payload(lambda: _within(_field(14, b"\xff\xfe"))),
    "field 0": Payload(lambda: b"\x02\x01a" * 1000),
}
"""Bodies for a protocol that speaks protobuf's form."""


@cache
def compressed(kind: str, name: str) -> bytes:
    """The body, compressed; made once, for it takes longer than to read it."""
    payload = (JSON if kind == "json" else PROTO)[name]
    return payload.compress(payload.make())
