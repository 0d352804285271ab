"""How large the messages of a single method may be and how they are compressed, where that differs from the rest of a server or channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from towpath._core.errors import SetupError
from towpath._wire.compression import Compression, CompressionName, configured

LARGEST_MESSAGE: Final = 2**32 - 1
"""Bytes of the largest message limit: gRPC has four bytes for the size of a message."""


@dataclass(frozen=True, kw_only=True)
class MessageOptions:
    """What holds for the messages of one method. None leaves it to the server, or to the client's target. Raises SetupError for a limit out
    of its range and for an unknown compression."""

    message_limit: int | None = None
    """Bytes that a message may have which the other side sends, before and after decompression."""
    compression: CompressionName | Literal["off"] | None = None
    """The compression of the messages that this side sends; "off" for none."""

    def __post_init__(self) -> None:
        limit = self.message_limit
        if limit is not None and not 1 <= limit <= LARGEST_MESSAGE:
            raise SetupError(f"message_limit: {limit} is out of range; give 1 to {LARGEST_MESSAGE} bytes")
        self.compresses(None)

    def limit(self, usual: int) -> int:
        """The limit in bytes, where `usual` holds for the others."""
        return usual if self.message_limit is None else self.message_limit

    def compresses(self, usual: Compression | None) -> Compression | None:
        """The compression, where `usual` holds for the others."""
        name = self.compression
        return usual if name is None else None if name == "off" else configured(name)


MethodOptions = Mapping[str, MessageOptions]
"""The options of single methods, by their full names."""

AS_USUAL: Final = MessageOptions()
"""The options of a method without options of its own."""

NO_METHODS: Final[MethodOptions] = MappingProxyType({})
"""No method has options of its own."""
