"""One binding made ready to serve: which fields of the request are in the path, in the query and in the body.

The path wins: what query or body say of one of its fields, or of another field of the same oneof, does not count. A body that repeats a
field of the path, as a whole resource does, is common.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest

from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import STAR, BindingError, HttpBinding, UnknownQuery, fits_in_text, is_bytes, resolve_field
from towpath._wire.codec import JsonDefaults
from towpath._wire.elements import json_elements, limit_of, too_many_elements
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.http.fields import is_good
from towpath._wire.json import JsonCodec, JsonError, TooManyElementsError
from towpath._wire.json.depth import MAX_DEPTH

JSON: Final = JsonCodec()
"""A codec that refuses fields which the request does not have: a person who writes JSON by hand wants to hear of a misspelt field."""

WRITERS: Final[Mapping[JsonDefaults, JsonCodec]] = {"omit": JSON, "print": JsonCodec(print_defaults=True)}
"""What writes the responses of a server, by its rule for defaults."""

OCTET_STREAM: Final = "application/octet-stream"
"""The type of bytes of which nothing is said."""

_LONGEST_SHOWN: Final = 500
_MOST_PARAMETERS: Final = 1000
_PARAMETER: Final = "the query parameter"
_FORM_FIELD: Final = "the form's field"
_NO_BODIES: Final = frozenset({b"", b"{}", b"null"})
"""What clients send that always send JSON, where there is nothing to send."""


class Binding:
    """A binding of a method whose request and response have these types. Not changed once made.

    `unknown_query` says whether a query parameter that is no field of the request is refused or ignored, and `json_defaults` whether
    responses leave out fields that have their default.
    """

    def __init__(
        self,
        http: HttpBinding,
        request: type[Message],
        response: type[Message],
        *,
        unknown_query: UnknownQuery = "refuse",
        json_defaults: JsonDefaults = "omit",
    ) -> None:
        self.http = http
        self.writer = WRITERS[json_defaults]
        """What writes responses, and the details of errors."""
        self.reads = http.method in ("GET", "HEAD")
        """Whether the method of HTTP only reads, so that a caller may have the answer already."""
        self._request = request
        self._ignore = unknown_query == "ignore"
        self._in_path = frozenset(variable.field for variable in http.template.variables)
        self._body: FieldDescriptor | None = None
        if http.body not in ("", STAR):
            self._body = _field(request, http.body)
        self._response_body: FieldDescriptor | None = None
        if http.response_body:
            self._response_body = _field(response, http.response_body)
        self.takes_bytes = http.body != "" and is_bytes(request.DESCRIPTOR, self._body)
        """Whether the body of a request is not JSON but bytes of any type, a `google.api.HttpBody`."""
        self.gives_bytes = is_bytes(response.DESCRIPTOR, self._response_body)
        """Whether the body of a response is not JSON but bytes of any type."""

    def parameters(self, variables: tuple[tuple[str, str], ...], query: str) -> Message:
        """The request with the fields of path and query. Raises RpcError (INVALID_ARGUMENT) that names the parameter at fault."""
        message = self._request()
        if query:
            self._read_query(message, query)
        for name, text in variables:
            fields = resolve_field(message.DESCRIPTOR, name)
            for one in text.split(",") if fields[-1].is_repeated else (text,):
                _set(message, fields, one, f"the path's {name}")
        return message

    def request(self, parameters: Message, body: bytes, limit: int = DEFAULT_MESSAGE_LIMIT) -> Message:
        """The whole request. Raises RpcError (INVALID_ARGUMENT) for a body that does not fit. Raises RpcError (RESOURCE_EXHAUSTED) for a
        body with more messages within it than a message limit of `limit` bytes allows (see `towpath._wire.elements`)."""
        if not self.http.body:
            if b"".join(body.split()) not in _NO_BODIES:
                raise _invalid("", f"{self.http} takes no body")
            message = self._request()
            message.CopyFrom(parameters)
            return message
        message = self._with_body(body, limit)
        for name in self._in_path:
            _clear(message, resolve_field(message.DESCRIPTOR, name))
        message.MergeFrom(parameters)
        return message

    def bytes_request(self, parameters: Message, content_type: str, data: bytes) -> Message:
        """The request whose body are bytes: `data`, or a part of it, of type `content_type`."""
        message: Any = self._request()
        body = message if self._body is None else getattr(message, self._body.name)
        body.content_type = content_type
        body.data = data
        for name in self._in_path:
            _clear(message, resolve_field(message.DESCRIPTOR, name))
        message.MergeFrom(parameters)
        return message

    def is_body(self, name: str) -> bool:
        """Whether what has this name in a form is the body of a request, where that is bytes: any name is, if it is the request itself."""
        return self._body is None or name in (self._body.name, self._body.json_name)

    def told(self, name: str) -> FieldDescriptor | None:
        """The field of a request that tells this of a file; None if there is none, or the path has it."""
        fields: Any = self._request.DESCRIPTOR.fields_by_name
        return None if name in self._in_path else fields.get(name)

    def set_form_field(self, message: Message, name: str, value: bytes, given: dict[str, str]) -> None:
        """Set a field of a form in a request. `given` has the fields of the form until then. A field of bytes is `value` as it is. Raises
        RpcError (INVALID_ARGUMENT) that names the field at fault."""
        fields = self._named(message.DESCRIPTOR, name, _FORM_FIELD)
        if not self._is_new(fields, name, _FORM_FIELD, given):
            return
        if fields[-1].type == FieldDescriptor.TYPE_BYTES:
            _set_bytes(message, fields, value)
            return
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise _invalid(name, f"{_FORM_FIELD} {name!r} is not UTF-8") from None
        _set(message, fields, text, f"{_FORM_FIELD} {name}")

    def bytes_body(self, response: Any) -> tuple[bytes, bytes]:
        """The type and the bytes of a response whose body are bytes. Raises ValueError for a type that is none."""
        body = response if self._response_body is None else getattr(response, self._response_body.name)
        content_type = (body.content_type or OCTET_STREAM).encode("latin-1")
        if not is_good(content_type):
            raise ValueError(f"the content_type {body.content_type!r} cannot stand in a header")
        return content_type, body.data

    def body(self, response: Any) -> bytes:
        """The response's JSON."""
        field = self._response_body
        return self.writer.encode(response) if field is None else self.writer.encode_field(response, field)

    def _with_body(self, body: bytes, limit: int) -> Any:
        if not body.strip():
            return self._request()
        elements = json_elements(limit_of(body, limit))
        try:
            field = "" if self._body is None else self._body.json_name
            return JSON.decode(body, self._request, elements=elements, field=field)
        except TooManyElementsError:
            raise too_many_elements(elements, body, limit) from None
        except JsonError as error:
            raise _invalid(error.path, f"the body does not fit: {error}") from None

    def _read_query(self, message: Message, query: str) -> None:
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
        except UnicodeDecodeError:
            raise _invalid("", "the query is not UTF-8, percent-encoded") from None
        except ValueError:
            raise _invalid("", f"the query has over {_MOST_PARAMETERS} parameters") from None
        if pairs and self.http.body == STAR:
            if self._ignore:
                return
            raise _invalid(pairs[0][0], f"the query parameter {pairs[0][0]!r} has no place: {self.http} takes everything in its body")
        given: dict[str, str] = {}  # by field, and the chosen field by oneof
        for name, text in pairs:
            fields = self._named(message.DESCRIPTOR, name, _PARAMETER)
            if self._is_new(fields, name, _PARAMETER, given):
                _set(message, fields, text, f"{_PARAMETER} {name}")

    def _is_new(self, fields: tuple[FieldDescriptor, ...], name: str, kind: str, given: dict[str, str]) -> bool:
        """Whether a parameter counts, which joins what is `given`. Raises RpcError for one that stands beside another."""
        path = ".".join(field.name for field in fields)
        if not fields or path in self._in_path:
            return False
        if path in given and not fields[-1].is_repeated:
            raise _invalid(name, f"{kind} {name!r} is given twice")
        given[path] = path
        for choice, member in _choices(fields):
            if given.setdefault(choice, member) != member:
                raise _invalid(name, f"{kind} {name!r} is given beside {given[choice]}; there can be only one of the two")
        return True

    def _named(self, message: Any, name: str, kind: str) -> tuple[FieldDescriptor, ...]:
        """The fields along a parameter's name; empty for a parameter to ignore. `kind` is what errors call it."""
        try:
            if name.count(".") >= MAX_DEPTH:
                raise BindingError(f"{shortened(name)} is nested too deeply")
            fields = resolve_field(message, name)
        except BindingError as error:
            if self._ignore:
                return ()
            raise _invalid(name, f"{kind} {error}") from None
        body, choice = self._body, fields[0].containing_oneof
        if body is not None and fields[0].name == body.name:
            raise _invalid(name, f"{kind} {name!r} belongs into the body")
        if body is not None and choice is not None and choice == body.containing_oneof:
            raise _invalid(name, f"{kind} {name!r} is given beside the body, {body.name}; there can be only one of the two")
        if not fits_in_text(fields[-1]):
            raise _invalid(name, f"{kind} {name!r} is a whole message; give its fields, as in {name}.field=value")
        return fields


def _field(message_type: Any, name: str) -> FieldDescriptor:
    return message_type.DESCRIPTOR.fields_by_name[name]


def _choices(fields: tuple[FieldDescriptor, ...]) -> Iterator[tuple[str, str]]:
    """Every oneof along a field's path, with the field of it that the path takes."""
    prefix = ""
    for field in fields:
        if field.containing_oneof is not None:
            yield f"{prefix}{field.containing_oneof.name} (oneof)", prefix + field.name
        prefix += field.name + "."


def _set(message: Any, fields: tuple[FieldDescriptor, ...], text: str, what: str) -> None:
    for field in fields[:-1]:
        message = getattr(message, field.name)
    try:
        JSON.set_from_text(message, fields[-1], text)
    except JsonError as error:
        raise _invalid(".".join(field.name for field in fields), f"{what}: {error}") from None


def _set_bytes(message: Any, fields: tuple[FieldDescriptor, ...], value: bytes) -> None:
    for field in fields[:-1]:
        message = getattr(message, field.name)
    if fields[-1].is_repeated:
        getattr(message, fields[-1].name).append(value)
    else:
        setattr(message, fields[-1].name, value)


def _clear(message: Any, fields: tuple[FieldDescriptor, ...]) -> None:
    for field in fields[:-1]:
        if not message.HasField(field.name):
            return
        message = getattr(message, field.name)
    message.ClearField(fields[-1].name)


def _invalid(field: str, message: str) -> RpcError:
    field, message = printable(shortened(field, _LONGEST_SHOWN)), printable(shortened(message, _LONGEST_SHOWN))
    details = [BadRequest(field_violations=[BadRequest.FieldViolation(field=field, description=message)])] if field else []
    return RpcError(Code.INVALID_ARGUMENT, message, details=details)
