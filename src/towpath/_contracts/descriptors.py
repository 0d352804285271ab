"""From protoc's descriptors to the model: resolves types to modules, reads options and comments, and refuses names that cannot become
Python.

Paths into a file's source info are lists of field numbers and indexes, as descriptor.proto defines them under SourceCodeInfo. The field
numbers come from the generated descriptor classes, so that none is spelt out here.
"""

import keyword
from collections.abc import Iterable, Iterator, Sequence
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
from towpath._contracts.comments import documentation
from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.model import ContractModel, Method, ServiceModel, TypeRef
from towpath._contracts.own_package import importable
from towpath._contracts.sources import Source
from towpath._core.http_bindings import BindingError, HttpBinding
from towpath._core.service import MethodKind

_SERVICE: Final = FileDescriptorProto.SERVICE_FIELD_NUMBER
_METHOD: Final = ServiceDescriptorProto.METHOD_FIELD_NUMBER
_OPTIONS: Final = MethodDescriptorProto.OPTIONS_FIELD_NUMBER

_KINDS: Final = {(kind.requests_stream, kind.responses_stream): kind for kind in MethodKind}

_Path = tuple[int, ...]


def read_contracts(descriptors: bytes, sources: Sequence[Source]) -> list[ContractModel]:
    """The contracts of `sources` that have services, from the serialized FileDescriptorSet of the sources and all their imports, in its
    order.

    Raises `ContractError` for an invalid option, for two methods that become one Python name or answer the same requests over HTTP, and for
    a type or module whose name is a Python keyword.
    """
    files = FileDescriptorSet.FromString(descriptors).file
    types = {name: ref for file in files for name, ref in _types_of(file)}
    reader = bindings.BindingReader(files)
    by_name = {source.name: source for source in sources}
    contracts = [_Reader(file, by_name[file.name], types, reader).contract() for file in files if file.name in by_name and file.service]
    bindings.refuse_clashes(contracts)
    return contracts


class _Reader:
    """The contract of one file."""

    def __init__(self, file: FileDescriptorProto, source: Source, types: dict[str, TypeRef], reader: bindings.BindingReader) -> None:
        self._file = file
        self._source = source
        self._types = types
        self._bindings = reader
        self._locations: dict[_Path, SourceCodeInfo.Location] = {}
        for location in file.source_code_info.location:
            self._locations.setdefault(tuple(location.path), location)

    def contract(self) -> ContractModel:
        return ContractModel(
            name=self._file.name,
            services=tuple(self._service(service, (_SERVICE, index)) for index, service in enumerate(self._file.service)),
        )

    def _service(self, service: ServiceDescriptorProto, path: _Path) -> ServiceModel:
        full_name = f"{self._file.package}.{service.name}" if self._file.package else service.name
        methods = [self._method(method, full_name, (*path, _METHOD, index)) for index, method in enumerate(service.method)]
        _refuse_same_attribute(methods)
        return ServiceModel(
            name=service.name,
            full_name=full_name,
            methods=tuple(methods),
            doc=self._doc(path),
            location=self._location(path),
        )

    def _method(self, method: MethodDescriptorProto, service: str, path: _Path) -> Method:
        prefix = service.rpartition(".")[2] if len(self._file.service) > 1 else ""
        return Method(
            name=method.name,
            attribute=naming.attribute_name(method.name),
            constant=naming.constant_name(method.name, prefix),
            request=self._type(method.input_type, (*path, MethodDescriptorProto.INPUT_TYPE_FIELD_NUMBER)),
            response=self._type(method.output_type, (*path, MethodDescriptorProto.OUTPUT_TYPE_FIELD_NUMBER)),
            declared=self._declared(method, service, path),
            doc=self._doc(path),
            location=self._location(path),
            kind=_KINDS[method.client_streaming, method.server_streaming],
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
        try:
            return self._bindings.of(method)
        except BindingError as error:
            raise ContractError(
                f"{service}/{method.name}: {error}",
                location=self._location((*path, _OPTIONS, bindings.EXTENSION)),
                hint="see google/api/http.proto for what a binding may say",
            ) from None

    def _type(self, full_name: str, path: _Path) -> TypeRef:
        ref = self._types[full_name]
        for name in (*ref.module.split("."), *ref.name.split(".")):
            if keyword.iskeyword(name) or not name.isidentifier():
                raise ContractError(
                    f"{full_name.lstrip('.')} is generated as {ref.module}.{ref.name}, and Python cannot import {name!r}",
                    location=self._location(path),
                    hint="rename the message, or the file or directory that has this name",
                )
        return ref

    def _doc(self, path: _Path) -> str:
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


def _types_of(file: FileDescriptorProto) -> Iterator[tuple[str, TypeRef]]:
    module = importable(naming.module_name(file.name, "_pb2"))
    scope = f".{file.package}" if file.package else ""

    def walk(messages: Iterable[DescriptorProto], outer: str) -> Iterator[tuple[str, TypeRef]]:
        for message in messages:
            name = f"{outer}{message.name}"
            yield f"{scope}.{name}", TypeRef(module=module, name=name)
            yield from walk(message.nested_type, f"{name}.")

    return walk(file.message_type, "")
