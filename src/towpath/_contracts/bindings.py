"""The HTTP bindings that a contract declares with `google.api.http`: read, checked against the messages, and refused where they clash.

A binding that cannot be served is a fault of the contract, unless the caller leaves it out: contracts of others have such bindings, and
their methods can be called in every other way.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
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

SKIP: Final = "or leave out with --skip-bindings what cannot be served"
"""The last clause of a hint."""


class BindingReader:
    """Reads bindings of methods whose messages are in `files`, which come in the order of their imports."""

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        self._pool = DescriptorPool()
        for file in files:
            self._pool.AddSerializedFile(file.SerializeToString())

    def of(self, method: MethodDescriptorProto, fault: Callable[[BindingError], None]) -> tuple[HttpBinding, ...]:
        """The method's bindings, the main one first. `fault` is told of each that cannot be served, and may raise; otherwise the binding is
        left out."""
        found: list[HttpBinding] = []
        for index, rule in enumerate(_rules(method.options)):
            try:
                binding = _binding(rule, additional=index > 0)
                check_binding(
                    binding,
                    self._pool.FindMessageTypeByName(method.input_type.removeprefix(".")),
                    self._pool.FindMessageTypeByName(method.output_type.removeprefix(".")),
                    requests_stream=method.client_streaming,
                )
            except BindingError as error:
                fault(error)
            else:
                found.append(binding)
        return tuple(found)


def without_clashes(contracts: Sequence[ContractModel], fault: Callable[[ContractError], None]) -> list[ContractModel]:
    """`contracts` without bindings by which one request over HTTP could mean two methods, or one method in two ways. `fault` is told of
    each, and may raise; otherwise the later binding of the two is left out."""
    owners: list[Method] = []
    bindings: list[HttpBinding] = []
    for contract in contracts:
        for service in contract.services:
            for method in service.methods:
                owners += [method] * len(method.http)
                bindings += method.http
    left_out: set[int] = set()
    for before, after in clashes(bindings):
        if before in left_out or after in left_out:
            continue
        fault(
            ContractError(
                f"{bindings[after]} of {owners[after].name} and {bindings[before]} of {owners[before].name} match the same requests",
                location=owners[after].location,
                also=owners[before].location,
                hint=f"change one of the paths, so that a literal segment tells the two apart or one is a special case; {SKIP}",
            )
        )
        left_out.add(after)
    return _without(contracts, left_out) if left_out else list(contracts)


def _without(contracts: Sequence[ContractModel], left_out: set[int]) -> list[ContractModel]:
    """`contracts` without the bindings of which `left_out` has the places, counted through all of them."""
    place = count()

    def kept(method: Method) -> Method:
        return replace(method, http=tuple(binding for binding in method.http if next(place) not in left_out))

    return [
        replace(
            contract,
            services=tuple(replace(service, methods=tuple(map(kept, service.methods))) for service in contract.services),
        )
        for contract in contracts
    ]


def _rules(options: MethodOptions) -> Iterator[HttpRule]:
    extension = cast("Any", annotations_pb2.http)
    if options.HasExtension(extension):
        rule = cast("HttpRule", options.Extensions[extension])
        yield rule
        yield from rule.additional_bindings


def _binding(rule: HttpRule, *, additional: bool) -> HttpBinding:
    if additional and rule.additional_bindings:
        raise BindingError("an additional binding has additional bindings of its own; list them all in the first")
    pattern = rule.WhichOneof("pattern")
    if pattern is None:
        raise BindingError("a binding has no path; give one of get, put, post, delete, patch and custom")
    if pattern == "custom":
        method, path = rule.custom.kind, rule.custom.path
    else:
        method, path = pattern.upper(), cast("str", getattr(rule, pattern))
    return HttpBinding(method=method, path=path, body=rule.body, response_body=rule.response_body)
