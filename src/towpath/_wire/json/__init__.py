"""The proto3 JSON mapping: messages to JSON and back, with functions compiled per message type."""

from towpath._wire.json.codec import JsonCodec
from towpath._wire.json.elements import TooManyElementsError
from towpath._wire.json.errors import JsonError

__all__ = ["JsonCodec", "JsonError", "TooManyElementsError"]
