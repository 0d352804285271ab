"""The bindings of a server as an OpenAPI 3.1 document, made of the descriptors of its messages by the rules of the JSON mapping.

OpenAPI has no parameter of several segments, so `{name=shelves/*/books/*}` becomes `shelves/{shelves}/books/{books}`: each `*` is a
parameter, with the literal in front of it as its name. The comments of the contract, which generated code carries, describe the methods.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from towpath._core.http_bindings import REST, STAR, HttpBinding, fits_in_text
from towpath._core.service import MethodSpec, Service

PATH: Final = "/openapi.json"
"""The path at which a server serves the document."""

_F: Final = FieldDescriptor
_KEYS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_DEEPEST: Final = 4
"""Levels of messages within messages that become query parameters; filters that contain themselves have no end."""

_Object = dict[str, Any]

_INTEGERS: Final[dict[str, _Object]] = {
    "INT32": {"type": "integer", "format": "int32"},
    "UINT32": {"type": "integer", "format": "uint32", "minimum": 0},
    "INT64": {"type": "string", "format": "int64"},
    "UINT64": {"type": "string", "format": "uint64"},
}
_SCALARS: Final[dict[int, _Object]] = {
    _F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _F.TYPE_FLOAT: {"type": "number", "format": "float"},
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    **dict.fromkeys((_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32), _INTEGERS["INT32"]),
    **dict.fromkeys((_F.TYPE_UINT32, _F.TYPE_FIXED32), _INTEGERS["UINT32"]),
    **dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64), _INTEGERS["INT64"]),
    **dict.fromkeys((_F.TYPE_UINT64, _F.TYPE_FIXED64), _INTEGERS["UINT64"]),
}
_WELL_KNOWN: Final[dict[str, _Object]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Value": {},
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
}
_PROBLEM: Final[_Object] = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "The code of gRPC, for example NOT_FOUND."},
        "details": {"type": "array", "items": _WELL_KNOWN["google.protobuf.Any"]},
    },
    "required": ["type", "title", "status", "code"],
}
_NOT_OK: Final[_Object] = {
    "description": "What went wrong.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def openapi(services: Sequence[Service]) -> bytes | None:
    """The document of every binding of `services`, as JSON; None if there are none."""
    builder = _Builder()
    for service in services:
        builder.add(service)
    return msgspec.json.encode(builder.document()) if builder.paths else None


class _Builder:
    def __init__(self) -> None:
        self.paths: dict[str, _Object] = {}
        self._schemas: dict[str, _Object] = {"Problem": _PROBLEM}
        self._tags: list[_Object] = []

    def document(self) -> _Object:
        names = [tag["name"] for tag in self._tags]
        versions = [match[1] for match in (re.search(r"\.(v\d\w*)\.\w+$", name) for name in names) if match]
        return {
            "openapi": "3.1.0",
            "info": {"title": ", ".join(names), "version": versions[0] if versions else "unversioned"},
            "tags": self._tags,
            "paths": self.paths,
            "components": {"schemas": dict(sorted(self._schemas.items()))},
        }

    def add(self, service: Service) -> None:
        spec = service.spec
        bound = [method for method in spec.methods if method.http]
        if not bound:
            return
        contract = next(cls for cls in type(service).__mro__ if "spec" in cls.__dict__)
        self._tags.append({"name": spec.name, "description": inspect.getdoc(contract) or ""})
        for method in bound:
            doc = inspect.getdoc(getattr(contract, spec.attributes[method.name], None)) or ""
            for index, binding in enumerate(method.http):
                key = binding.method.lower()
                if key in _KEYS:
                    operation = self._operation(method, binding, doc)
                    operation["operationId"] = f"{method.full_name.replace('/', '.')}{f'_{index}' if index else ''}"
                    self.paths.setdefault(_path(binding), {}).setdefault(key, operation)

    def _operation(self, method: MethodSpec[Any, Any], binding: HttpBinding, doc: str) -> _Object:
        request, response = method.request.DESCRIPTOR, method.response.DESCRIPTOR
        operation: _Object = {"tags": [method.service], "description": doc}
        parameters = [*_path_parameters(binding), *(self._query_parameters(request, binding) if binding.body != STAR else ())]
        if parameters:
            operation["parameters"] = parameters
        if binding.body:
            schema = self._message(request) if binding.body == STAR else self._field(request.fields_by_name[binding.body])
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        schema = self._field(response.fields_by_name[binding.response_body]) if binding.response_body else self._message(response)
        streams = method.kind.responses_stream
        operation["responses"] = {
            "200": {
                "description": "One JSON value a line; a last line of one member, error, says that the stream failed."
                if streams
                else "OK.",
                "content": {"application/x-ndjson" if streams else "application/json": {"schema": schema}},
            },
            "default": _NOT_OK,
        }
        return operation

    def _query_parameters(self, request: Descriptor, binding: HttpBinding) -> Iterator[_Object]:
        taken = {variable.field for variable in binding.template.variables}
        for path in _leaves(request, (), ()):
            name = ".".join(part.name for part in path)
            if name not in taken and path[0].name != binding.body:
                yield {
                    "name": ".".join(part.json_name for part in path),
                    "in": "query",
                    "schema": self._field(path[-1]),
                }

    def _field(self, field: FieldDescriptor) -> _Object:
        message = field.message_type
        if message is not None and message.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._value(message.fields_by_name["value"])}
        value = self._value(field)
        return {"type": "array", "items": value} if field.is_repeated else value

    def _value(self, field: FieldDescriptor) -> _Object:
        if field.message_type is not None:
            return self._message(field.message_type)
        return self._enum(field.enum_type) if field.enum_type is not None else _SCALARS[field.type]

    def _message(self, message: Descriptor) -> _Object:
        name = message.full_name
        known = _WELL_KNOWN.get(name)
        if known is not None:
            return known
        if _is_wrapper(message):  # a wrapper: the value, or null
            value = self._value(message.fields_by_name["value"])
            return {**value, "type": [value["type"], "null"]}
        if name not in self._schemas:
            schema = self._schemas[name] = {"type": "object"}  # before its fields are visited, which may be of this type again
            if message.fields:
                schema["properties"] = {field.json_name: self._field(field) for field in message.fields}
            choices = [[field.json_name for field in oneof.fields] for oneof in message.oneofs if len(oneof.fields) > 1]
            if choices:
                schema["description"] = " ".join(f"At most one of {', '.join(names)}." for names in choices)
        return {"$ref": f"#/components/schemas/{name}"}

    def _enum(self, enum: EnumDescriptor) -> _Object:
        if enum.full_name == "google.protobuf.NullValue":
            return {"type": "null"}
        self._schemas.setdefault(enum.full_name, {"type": "string", "enum": [value.name for value in enum.values]})
        return {"$ref": f"#/components/schemas/{enum.full_name}"}


def _is_wrapper(message: Descriptor) -> bool:
    return message.file.name == "google/protobuf/wrappers.proto"


def _leaves(message: Any, path: tuple[FieldDescriptor, ...], within: tuple[str, ...]) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The fields that a query can set, each as the path of fields to it: fields, and fields of messages in them, but of no message within
    itself."""
    for field in message.fields:
        here = (*path, field)
        inner: Any = field.message_type
        if fits_in_text(field):
            yield here
        elif not field.is_repeated and inner.full_name not in within and len(here) < _DEEPEST:
            yield from _leaves(inner, here, (*within, inner.full_name))


def _path(binding: HttpBinding) -> str:
    names = iter(_parameter_names(binding))
    template = binding.template
    segments = [f"{{{next(names)}}}" if segment in (STAR, REST) else segment for segment in template.segments]
    return "/" + "/".join(segments) + (f":{template.verb}" if template.verb else "")


def _path_parameters(binding: HttpBinding) -> Iterator[_Object]:
    for name, segment in zip(_parameter_names(binding), _wild(binding), strict=True):
        parameter: _Object = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        if segment == REST:
            parameter["description"] = "Any number of segments, with the slashes between them."
        yield parameter


def _wild(binding: HttpBinding) -> Iterable[str]:
    return [segment for segment in binding.template.segments if segment in (STAR, REST)]


def _parameter_names(binding: HttpBinding) -> list[str]:
    template = binding.template
    # A variable that is one wild segment, of any length, lends the segment its name.
    alone = {
        variable.start: variable.field
        for variable in template.variables
        if template.segments[variable.start] in (STAR, REST) and variable.stop in (None, variable.start + 1)
    }
    names: list[str] = []
    for index, segment in enumerate(template.segments):
        if segment not in (STAR, REST):
            continue
        before = template.segments[index - 1] if index else ""
        name = alone.get(index) or re.sub(r"\W", "_", before).strip("_") or "segment"
        while name in names:
            name += "_"
        names.append(name)
    return names
