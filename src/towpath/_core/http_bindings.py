"""How a method is reached over plain HTTP: the bindings of `google.api.http`, and the path templates in them.

The grammar and the meaning are those of https://github.com/googleapis/googleapis/blob/master/google/api/http.proto: `*` matches one segment
of a path, and `**` any number of segments. `{name=shelves/*}` puts the text that it matches into a field of the request. A path may end in
`:verb`. Three things are allowed beyond the grammar, because contracts in use have them: segments behind the one `**`, a verb with colons
within it, and a repeated field of scalars as a variable, whose values are separated by commas.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, cast
from urllib.parse import unquote

from google.protobuf.descriptor import Descriptor, FieldDescriptor

UnknownQuery = Literal["refuse", "ignore"]
"""How a query parameter is treated that is no field of the request."""

STAR: Final = "*"
REST: Final = "**"
METHODS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH")
"""The methods of HTTP for which `google.api.http` has fields. Others are bound with `custom`; its kind `*` stands for every method."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_LITERAL: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()+,;@-]|%[0-9A-Fa-f]{2})+")
_VERB: Final = re.compile(rf"{_LITERAL.pattern}(?::{_LITERAL.pattern})*")
_FIELD_PATH: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)

_IN_TEXT: Final = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Timestamp", "Duration", "FieldMask"),
        *("DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue"),
    )
)


class BindingError(ValueError):
    """A binding that cannot be served. The text names the part that is wrong, and says why."""


@dataclass(frozen=True, kw_only=True)
class HttpBinding:
    """One way to reach a method over HTTP."""

    method: str
    """HTTP's method, in capitals; `*` for every method that has no binding of its own."""
    path: str
    """The template of the path, as the contract has it."""
    body: str = ""
    """The field of the request message that the HTTP body holds; `*` for the whole message, empty for no body."""
    response_body: str = ""
    """The field of the response message that the HTTP body holds; empty for the whole message."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @cached_property
    def template(self) -> "PathTemplate":
        """The path, parsed. Raises BindingError."""
        return PathTemplate.parse(self.path)


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A part of a path that is a field of the request."""

    field: str
    """The dotted path of the field."""
    start: int
    """The index of the first segment. It counts from the end of the path, as a negative index does, if `**` is before it."""
    stop: int | None
    """The index after the last segment, which counts from the end if `**` is before it; None for the end of the path."""
    single: bool
    """Whether the variable is exactly one segment. There, `%2F` in a path stands for a slash within the value."""


@dataclass(frozen=True, kw_only=True)
class PathTemplate:
    """A parsed path template."""

    segments: tuple[str, ...]
    """Literals, `STAR`, and at most one `REST`."""
    variables: tuple[Variable, ...]
    verb: str
    """The text after the colon; empty without one."""

    @staticmethod
    def parse(text: str) -> "PathTemplate":
        """Parse `text`. Raises BindingError for text that breaks the grammar."""
        return _Parser(text).template()

    def overlaps(self, other: "PathTemplate") -> bool:
        """Whether there is a path that both match."""
        return self.verb == other.verb and _overlap(self.segments, other.segments)

    def covers(self, other: "PathTemplate") -> bool:
        """Whether this template matches every path that `other` matches, judged by the segments alone."""
        return _cover(_normal(self.segments), _normal(other.segments))


def _normal(segments: tuple[str, ...]) -> tuple[str, ...]:
    """The same paths with each `*` that follows `**` in front of it."""
    if REST not in segments:
        return segments
    rest = segments.index(REST)
    after = next((index for index in range(rest + 1, len(segments)) if segments[index] != STAR), len(segments))
    return (*segments[:rest], *segments[rest + 1 : after], REST, *segments[after:])


def _overlap(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    if not a or not b:
        return all(segment == REST for segment in a + b)
    if REST in (a[0], b[0]):
        # `**` matches nothing, or the other's first segment and perhaps more.
        return _overlap(a[1:], b) or _overlap(a, b[1:])
    return (a[0] == b[0] or STAR in (a[0], b[0])) and _overlap(a[1:], b[1:])


def _cover(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    if not mine or not theirs:
        return not theirs and all(segment == REST for segment in mine)
    if mine[0] == REST:
        return _cover(mine[1:], theirs) or _cover(mine, theirs[1:])
    if theirs[0] == REST:  # it matches nothing, or any segment and perhaps more
        return mine[0] == STAR and _cover(mine, theirs[1:]) and _cover(mine[1:], theirs)
    return mine[0] in (STAR, theirs[0]) and _cover(mine[1:], theirs[1:])


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._segments: list[str] = []
        self._variables: list[Variable] = []

    def template(self) -> PathTemplate:
        if not self._text.startswith("/"):
            raise BindingError(f"path {self._text!r} does not begin with /")
        self._at = 1
        self._sequence(in_variable=False)
        verb = ""
        if self._take(":"):
            verb = self._literal(_VERB, "a verb")
        if self._at != len(self._text):
            raise self._unexpected("/, : or the end")
        return PathTemplate(segments=tuple(self._segments), variables=tuple(map(self._placed, self._variables)), verb=verb)

    def _placed(self, variable: Variable) -> Variable:
        """The variable with indexes that hold for a path of any length."""
        count, stop = len(self._segments), cast("int", variable.stop)
        rest = self._segments.index(REST) if REST in self._segments else count
        start = variable.start if variable.start <= rest else variable.start - count
        if stop > rest:
            stop = None if stop == count else stop - count
        return replace(variable, start=start, stop=stop)

    def _sequence(self, *, in_variable: bool) -> None:
        while True:
            if not in_variable and self._take("{"):
                self._variable()
            elif self._take("**"):
                if REST in self._segments:
                    raise BindingError(f"path {self._text!r} has ** twice; where the first one ends cannot be told")
                self._segments.append(REST)
            elif self._take("*"):
                self._segments.append(STAR)
            else:
                self._segments.append(self._literal(_LITERAL, "a literal, * or **" if in_variable else "a literal, *, ** or {"))
            if not self._take("/"):
                return

    def _variable(self) -> None:
        start = len(self._segments)
        field = self._match(_FIELD_PATH, "the name of a field")
        if any(field == other.field for other in self._variables):
            raise BindingError(f"path {self._text!r} names the field {field} twice")
        if self._take("="):
            self._sequence(in_variable=True)
        else:
            self._segments.append(STAR)
        if not self._take("}"):
            raise self._unexpected("}")
        single = self._segments[start:] == [STAR]
        self._variables.append(Variable(field=field, start=start, stop=len(self._segments), single=single))

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _literal(self, pattern: re.Pattern[str], what: str) -> str:
        found = self._match(pattern, what)
        try:
            unquote(found, errors="strict")
        except UnicodeDecodeError:
            raise BindingError(f"path {self._text!r}: {found!r} is not UTF-8, percent-encoded") from None
        return found

    def _match(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._unexpected(what)
        self._at = found.end()
        return found[0]

    def _unexpected(self, expected: str) -> BindingError:
        found = self._text[self._at : self._at + 1] or "the end"
        return BindingError(f"path {self._text!r}: expected {expected} at position {self._at}, found {found!r}")


def fits_in_text(field: FieldDescriptor) -> bool:
    """Whether a value of `field` can stand in a URL: a scalar, an enum, or a message whose JSON is a scalar, such as a Timestamp."""
    return field.message_type is None or field.message_type.full_name in _IN_TEXT


def resolve_field(message: Any, path: str) -> tuple[FieldDescriptor, ...]:
    """The fields along the dotted `path`, starting at the descriptor `message`. Fields have their names in the contract or in JSON. Raises
    BindingError."""
    found: list[FieldDescriptor] = []
    holder: Descriptor | None = message
    for name in path.split("."):
        if holder is None or (found and found[-1].is_repeated):
            raise BindingError(f"{path}: {found[-1].name} is no message that has fields of its own")
        field = holder.fields_by_name.get(name) or holder.fields_by_camelcase_name.get(name)
        if field is None:
            raise BindingError(f"{path}: {holder.full_name} has no field {name}")
        found.append(field)
        holder = field.message_type
    return tuple(found)


def check_binding(binding: HttpBinding, request: Any, response: Any, *, requests_stream: bool) -> None:
    """Check that `binding` can be served for a method with the messages `request` and `response`. Raises BindingError."""
    if not _TOKEN.fullmatch(binding.method) or binding.method != binding.method.upper():
        raise BindingError(f"{binding.method!r} is not a method of HTTP, in capitals, and not *")
    if binding.method in ("CONNECT", "TRACE"):
        raise BindingError(f"{binding.method} belongs to HTTP itself, and cannot be bound")
    if requests_stream and not binding.body:
        raise BindingError("a method whose requests stream needs a body to stream them in; name its field, or *")
    for variable in binding.template.variables:
        field = resolve_field(request, variable.field)[-1]
        if not fits_in_text(field):
            raise BindingError(f"the path's {variable.field} is no field that one text can be: a scalar or an enum, or several of them")
    if binding.body not in ("", STAR):
        _check_top(request, binding.body, "body")
        if any(variable.field.partition(".")[0] == binding.body and "." not in variable.field for variable in binding.template.variables):
            raise BindingError(f"the field {binding.body} is in the path and is the body too")
    if binding.response_body:
        _check_top(response, binding.response_body, "response_body")
    if binding.body and binding.method in ("GET", "HEAD"):
        raise BindingError(f"a {binding.method} has no body; leave {binding.body!r} to the query")


def is_bytes(message: Any, field: FieldDescriptor | None) -> bool:
    """Whether a body is bytes of any type and not JSON: `field`, or without one the whole `message`, is a `google.api.HttpBody`."""
    if field is not None:
        message = None if field.is_repeated else field.message_type
    return message is not None and message.full_name == "google.api.HttpBody"


def _check_top(message: Descriptor, name: str, what: str) -> None:
    if name not in message.fields_by_name:
        raise BindingError(f"{what} {name!r} is no field of {message.full_name}")


def clashes(bindings: list[HttpBinding]) -> Iterator[tuple[int, int]]:
    """Pairs of indexes of bindings that match one and the same request, and of which neither is more specific than the other."""
    for index, later in enumerate(bindings):
        for before, earlier in enumerate(bindings[:index]):
            a, b = earlier.template, later.template
            if earlier.method == later.method and a.overlaps(b) and a.covers(b) == b.covers(a):
                yield before, index
