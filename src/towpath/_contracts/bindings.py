"""The HTTP bindings that a contract declares with `google.api.http`: read, checked against the messages, and refused where they clash."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodDescriptorProto, MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool

from towpath._contracts.diagnostics import ContractError
from towpath._contracts.model import ContractModel, Method
from towpath._core.http_bindings import BindingError, HttpBinding, check_binding, clashes

EXTENSION: Final = annotations_pb2.HTTP_FIELD_NUMBER
"""Field number of `(google.api.http)` in protobuf's MethodOptions."""


class BindingReader:
    """Reads bindings of methods whose messages are in `files`, which come in the order of their imports."""

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        self._pool = DescriptorPool()
        for file in files:
            self._pool.AddSerializedFile(file.SerializeToString())

    def of(self, method: MethodDescriptorProto) -> tuple[HttpBinding, ...]:
        """The method's bindings, the main one first. Raises BindingError."""
        found = tuple(_declared(method.options))
        for binding in found:
            check_binding(
                binding,
                self._pool.FindMessageTypeByName(method.input_type.removeprefix(".")),
                self._pool.FindMessageTypeByName(method.output_type.removeprefix(".")),
                requests_stream=method.client_streaming,
            )
        return found


def refuse_clashes(contracts: Sequence[ContractModel]) -> None:
    """Raises ContractError if one request over HTTP could mean two methods, or one method by two of its bindings."""
    owners: list[Method] = []
    bindings: list[HttpBinding] = []
    for contract in contracts:
        for service in contract.services:
            for method in service.methods:
                owners += [method] * len(method.http)
                bindings += method.http
    for before, after in clashes(bindings):
        raise ContractError(
            f"{bindings[after]} of {owners[after].name} and {bindings[before]} of {owners[before].name} match the same requests",
            location=owners[after].location,
            also=owners[before].location,
            hint="change one of the paths, so that a literal segment tells the two apart or one is a special case of the other",
        )


def _declared(options: MethodOptions) -> Iterator[HttpBinding]:
    extension = cast("Any", annotations_pb2.http)
    if not options.HasExtension(extension):
        return
    rule = cast("HttpRule", options.Extensions[extension])
    yield _binding(rule)
    for additional in rule.additional_bindings:
        if additional.additional_bindings:
            raise BindingError("an additional binding has additional bindings of its own; list them all in the first")
        yield _binding(additional)


def _binding(rule: HttpRule) -> HttpBinding:
    pattern = rule.WhichOneof("pattern")
    if pattern is None:
        raise BindingError("a binding has no path; give one of get, put, post, delete, patch and custom")
    if pattern == "custom":
        method, path = rule.custom.kind, rule.custom.path
    else:
        method, path = pattern.upper(), cast("str", getattr(rule, pattern))
    return HttpBinding(method=method, path=path, body=rule.body, response_body=rule.response_body)
