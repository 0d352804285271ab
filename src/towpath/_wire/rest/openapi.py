"""The bindings of a server as an OpenAPI 3.1 document, made of the descriptors of its messages by the rules of the JSON mapping.

OpenAPI has no parameter of several segments, so `{name=shelves/*/books/*}` becomes `shelves/{shelves}/books/{books}`: each `*` is a
parameter, with the literal in front of it as its name. Two paths that differ by the names of parameters alone are one path to OpenAPI, and
names in a path have no dots, since generators make variables of them. The comments of the contract, which generated code carries, describe
the methods; its options say what is deprecated, and by `google.api.field_behavior` which fields are required, only sent or only received.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from towpath._core.http_bindings import REST, STAR, HttpBinding, fits_in_text, is_bytes, resolve_field
from towpath._core.service import MethodSpec, Service

PATH: Final = "/openapi.json"
"""The path at which a server serves the document."""

_F: Final = FieldDescriptor
_KEYS: Final = ("get", "put", "post", "delete", "patch", "head", "options")
_ANY_METHOD: Final = _KEYS[:5]
"""What a binding to every method of HTTP is described as."""
_REQUIRED, _OUTPUT_ONLY, _INPUT_ONLY = 2, 3, 4
"""Numbers of google.api.FieldBehavior."""
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
_LINES: Final = "application/x-ndjson"
_BYTES: Final[_Object] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_PROBLEM_NAME: Final = "Problem"
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
    "content": {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{_PROBLEM_NAME}"}}},
}


def openapi(services: Sequence[Service], title: str = "") -> bytes | None:
    """The document of every binding of `services`, as JSON; None if there are none. Without a `title` it has what the names of the services
    have in common."""
    builder = _Builder()
    for service in services:
        builder.add(service)
    builder.add_any_method()
    return msgspec.json.encode(builder.document(title)) if builder.paths else None


def _form(file: str) -> _Object:
    """The schema of a form with a file of that name."""
    return {"type": "object", "properties": {file: _BYTES["*/*"]["schema"]}, "required": [file]}


class _Builder:
    def __init__(self) -> None:
        self.paths: dict[str, _Object] = {}
        self._names: dict[str, tuple[str, list[str]]] = {}
        """The path, and the names of its parameters, by the path without names."""
        self._any_method: list[tuple[str, HttpBinding, _Object]] = []
        self._schemas: dict[str, _Object] = {_PROBLEM_NAME: _PROBLEM}
        self._tags: list[_Object] = []

    def document(self, title: str) -> _Object:
        names = [tag["name"] for tag in self._tags]
        versions = [match[1] for match in (re.search(r"\.(v\d\w*)\.\w+$", name) for name in names) if match]
        return {
            "openapi": "3.1.0",
            "info": {"title": title or _in_common(names), "version": versions[0] if versions else "unversioned"},
            "servers": [{"url": "/"}],
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
                if key not in _KEYS and key != STAR:
                    continue
                path, names = self._path(binding)
                operation = self._operation(method, binding, names, doc)
                operation["operationId"] = f"{method.full_name.replace('/', '.')}{f'_{index}' if index else ''}"
                if key == STAR:
                    self._any_method.append((path, binding, operation))
                else:
                    self.paths.setdefault(path, {}).setdefault(key, operation)

    def add_any_method(self) -> None:
        """Describe the bindings to every method of HTTP, for the methods that have no binding of their own."""
        for path, binding, operation in self._any_method:
            item = self.paths.setdefault(path, {})
            for key in _ANY_METHOD:
                if key not in item and not (key == "get" and binding.body):
                    item[key] = {**operation, "operationId": f"{operation['operationId']}_{key}"}

    def _path(self, binding: HttpBinding) -> tuple[str, list[str]]:
        """The path of a binding, with the names that its parameters have in the first binding of that path."""
        names = _parameter_names(binding)
        return self._names.setdefault(_written(binding, [""] * len(names)), (_written(binding, names), names))

    def _operation(self, method: MethodSpec[Any, Any], binding: HttpBinding, names: list[str], doc: str) -> _Object:
        request: Any = method.request.DESCRIPTOR
        operation: _Object = {"tags": [method.service], "description": doc}
        if method.deprecated:
            operation["deprecated"] = True
        parameters = [
            *self._path_parameters(request, binding, names),
            *(self._query_parameters(request, binding) if binding.body != STAR else ()),
        ]
        if parameters:
            operation["parameters"] = parameters
        if binding.body:
            body = None if binding.body == STAR else request.fields_by_name[binding.body]
            if is_bytes(request, body):
                content = {**_BYTES, "multipart/form-data": {"schema": _form("file" if body is None else body.json_name)}}
            else:
                content = self._content(request, body, lines=method.kind.requests_stream)
            operation["requestBody"] = {"required": True, "content": content}
        operation["responses"] = {"200": self._response(method, binding), "default": _NOT_OK}
        return operation

    def _response(self, method: MethodSpec[Any, Any], binding: HttpBinding) -> _Object:
        response: Any = method.response.DESCRIPTOR
        field = response.fields_by_name[binding.response_body] if binding.response_body else None
        if is_bytes(response, field):
            return {"description": "Bytes of any type.", "content": _BYTES}
        schema = self._message(response) if field is None else self._response_field(field)
        if method.kind.responses_stream:
            description = "One JSON value a line; a last line of one member, error, says that the stream failed."
            return {"description": description, "content": {_LINES: {"schema": schema}}}
        return {"description": "OK.", "content": {"application/json": {"schema": schema}}}

    def _content(self, message: Descriptor, field: FieldDescriptor | None, *, lines: bool) -> _Object:
        schema = self._message(message) if field is None else self._field(field)
        return {_LINES if lines else "application/json": {"schema": schema}}

    def _query_parameters(self, request: Descriptor, binding: HttpBinding) -> Iterator[_Object]:
        taken = {variable.field for variable in binding.template.variables}
        for path in _leaves(request, (), ()):
            name = ".".join(part.name for part in path)
            if name not in taken and path[0].name != binding.body:
                parameter: _Object = {"name": ".".join(part.json_name for part in path), "in": "query", "schema": self._field(path[-1])}
                if all(map(_is_required, path)):
                    parameter["required"] = True
                if any(part.GetOptions().deprecated for part in path):
                    parameter["deprecated"] = True
                yield parameter

    def _path_parameters(self, request: Descriptor, binding: HttpBinding, names: list[str]) -> Iterator[_Object]:
        alone = _alone(binding)
        for name, (index, segment) in zip(names, _wild(binding), strict=True):
            field = resolve_field(request, alone[index])[-1] if index in alone else None
            schema: _Object = {"type": "string"} if field is None else self._field(field)
            parameter: _Object = {"name": name, "in": "path", "required": True, "schema": schema}
            if segment == REST:
                parameter["description"] = "Any number of segments, with the slashes between them."
            yield parameter

    def _response_field(self, field: FieldDescriptor) -> _Object:
        """A field that is the whole body of a response, where it is null if it is absent."""
        schema = self._field(field)
        return schema if field.is_repeated or not field.has_presence or schema == {} else {"anyOf": [schema, {"type": "null"}]}

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
        name = message.full_name if message.full_name != _PROBLEM_NAME else f"{_PROBLEM_NAME}_"
        known = _WELL_KNOWN.get(name)
        if known is not None:
            return known
        if _is_wrapper(message):  # a wrapper: the value, or null
            value = self._value(message.fields_by_name["value"])
            return {**value, "type": [value["type"], "null"]}
        if name not in self._schemas:
            schema = self._schemas[name] = {"type": "object"}  # before its fields are visited, which may be of this type again
            if message.GetOptions().deprecated:
                schema["deprecated"] = True
            if message.fields:
                schema["properties"] = {field.json_name: self._property(field) for field in message.fields}
            required = [field.json_name for field in message.fields if _is_required(field)]
            if required:
                schema["required"] = required
            choices = [[field.json_name for field in oneof.fields] for oneof in message.oneofs if len(oneof.fields) > 1]
            if choices:
                schema["description"] = " ".join(f"At most one of {', '.join(names)}." for names in choices)
        return {"$ref": f"#/components/schemas/{name}"}

    def _property(self, field: FieldDescriptor) -> _Object:
        schema, behavior = self._field(field), _behavior(field)
        said = {
            "deprecated": field.GetOptions().deprecated,
            "readOnly": _OUTPUT_ONLY in behavior,
            "writeOnly": _INPUT_ONLY in behavior,
        }
        return {**schema, **{name: True for name, holds in said.items() if holds}}

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


def _written(binding: HttpBinding, names: Sequence[str]) -> str:
    left = iter(names)
    template = binding.template
    segments = [f"{{{next(left)}}}" if segment in (STAR, REST) else segment for segment in template.segments]
    return "/" + "/".join(segments) + (f":{template.verb}" if template.verb else "")


def _wild(binding: HttpBinding) -> Iterable[tuple[int, str]]:
    return [(index, segment) for index, segment in enumerate(binding.template.segments) if segment in (STAR, REST)]


def _alone(binding: HttpBinding) -> dict[int, str]:
    """The variables that are one wild segment, of any length, by its index: each lends the segment its name and type."""
    segments = binding.template.segments
    spans = {one.field: range(*slice(one.start, one.stop).indices(len(segments))) for one in binding.template.variables}
    return {span[0]: field for field, span in spans.items() if len(span) == 1 and segments[span[0]] in (STAR, REST)}


def _parameter_names(binding: HttpBinding) -> list[str]:
    template, alone = binding.template, _alone(binding)
    names: list[str] = []
    for index, _ in _wild(binding):
        before = template.segments[index - 1] if index else ""
        name = re.sub(r"\W", "_", alone.get(index) or before).strip("_") or "segment"
        while name in names:
            name += "_"
        names.append(name)
    return names


def _in_common(names: Sequence[str]) -> str:
    """The only name, or the package that all names have in common, or the first name."""
    parts = [name.split(".") for name in names]
    common = list(takewhile(lambda alike: len(set(alike)) == 1, zip(*parts, strict=False)))
    return ".".join(alike[0] for alike in common) or names[0]


def _behavior(field: FieldDescriptor) -> frozenset[int]:
    """The numbers of `google.api.field_behavior`. A process that has not loaded the extension has no contract with it."""
    found = (value for option, value in field.GetOptions().ListFields() if option.full_name == "google.api.field_behavior")
    return frozenset(next(found, ()))


def _is_required(field: FieldDescriptor) -> bool:
    return _REQUIRED in _behavior(field) or field.is_required
