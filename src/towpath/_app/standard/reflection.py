"""`grpc.reflection`, v1 and v1alpha: a server sends its contracts, so that `grpcurl` and `towpath call` can call it without having them.

Answers come from the descriptors of the generated code. An answer holds the file that was asked for and all files that it imports, so a
client needs one question per service (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md).

Contracts tell a stranger what there is to attack, and answers are large. So a server has readers, and refuses everybody else. By default
they are the callers whose words it believes (`service.trust`).
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from towpath._app.standard.readers import is_reader
from towpath._core.context import Context
from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._core.propagation.trust import Trust
from towpath._core.service import MethodKind, MethodSpec, Service, ServiceSpec
from towpath._wire.codec import JsonDefaults
from towpath._wire.grpc.standard import POOL, REFLECTION

JSON_DEFAULTS: Final = "json-defaults"
"""The header in which a server says that its JSON has fields that have their default, for those who write JSON of its messages, such as
`towpath call`. A server without it leaves them out."""

_NO_READER: Final = "this server shows its contracts to callers that it trusts (service.trust); service.reflection = true shows them to all"


def reflection_services(services: Sequence[Service], readers: Trust, json_defaults: JsonDefaults = "omit") -> list[Service]:
    """The services that describe `services` to `readers`, one for each version of the protocol. A server that does not follow the usual
    rule for defaults in JSON says so."""
    names = [service.spec.name for service in services]
    kinds = [_service_class(version) for version in REFLECTION]
    every = [*names, *(kind.spec.name for kind in kinds)]
    return [kind(every, readers, json_defaults) for kind in kinds]


def _service_class(version: str) -> type["_Reflection"]:
    types = REFLECTION[version]
    name = f"grpc.reflection.{version}.ServerReflection"
    method: MethodSpec[Any, Any] = MethodSpec(
        service=name,
        name="ServerReflectionInfo",
        request=types["ServerReflectionRequest"],
        response=types["ServerReflectionResponse"],
        kind=MethodKind.BIDI_STREAMING,
    )
    spec = ServiceSpec(name=name, methods=(method,), attributes={method.name: "info"})
    return type(f"Reflection_{version}", (_Reflection,), {"spec": spec, "types": types})


class _Reflection(Service):
    """One version of the protocol. `_service_class` makes its subclasses."""

    types: dict[str, type[Any]]

    def __init__(self, services: Sequence[str], readers: Trust, json_defaults: JsonDefaults) -> None:
        self._headers = Metadata([(JSON_DEFAULTS, json_defaults)] if json_defaults != "omit" else [])
        self._services = services
        self._readers = readers
        self._answers: dict[str, Callable[[Any, Any], None]] = {
            "list_services": self._list_services,
            "file_by_filename": self._file_by_filename,
            "file_containing_symbol": self._file_containing_symbol,
            "file_containing_extension": self._file_containing_extension,
            "all_extension_numbers_of_type": self._all_extension_numbers_of_type,
        }

    async def info(self, requests: AsyncIterator[Any], ctx: Context) -> AsyncIterator[Any]:
        """An answer for each question. A question without an answer gets an error, and the stream goes on. A caller that is no reader gets
        PERMISSION_DENIED."""
        if self._headers:
            ctx.reply.headers = self._headers
        shown = is_reader(self._readers, ctx)
        async for request in requests:
            if not shown:  # only now: grpcio tells of an error of its own if a stream ends before its first message
                raise RpcError(Code.PERMISSION_DENIED, _NO_READER)
            response = self.types["ServerReflectionResponse"](valid_host=request.host, original_request=request)
            asked = request.WhichOneof("message_request")
            try:
                if asked is None:
                    raise KeyError("the request asks nothing")
                self._answers[asked](getattr(request, asked), response)
            except KeyError as error:
                response.error_response.error_code = Code.NOT_FOUND
                response.error_response.error_message = printable(shortened(str(error.args[0])))
            yield response

    def _list_services(self, _asked: str, response: Any) -> None:
        for name in self._services:
            response.list_services_response.service.add(name=name)

    def _file_by_filename(self, asked: str, response: Any) -> None:
        self._tell(_first(lambda pool: pool.FindFileByName(asked)), response)

    def _file_containing_symbol(self, asked: str, response: Any) -> None:
        self._tell(_first(lambda pool: _file_containing(pool, asked)), response)

    def _file_containing_extension(self, asked: Any, response: Any) -> None:
        pool: Any = descriptor_pool.Default()  # the stubs of DescriptorPool do not know the file of an extension
        message = pool.FindMessageTypeByName(asked.containing_type)
        self._tell(pool.FindExtensionByNumber(message, asked.extension_number).file, response)

    def _all_extension_numbers_of_type(self, asked: str, response: Any) -> None:
        pool = descriptor_pool.Default()
        message = pool.FindMessageTypeByName(asked)
        found = response.all_extension_numbers_response
        found.base_type_name = asked
        found.extension_number.extend(extension.number for extension in pool.FindAllExtensions(message))

    def _tell(self, file: FileDescriptor, response: Any) -> None:
        response.file_descriptor_response.file_descriptor_proto.extend(one.serialized_pb for one in _with_imports(file, set()))


def _first(find: Callable[[DescriptorPool], FileDescriptor]) -> FileDescriptor:
    """The file that `find` finds among the application's contracts, or else among the standard services. Raises KeyError."""
    try:
        return find(descriptor_pool.Default())
    except KeyError:
        return find(POOL)


def _file_containing(pool: Any, symbol: str) -> FileDescriptor:
    """The file that defines `symbol`. A pool finds what has a name of its own; a method, a field or a oneof is found in its owner. Raises
    KeyError."""
    try:
        return pool.FindFileContainingSymbol(symbol)
    except KeyError:
        owner, _, member = symbol.rpartition(".")
        try:
            found, members = pool.FindServiceByName(owner), ("methods_by_name",)
        except KeyError:
            found, members = pool.FindMessageTypeByName(owner), ("fields_by_name", "oneofs_by_name", "enum_values_by_name")
        if any(member in getattr(found, name) for name in members):
            return found.file
        raise


def _with_imports(file: FileDescriptor, seen: set[str]) -> Iterator[FileDescriptor]:
    if file.name not in seen:
        seen.add(file.name)
        yield file
        for imported in file.dependencies:
            yield from _with_imports(imported, seen)
