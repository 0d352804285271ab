"""Compression of messages: the algorithms, and the one rule by which two sides agree on one.

An algorithm is an entry of `REGISTRY`; every protocol, on the server and on the client, takes what it can do from there. Protocols differ
in nothing but the header fields that name an algorithm (`EncodingFields`). Whole messages are compressed, each by itself.
"""

import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from towpath._core.disclosure.printable import shortened
from towpath._core.errors import Code, RpcError, SetupError, over_limit
from towpath._wire.http.fields import Field

IDENTITY: Final = b"identity"
"""The name of no compression."""

_LEVEL: Final = 6
_MAX_MEMBERS: Final = 1024
"""Gzip members in one message. An empty member takes 20 bytes, and some microseconds."""
_PIECE: Final = 16 * 1024
"""Bytes that a decompressor is given at once. It copies what is behind a member, so a message of many members would be copied as often."""

MAX_RATIO: Final = 100
"""How many times the bytes of a compressed message may be those of the message. Text and records come to 3 to 20, and Envoy has this bound
by default; deflate goes up to 1,032, by which 4 KB would unfold to 4 MiB."""
_FREE: Final = 16
"""A message may unfold to this fraction of the message limit however small it is compressed: 256 KiB of the default limit."""

_WEIGHT_ZERO: Final = re.compile(rb"[qQ]=0(\.0*)?")


class MalformedData(RpcError):
    """Data that no compressor has made, or half of what one has. The code is INTERNAL, as it is for a caller whose server sends such data;
    a server that gets them tells its caller INVALID_ARGUMENT."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.INTERNAL, message)


class Compression(ABC):
    """One algorithm, without state."""

    name: bytes
    """What header fields call it."""

    @abstractmethod
    def compress(self, data: bytes) -> bytes:
        """The compressed form of a whole message."""

    @abstractmethod
    def decompress(self, data: bytes, limit: int) -> bytes:
        """The message that `compress` was given; an empty message for no data, which Connect forbids to decompress. Raises MalformedData
        for data of another form, and RpcError (RESOURCE_EXHAUSTED) for a message larger than `unfolded_limit` allows of a message limit of
        `limit` bytes, of which never more than that is made."""


class Unfolded(bytes):
    """A decompressed message that may have less than one which came as it is."""

    limit: int
    """Bytes that stand for the message limit in all that goes with it, such as the elements that the message may have."""


def unfolded_limit(size: int, limit: int) -> int:
    """How many bytes a message may have that has `size` bytes compressed, where messages may have `limit` bytes."""
    return min(limit, max(limit // _FREE, size * MAX_RATIO))


class _Zlib(Compression):
    """An algorithm of zlib. `window_bits` choose the container: 31 for gzip, 15 for zlib's own. A message may be up to `max_members` of
    them in a row, as gzip allows (RFC 1952, section 2.2)."""

    def __init__(self, name: bytes, window_bits: int, max_members: int) -> None:
        self.name = name
        self._text = name.decode()
        self._window_bits = window_bits
        self._max_members = max_members

    def compress(self, data: bytes) -> bytes:
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, self._window_bits)
        made = compressor.compress(data) + compressor.flush()
        if len(data) > MAX_RATIO * len(made):
            # A reader may take it for a bomb. Without matches deflate makes an eighth of the data at the least.
            compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, self._window_bits, strategy=zlib.Z_HUFFMAN_ONLY)
            made = compressor.compress(data) + compressor.flush()
        return made

    def decompress(self, data: bytes, limit: int) -> bytes:
        if not data:
            return b""
        parts: list[bytes] = []
        allowed = left = unfolded_limit(len(data), limit)
        at = members = 0
        while at < len(data):
            if members == self._max_members:
                raise MalformedData(f"a message's {self._text} data has more than {members} members")
            members += 1
            decompressor = zlib.decompressobj(self._window_bits)
            while not decompressor.eof:
                piece = data[at : at + _PIECE]
                if not piece:
                    raise MalformedData(f"a message's {self._text} data ends too early")
                at += len(piece)
                try:
                    # One byte over the limit suffices to know, so that a bomb never unfolds.
                    plain = decompressor.decompress(piece, left + 1)
                except zlib.error as error:
                    raise MalformedData(f"a message is not valid {self._text}: {error}") from None
                left -= len(plain)
                if left < 0:
                    raise _unfolds_too_far(len(data), allowed, limit)
                parts.append(plain)
            at -= len(decompressor.unused_data)
        if allowed == limit:
            return parts[0] if len(parts) == 1 else b"".join(parts)
        message = Unfolded(b"".join(parts))
        message.limit = allowed
        return message


def _unfolds_too_far(size: int, allowed: int, limit: int) -> RpcError:
    if allowed == limit:
        return RpcError(Code.RESOURCE_EXHAUSTED, f"a message is, once decompressed, larger than the limit of {limit} bytes")
    return over_limit(
        "a message unfolds to more than its size allows; send it without compression, or raise the message limit",
        size=size,
        allowed=allowed,
        limit=limit,
    )


GZIP: Final[Compression] = _Zlib(b"gzip", 31, _MAX_MEMBERS)

CompressionName = Literal["gzip"]
"""What a user may call a compression: the names in `REGISTRY`."""

REGISTRY: Final[Mapping[bytes, Compression]] = {known.name: known for known in (GZIP,)}
"""The algorithms by name. Those that come first are offered first."""

_CHOICE: Final = " or ".join(name.decode() for name in REGISTRY)


class EncodingFields(NamedTuple):
    """The two header fields in which a protocol names compressions."""

    sent: bytes
    """The field that names the compression of the messages that follow."""
    accepted: bytes
    """The field that lists the compressions that an answer may have."""
    offer: bytes
    """What a client of ours says in `accepted`."""

    def request(self, compression: Compression | None) -> list[Field]:
        """The fields of a request whose messages are compressed so."""
        offered = (self.accepted, self.offer)
        return [offered] if compression is None else [offered, (self.sent, compression.name)]

    def announced(self, fields: Mapping[bytes, bytes]) -> Compression | None:
        """The compression that a head announces; None for an unknown one too, whose messages then cannot be read."""
        return REGISTRY.get(fields.get(self.sent, IDENTITY))


_ALL: Final = b",".join(REGISTRY)
GRPC_FIELDS: Final = EncodingFields(sent=b"grpc-encoding", accepted=b"grpc-accept-encoding", offer=IDENTITY + b"," + _ALL)
CONNECT_STREAM_FIELDS: Final = EncodingFields(sent=b"connect-content-encoding", accepted=b"connect-accept-encoding", offer=_ALL)
HTTP_FIELDS: Final = EncodingFields(sent=b"content-encoding", accepted=b"accept-encoding", offer=_ALL)
"""Those of ordinary requests: REST, and Connect's unary calls."""

ACCEPTED: Final[Field] = (HTTP_FIELDS.accepted, HTTP_FIELDS.offer)
"""What a response to a request of an unknown encoding says (RFC 9110, section 12.5.3)."""


@dataclass(frozen=True, slots=True)
class Negotiation:
    """What a request's head says of compression."""

    request: Compression | None
    """What the request's messages are compressed with."""
    accepted: frozenset[bytes]
    """Names that the caller accepts for the answer, known here or not."""
    fault: RpcError | None
    """UNIMPLEMENTED if the request is compressed in an unknown way."""

    def response(self, preferred: Compression | None) -> Compression | None:
        """What the answer is compressed with: what the server prefers, if the caller accepts that."""
        return preferred if preferred is not None and preferred.name in self.accepted else None


def negotiate(names: EncodingFields, fields: Mapping[bytes, bytes]) -> Negotiation:
    """What the head with these fields says, in the protocol whose encoding fields are `names`.

    `accepted` is a list as RFC 9110, section 12.5.3, has it. A name with the weight 0 is not accepted; other weights are not compared.
    """
    request, fault = None, None
    try:
        request = named(names.sent.decode(), fields.get(names.sent, IDENTITY))
    except RpcError as error:
        fault = error
    return Negotiation(request, _accepted(fields.get(names.accepted, b"")), fault)


def named(where: str, name: bytes) -> Compression | None:
    """The compression that a request calls by `name`, None for "identity" and for an empty name. Case does not matter, and `x-gzip` is gzip
    (RFC 9110, section 8.4.1). Raises RpcError (UNIMPLEMENTED) for an unknown one, which names the field or parameter that has it."""
    compression = REGISTRY.get(name) or REGISTRY.get(name.strip().lower().removeprefix(b"x-"))
    if compression is None and name.strip().lower() not in (IDENTITY, b""):
        raise RpcError(Code.UNIMPLEMENTED, f"{where} {shortened(name.decode('latin-1'))!r} is not supported; use {_CHOICE}")
    return compression


def configured(name: CompressionName | None) -> Compression | None:
    """The compression that a user chose by `name`. Raises SetupError for an unknown one."""
    if name is None:
        return None
    compression = REGISTRY.get(name.encode())
    if compression is None:
        raise SetupError(f"compression={name!r} is not known; use {_CHOICE}, or None")
    return compression


def _accepted(value: bytes) -> frozenset[bytes]:
    names: set[bytes] = set()
    for item in value.split(b","):
        name, *parameters = (part.strip() for part in item.split(b";"))
        if not any(_WEIGHT_ZERO.fullmatch(parameter) for parameter in parameters):
            names.add(name)
    return frozenset(names)
