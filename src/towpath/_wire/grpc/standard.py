"""The messages of gRPC's standard services, in a descriptor pool of their own.

They are not in the default pool, because an application may have them from another package too (grpcio-health-checking,
grpcio-reflection), and a pool refuses a second file of the same name. Field numbers are those of
https://github.com/grpc/grpc/tree/master/src/proto/grpc.
"""

from enum import IntEnum
from typing import Any, Final, cast

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

_F: Final = FieldDescriptorProto

POOL: Final = DescriptorPool()
"""Knows the files of these services and nothing else."""


class ServingStatus(IntEnum):
    """What `grpc.health.v1` says of a service: whether calls are wanted."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def _message(holder: Any, title: str, /, **fields: tuple[int, Any]) -> DescriptorProto:
    """A message type in a file, with fields as `name=(number, type)`: a scalar type's number, a message's name, or a list of either."""
    message: DescriptorProto = holder.add(name=title)
    for field_name, (number, kind) in fields.items():
        field = message.field.add(name=field_name, number=number, label=_F.LABEL_OPTIONAL)
        if isinstance(kind, list):
            field.label = _F.LABEL_REPEATED
        inner = cast("list[Any]", kind)[0] if isinstance(kind, list) else kind
        if isinstance(inner, str):
            field.type_name = inner
        else:
            field.type = inner
    return message


def _oneof(message: DescriptorProto, name: str, *fields: str) -> None:
    message.oneof_decl.add(name=name)
    for field in message.field:
        if field.name in fields:
            field.oneof_index = len(message.oneof_decl) - 1


def _service(file: FileDescriptorProto, name: str, **methods: tuple[str, str, bool, bool]) -> None:
    """A service, with methods as `name=(request, response, whether requests stream, whether responses do)`."""
    service = file.service.add(name=name)
    for method, (request, response, requests_stream, responses_stream) in methods.items():
        service.method.add(
            name=method,
            input_type=f".{file.package}.{request}",
            output_type=f".{file.package}.{response}",
            client_streaming=requests_stream,
            server_streaming=responses_stream,
        )


def _types(file: FileDescriptorProto) -> dict[str, type[Any]]:
    POOL.AddSerializedFile(file.SerializeToString())
    found = POOL.FindFileByName(file.name)
    return {name: message_factory.GetMessageClass(message) for name, message in found.message_types_by_name.items()}


def _health() -> dict[str, type[Any]]:
    file = FileDescriptorProto(name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3")
    _message(file.message_type, "HealthCheckRequest", service=(1, _F.TYPE_STRING))
    response = _message(file.message_type, "HealthCheckResponse", status=(1, ".grpc.health.v1.HealthCheckResponse.ServingStatus"))
    response.field[0].type = _F.TYPE_ENUM
    status = response.enum_type.add(name="ServingStatus")
    for known in ServingStatus:
        status.value.add(name=known.name, number=known)
    both = ("HealthCheckRequest", "HealthCheckResponse")
    _service(file, "Health", Check=(*both, False, False), Watch=(*both, False, True))
    return _types(file)


def _reflection(version: str) -> dict[str, type[Any]]:
    package = f"grpc.reflection.{version}"
    file = FileDescriptorProto(name=f"grpc/reflection/{version}/reflection.proto", package=package, syntax="proto3")
    own, text = f".{package}.", _F.TYPE_STRING
    request = _message(
        file.message_type,
        "ServerReflectionRequest",
        host=(1, text),
        file_by_filename=(3, text),
        file_containing_symbol=(4, text),
        file_containing_extension=(5, f"{own}ExtensionRequest"),
        all_extension_numbers_of_type=(6, text),
        list_services=(7, text),
    )
    _oneof(request, "message_request", *(field.name for field in request.field[1:]))
    _message(file.message_type, "ExtensionRequest", containing_type=(1, text), extension_number=(2, _F.TYPE_INT32))
    response = _message(
        file.message_type,
        "ServerReflectionResponse",
        valid_host=(1, text),
        original_request=(2, f"{own}ServerReflectionRequest"),
        file_descriptor_response=(4, f"{own}FileDescriptorResponse"),
        all_extension_numbers_response=(5, f"{own}ExtensionNumberResponse"),
        list_services_response=(6, f"{own}ListServiceResponse"),
        error_response=(7, f"{own}ErrorResponse"),
    )
    _oneof(response, "message_response", *(field.name for field in response.field[2:]))
    _message(file.message_type, "FileDescriptorResponse", file_descriptor_proto=(1, [_F.TYPE_BYTES]))
    _message(file.message_type, "ExtensionNumberResponse", base_type_name=(1, text), extension_number=(2, [_F.TYPE_INT32]))
    _message(file.message_type, "ListServiceResponse", service=(1, [f"{own}ServiceResponse"]))
    _message(file.message_type, "ServiceResponse", name=(1, text))
    _message(file.message_type, "ErrorResponse", error_code=(1, _F.TYPE_INT32), error_message=(2, text))
    info = ("ServerReflectionRequest", "ServerReflectionResponse", True, True)
    _service(file, "ServerReflection", ServerReflectionInfo=info)
    return _types(file)


HEALTH: Final = _health()
"""`grpc.health.v1`'s message classes by name."""

REFLECTION: Final = {version: _reflection(version) for version in ("v1", "v1alpha")}
"""`grpc.reflection`'s message classes by version and name; the versions differ in nothing but their name."""
