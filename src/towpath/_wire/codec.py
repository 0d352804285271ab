"""How a protocol's bodies carry messages: as protobuf's bytes, or as its JSON."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

from google.protobuf.message import DecodeError, Message

from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import Code, RpcError
from towpath._wire.elements import (
    UNCHECKED,
    check_elements,
    ends_within_field,
    json_elements,
    limit_of,
    needs_count,
    too_many_elements,
)
from towpath._wire.json import JsonCodec, JsonError, TooManyElementsError
from towpath._wire.small_fields import has_many_fields, no_pause, read_in_slices

JsonDefaults = Literal["omit", "print"]
"""Whether JSON leaves out fields that have their default, or has them. Fields with presence, such as messages and `optional` ones, are left
out in either case if they are absent."""

MAY_BE_COSTLY: Final = UNCHECKED
"""Bytes from which on a codec is asked whether a message is costly."""

_COSTLY_JSON: Final = 32 * 1024
"""Bytes of JSON that take some milliseconds to read."""

_LONGEST_SHOWN: Final = 500
"""Characters of a fault that are shown to the caller."""


class BodyCodec(ABC):
    """One encoding of messages. `subtype` is its name in content types (`application/grpc+proto`)."""

    subtype: ClassVar[bytes]

    @abstractmethod
    def decode(self, raw: bytes, message_type: type[Message], limit: int) -> Message:
        """The message; raises RpcError if `raw` is none of its type, and if it has more messages within it than go with a message limit of
        `limit` bytes (RESOURCE_EXHAUSTED, see `towpath._wire.elements`)."""

    @abstractmethod
    def is_costly(self, raw: bytes, message_type: type[Message], limit: int) -> bool:
        """Whether a message of over `MAY_BE_COSTLY` bytes takes so long to decode that other calls should go on meanwhile."""

    @abstractmethod
    def encode(self, message: Any) -> bytes:
        """The message's bytes."""


class ProtoCodec(BodyCodec):
    """Protobuf's own. What is not of the type is INTERNAL, as in gRPC: it is a bug of whoever sent it."""

    subtype = b"proto"

    def __init__(self) -> None:
        self.pause: Callable[[], None] = no_pause
        """Called between the slices of a message that takes long to read. Who has a thread for such messages sets it."""

    def decode(self, raw: bytes, message_type: type[Message], limit: int) -> Message:
        if len(raw) > UNCHECKED:
            check_elements(message_type, raw, limit)
        try:
            return (
                read_in_slices(message_type, raw, pause=self.pause) if has_many_fields(message_type, raw) else message_type.FromString(raw)
            )
        except DecodeError as error:
            raise RpcError(Code.INTERNAL, f"the request is not a {message_type.DESCRIPTOR.full_name}: {error}") from None
        except IndexError:
            raise ends_within_field(message_type) from None

    def is_costly(self, raw: bytes, message_type: type[Message], limit: int) -> bool:
        """Counting its elements is, and reading many small fields. Of others upb reads 4 MiB in some milliseconds, and lets no other thread
        run meanwhile."""
        return needs_count(message_type, raw, limit) or has_many_fields(message_type, raw)

    def encode(self, message: Any) -> bytes:
        """The message's bytes."""
        return message.SerializeToString()


class JsonBodyCodec(BodyCodec):
    """The JSON mapping. What is not of the type is INVALID_ARGUMENT: people write JSON. Fields that the type does not have are ignored, so
    that a newer client may call an older server, as with protobuf's own encoding."""

    subtype = b"json"

    def __init__(self, codec: JsonCodec) -> None:
        self._codec = codec

    def decode(self, raw: bytes, message_type: type[Message], limit: int) -> Message:
        elements = json_elements(limit_of(raw, limit))
        try:
            return self._codec.decode(raw, message_type, elements=elements)
        except TooManyElementsError:
            raise too_many_elements(elements, raw, limit) from None
        except JsonError as error:
            raise RpcError(
                Code.INVALID_ARGUMENT,
                f"the request is not the JSON of a {message_type.DESCRIPTOR.full_name}: {printable(shortened(str(error), _LONGEST_SHOWN))}",
            ) from None

    def is_costly(self, raw: bytes, message_type: type[Message], limit: int) -> bool:
        return len(raw) > _COSTLY_JSON

    def encode(self, message: Any) -> bytes:
        return self._codec.encode(message)


PROTO: Final = ProtoCodec()
JSON: Final = JsonBodyCodec(JsonCodec(unknown_fields="ignore"))
"""Shared, because a codec keeps what it compiled per message type."""

JSON_WITH_DEFAULTS: Final = JsonBodyCodec(JsonCodec(unknown_fields="ignore", print_defaults=True))
"""What `JSON` is on a server that prints defaults."""

CODECS: Final[dict[bytes, BodyCodec]] = {codec.subtype: codec for codec in (PROTO, JSON)}


def codec_of(codec: BodyCodec, defaults: JsonDefaults) -> BodyCodec:
    """`codec`, one of `CODECS`, on a server with this rule for defaults."""
    return JSON_WITH_DEFAULTS if codec is JSON and defaults == "print" else codec
