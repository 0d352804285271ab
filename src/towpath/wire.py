"""The protocols without IO, for load generators and other tools: bytes go in and events come out."""

from typing import TYPE_CHECKING, Any

from towpath import _moved
from towpath._wire.grpc.client import head_fields
from towpath._wire.grpc.framing import pack_prefix
from towpath._wire.hpack import literal
from towpath._wire.http import Field, Section, Template
from towpath._wire.http1 import Http1Limits
from towpath._wire.http2 import DEFAULT_LIMITS, ClientConnection, ErrorCode, Limits, ServerConnection, Stream
from towpath._wire.json import JsonCodec
from towpath._wire.protocol import request_head

__all__ = [
    "DEFAULT_LIMITS",
    "ClientConnection",
    "ErrorCode",
    "Field",
    "Http1Limits",
    "JsonCodec",
    "Limits",
    "Section",
    "ServerConnection",
    "Stream",
    "Template",
    "head_fields",
    "literal",
    "pack_prefix",
    "request_head",
]

if not TYPE_CHECKING:  # see `towpath/__init__.py`

    def __getattr__(name: str) -> Any:
        return _moved.submodule(__name__, name)


__path__: list[str] = []  # modules of before, which `towpath._moved` finds, were below it
