"""A command that calls a running service, for a person who has never called it: its first method, with an example of a request."""

import json
import shlex
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from towpath._app.dynamic import reflect
from towpath._core.context import CallOptions
from towpath._core.errors import RpcError, SetupError
from towpath._transport import Channel

_PATIENCE: Final = CallOptions(timeout=10.0)
_SHOWN: Final = 3
"""Fields of the request that the example has."""

_NUMBERS: Final = (
    FieldDescriptor.CPPTYPE_DOUBLE,
    FieldDescriptor.CPPTYPE_FLOAT,
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_UINT32,
)


async def first_call(address: str) -> str:
    """`towpath call ...` for the server at `address`. The method is left out if the server does not tell its contracts."""
    command = f"towpath call {address}"
    try:
        async with Channel(address) as channel:
            reflected = await reflect(channel, _PATIENCE)
            try:
                for name in await reflected.services():
                    if not name.startswith("grpc."):
                        service = await reflected.service(name)
                        method = service.methods[0]
                        return f"{command} {service.name}/{method.name} {shlex.quote(json.dumps(_example(method.input_type)))}"
            finally:
                await reflected.close()
    except (RpcError, SetupError, OSError, IndexError):
        return command
    return command


def _example(message: Descriptor) -> dict[str, Any]:
    """A request with a value for each of the first plain fields."""
    example: dict[str, Any] = {}
    for field in message.fields:
        if not field.is_repeated and len(example) < _SHOWN:
            if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and field.type == FieldDescriptor.TYPE_STRING:
                example[field.json_name] = field.name
            elif field.cpp_type in _NUMBERS:
                example[field.json_name] = 1
            elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
                example[field.json_name] = True
    return example
