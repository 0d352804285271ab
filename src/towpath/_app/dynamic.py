"""Methods of a server without generated code: their types come from the server itself, by `grpc.reflection`."""

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool

from towpath._app.settings.method_names import UnknownService, find_method, find_service, find_services, split_name
from towpath._app.standard.reflection import JSON_DEFAULTS
from towpath._core.calls.asynchronous import BidiStreamingCall, Binder, StreamOpener
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.service import Idempotency, MethodKind, MethodSpec
from towpath._wire.codec import JsonDefaults
from towpath._wire.grpc.standard import REFLECTION

_KINDS: Final = {(kind.requests_stream, kind.responses_stream): kind for kind in MethodKind}
_IDEMPOTENCY: Final = {
    MethodOptions.NO_SIDE_EFFECTS: Idempotency.NO_SIDE_EFFECTS,
    MethodOptions.IDEMPOTENT: Idempotency.IDEMPOTENT,
}


class Reflected:
    """The contracts of a server, read by reflection. `reflect` makes it."""

    def __init__(self, call: BidiStreamingCall[Any, Any], types: dict[str, type[Any]]) -> None:
        self.pool = DescriptorPool()
        """Every type that was read so far."""
        self._call = call
        self._types = types
        self._known: set[str] = set()

    async def json_defaults(self) -> JsonDefaults:
        """What the server's JSON does with fields that have their default, as it says itself."""
        return "print" if (await self._call.headers()).get(JSON_DEFAULTS) == "print" else "omit"

    async def services(self) -> list[str]:
        """The services that the server lists."""
        answer = await self._ask(list_services="*")
        return sorted(service.name for service in answer.list_services_response.service)

    async def service(self, name: str) -> ServiceDescriptor:
        """One service, by its full name, or by the end of its name if no other service has the same end. Raises SetupError that lists the
        services that there are."""
        try:
            return await self._described(find_service(name, await self.services()))
        except UnknownService as error:
            raise _not_served(error) from None

    async def method(self, name: str) -> MethodSpec[Any, Any]:
        """One method, by `SERVICE/METHOD`. Raises SetupError that lists the services or methods that there are."""
        service, _ = split_name(name, ["echo.v1.EchoService/Say"])
        try:
            services = find_services(service, await self.services())
        except UnknownService as error:
            raise _not_served(error) from None
        described = [await self._described(full_name) for full_name in services]
        return find_method(name, [method_spec(method) for service in described for method in service.methods])

    async def close(self) -> None:
        """End the call of the reflection service."""
        await self._call.aclose()

    async def _described(self, full_name: str) -> ServiceDescriptor:
        await self._learn(file_containing_symbol=full_name)
        return self.pool.FindServiceByName(full_name)

    async def _learn(self, **question: str) -> None:
        answer = await self._ask(**question)
        files = [FileDescriptorProto.FromString(raw) for raw in answer.file_descriptor_response.file_descriptor_proto]
        by_name = {file.name: file for file in files}
        for file in files:
            await self._add(file, by_name)

    async def _add(self, file: FileDescriptorProto, given: dict[str, FileDescriptorProto]) -> None:
        if file.name in self._known:
            return
        self._known.add(file.name)
        for name in file.dependency:
            if name in given:
                await self._add(given[name], given)
            elif name not in self._known:
                await self._learn(file_by_filename=name)
        self.pool.AddSerializedFile(file.SerializeToString())

    async def _ask(self, **question: str) -> Any:
        await self._call.send(self._types["ServerReflectionRequest"](**question))
        answer = await anext(self._call, None)
        if answer is None:
            raise RpcError(Code.INTERNAL, "the server ended its reflection without an answer")
        if answer.HasField("error_response"):
            error = answer.error_response
            raise RpcError(Code(error.error_code or Code.UNKNOWN), f"reflection: {error.error_message}")
        return answer


async def reflect(channel: Binder, options: CallOptions) -> Reflected:
    """Begin to read the contracts of the server at the other end of `channel`, by v1 of the protocol or else by v1alpha. Raises RpcError,
    which is UNIMPLEMENTED if the server has neither version."""
    for version, types in REFLECTION.items():
        spec: MethodSpec[Any, Any] = MethodSpec(
            service=f"grpc.reflection.{version}.ServerReflection",
            name="ServerReflectionInfo",
            request=types["ServerReflectionRequest"],
            response=types["ServerReflectionResponse"],
            kind=MethodKind.BIDI_STREAMING,
        )
        begin: StreamOpener[Any, Any] = channel.bind_stream(spec)
        reflected = Reflected(BidiStreamingCall(begin(None, options)), types)
        try:
            await reflected.services()
        except RpcError as error:
            await reflected.close()
            if error.code is not Code.UNIMPLEMENTED:
                raise
        else:
            return reflected
    raise RpcError(Code.UNIMPLEMENTED, "the server does not serve grpc.reflection, so nothing is known of its methods")


def _not_served(error: UnknownService) -> SetupError:
    return SetupError(f"service {error.name!r} is not served here; {error.near}")


def method_spec(method: MethodDescriptor) -> MethodSpec[Any, Any]:
    """The `MethodSpec` of a descriptor."""
    described: Any = method  # the stubs lack the fields that say whether it streams
    return MethodSpec(
        service=described.containing_service.full_name,
        name=described.name,
        request=message_factory.GetMessageClass(described.input_type),
        response=message_factory.GetMessageClass(described.output_type),
        kind=_KINDS[described.client_streaming, described.server_streaming],
        idempotency=_IDEMPOTENCY.get(described.GetOptions().idempotency_level, Idempotency.UNKNOWN),
    )


def signatures(service: ServiceDescriptor) -> Sequence[str]:
    """The methods of a service, each as a line of its contract."""
    lines: list[str] = []
    for method in service.methods:
        spec = method_spec(method)
        request = f"{'stream ' if spec.kind.requests_stream else ''}{spec.request.DESCRIPTOR.full_name}"
        response = f"{'stream ' if spec.kind.responses_stream else ''}{spec.response.DESCRIPTOR.full_name}"
        lines.append(f"rpc {spec.name}({request}) returns ({response})")
    return lines
