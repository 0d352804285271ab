"""The proto3 JSON mapping: messages to JSON and back, with functions compiled per message type."""

from towpath.wire.json.codec import JsonCodec
from towpath.wire.json.elements import TooManyElementsError
from towpath.wire.json.errors import JsonError

__all__ = ["JsonCodec", "JsonError", "TooManyElementsError"]
