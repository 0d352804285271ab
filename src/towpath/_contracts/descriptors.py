"""From protoc's descriptors to the model: resolves types to modules, reads options and comments, and refuses names that meet in Python.

Paths into a file's source info are lists of field numbers and indexes, as descriptor.proto defines them under SourceCodeInfo. The field
numbers come from the generated descriptor classes, so that none is spelt out here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
    SourceCodeInfo,
)

from towpath._contracts import bindings, naming, options
from towpath._contracts.comments import deprecation, documentation
from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.model import ContractModel, Method, ServiceModel, TypeRef
from towpath._contracts.module_names import ModuleNames
from towpath._contracts.sources import Source
from towpath._core.http_bindings import BindingError, HttpBinding
from towpath._core.service import MethodKind

_SERVICE: Final = FileDescriptorProto.SERVICE_FIELD_NUMBER
_METHOD: Final = ServiceDescriptorProto.METHOD_FIELD_NUMBER
_OPTIONS: Final = MethodDescriptorProto.OPTIONS_FIELD_NUMBER

_KINDS: Final = {(kind.requests_stream, kind.responses_stream): kind for kind in MethodKind}

_Path = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Contracts:
    """The contracts that have services, and a warning for each binding that was left out of them."""

    models: Sequence[ContractModel]
    warnings: tuple[str, ...]


def read_contracts(
    descriptors: bytes, sources: Sequence[Source], names: ModuleNames | None = None, *, skip_bindings: bool = False
) -> Contracts:
    """The contracts of `sources` that have services, from the serialized FileDescriptorSet of the sources and all their imports, in its
    order. `names` says where their modules are imported from. With `skip_bindings`, bindings to HTTP that cannot be served are left out,
    with a warning.

    Raises `ContractError` for an invalid option, for two methods that become one Python name, and for a binding that cannot be served, such
    as one of two that answer the same requests.
    """
    files = FileDescriptorSet.FromString(descriptors).file
    names = names or ModuleNames()
    by_name = {source.name: source for source in sources}
    warnings: list[str] = []

    def fault(error: ContractError) -> None:
        if not skip_bindings:
            raise error
        warnings.append(f"{error.location}: warning: {error.message}; the binding is left out")

    types = [found for file in files for found in _types_of(file, names)]
    shared = _Shared(
        types={name: ref for name, ref, _ in types},
        deprecated=frozenset(name for name, _, deprecated in types if deprecated),
        bindings=bindings.BindingReader(files),
        fault=fault,
    )
    contracts = [
        _Reader(file, by_name[file.name], shared).contract(names.importable(naming.module_name(file.name, "_pb2")))
        for file in files
        if file.name in by_name and file.service
    ]
    contracts = bindings.without_clashes(contracts, fault)
    return Contracts(models=contracts, warnings=tuple(warnings))


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What the readers of all files use."""

    types: dict[str, TypeRef]
    deprecated: frozenset[str]
    """The names of the types that are deprecated."""
    bindings: bindings.BindingReader
    fault: Callable[[ContractError], None]
    """Told of a binding that cannot be served."""


class _Reader:
    """The contract of one file."""

    def __init__(self, file: FileDescriptorProto, source: Source, shared: _Shared) -> None:
        self._file = file
        self._source = source
        self._shared = shared
        self._locations: dict[_Path, SourceCodeInfo.Location] = {}
        for location in file.source_code_info.location:
            self._locations.setdefault(tuple(location.path), location)

    def contract(self, module: str) -> ContractModel:
        return ContractModel(
            name=self._file.name,
            module=module,
            services=tuple(self._service(service, (_SERVICE, index)) for index, service in enumerate(self._file.service)),
            has_deprecated_messages=any(
                not self._shared.deprecated.isdisjoint((method.input_type, method.output_type))
                for service in self._file.service
                for method in service.method
            ),
        )

    def _service(self, service: ServiceDescriptorProto, path: _Path) -> ServiceModel:
        full_name = f"{self._file.package}.{service.name}" if self._file.package else service.name
        methods = [self._method(method, full_name, (*path, _METHOD, index)) for index, method in enumerate(service.method)]
        _refuse_same_attribute(methods)
        return ServiceModel(
            name=service.name,
            full_name=full_name,
            methods=tuple(methods),
            doc=self._doc(path, deprecated="service" if service.options.deprecated else ""),
            location=self._location(path),
            deprecated=deprecation(f"the service {full_name}", self._comment(path)) if service.options.deprecated else "",
        )

    def _method(self, method: MethodDescriptorProto, service: str, path: _Path) -> Method:
        prefix = service.rpartition(".")[2] if len(self._file.service) > 1 else ""
        return Method(
            name=method.name,
            attribute=naming.attribute_name(method.name),
            constant=naming.constant_name(method.name, prefix),
            request=self._shared.types[method.input_type],
            response=self._shared.types[method.output_type],
            declared=self._declared(method, service, path),
            doc=self._doc(path, deprecated="method" if method.options.deprecated else ""),
            location=self._location(path),
            kind=_KINDS[method.client_streaming, method.server_streaming],
            deprecated=deprecation(f"the method {service}/{method.name}", self._comment(path)) if method.options.deprecated else "",
            http=self._http(method, service, path),
        )

    def _declared(self, method: MethodDescriptorProto, service: str, path: _Path) -> options.Declared:
        try:
            return options.declared(method.options, _KINDS[method.client_streaming, method.server_streaming])
        except options.InvalidOptionError as error:
            raise ContractError(
                f"{service}/{method.name}: {error}",
                location=self._location((*path, _OPTIONS, options.EXTENSION, error.field)),
                hint=error.hint,
            ) from None

    def _http(self, method: MethodDescriptorProto, service: str, path: _Path) -> tuple[HttpBinding, ...]:
        def fault(error: BindingError) -> None:
            self._shared.fault(
                ContractError(
                    f"{service}/{method.name}: {error}",
                    location=self._location((*path, _OPTIONS, bindings.EXTENSION)),
                    hint=f"see google/api/http.proto for what a binding may say; {bindings.SKIP}",
                )
            )

        return self._shared.bindings.of(method, fault)

    def _doc(self, path: _Path, *, deprecated: str = "") -> str:
        """The comment at `path`. If the option `deprecated` is set, `deprecated` is the kind of thing there, and the text ends so."""
        text = self._comment(path)
        note = f"Deprecated: the contract has the option `deprecated` for this {deprecated}." if deprecated else ""
        return "\n\n".join(part for part in (text, note) if part)

    def _comment(self, path: _Path) -> str:
        location = self._locations.get(path)
        return documentation(location.leading_comments or location.trailing_comments) if location else ""

    def _location(self, path: _Path) -> SourceLocation:
        """The place of `path`, or of the innermost element around it that has one."""
        while path not in self._locations:
            path = path[:-1]  # the last one is (), the whole file
        line, column = self._locations[path].span[:2]
        return SourceLocation(file=str(self._source), line=line + 1, column=column + 1)


def _refuse_same_attribute(methods: Iterable[Method]) -> None:
    seen: dict[str, Method] = {}
    for method in methods:
        other = seen.setdefault(method.attribute, method)
        if other is not method:
            raise ContractError(
                f"rpc {method.name} and rpc {other.name} both become {method.attribute}() in Python",
                location=method.location,
                also=other.location,
                hint="rename one of the two so that they differ by more than case and underscores",
            )


def _types_of(file: FileDescriptorProto, names: ModuleNames) -> Iterator[tuple[str, TypeRef, bool]]:
    """The full name of each message of `file`, its class, and whether it is deprecated."""
    module = names.importable(naming.module_name(file.name, "_pb2"))
    scope = f".{file.package}" if file.package else ""

    def walk(messages: Iterable[DescriptorProto], outer: str) -> Iterator[tuple[str, TypeRef, bool]]:
        for message in messages:
            name = f"{outer}{message.name}"
            yield f"{scope}.{name}", TypeRef(module=module, name=name), message.options.deprecated
            yield from walk(message.nested_type, f"{name}.")

    return walk(file.message_type, "")
