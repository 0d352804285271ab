"""Deprecated messages, enums, their values, and fields in protoc's stubs, marked so that type checkers report their use (PEP 702).

protoc writes a field as an attribute of its class, and only functions and classes can be marked. So a deprecated field becomes a property
with the same type, and with a setter where the message has one. Its docstring is its comment in the contract. A deprecated value of an enum
becomes a descriptor, since a property would be none on the class. The module has the values of its enums, too, which nothing can mark.
typing_extensions is imported by the stub alone: type checkers know it without an installation.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto

from towpath._contracts.codegen.docstrings import docstring
from towpath._contracts.comments import deprecation, documentation

_CLASS: Final = re.compile(r"( *)class (\w+)\(")
_ATTRIBUTE: Final = re.compile(r"( *)(\w+): (.+)")
_CLASS_VARIABLE: Final = re.compile(r"_ClassVar\[(.+)\]")
_IMPORTS: Final = "from builtins import property as _property\nfrom typing_extensions import deprecated as _deprecated\n"
_OWN_USES: Final = "# pyright: reportDeprecated=false\n"
"""The stub names its deprecated classes itself."""

_LEVEL: Final = 4
_INSIDE: Final = " " * _LEVEL
_CONTAINERS: Final = (FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_GROUP)


@dataclass(frozen=True, kw_only=True)
class _Note:
    message: str
    doc: str
    settable: bool = False
    value: bool = False
    """Whether it is of a value of an enum."""


def mark_deprecated(stub: str, file: FileDescriptorProto) -> str:
    """`stub`, protoc's text for `file`, with marks; the same text if nothing in `file` is deprecated."""
    notes = dict(_notes(file))
    return _OWN_USES + _IMPORTS + "".join(_lines(stub, notes)) if notes else stub


def _lines(stub: str, notes: dict[str, _Note]) -> Iterator[str]:
    path: list[str] = []
    for line in stub.splitlines(keepends=True):
        opened, attribute = _CLASS.match(line), _ATTRIBUTE.match(line)
        found = opened or attribute
        if found is None:
            yield line
            continue
        del path[len(found[1]) // _LEVEL :]
        note = notes.get(".".join([*path, found[2]]))
        if opened:
            path.append(found[2])
            yield from [f"{found[1]}@_deprecated({_text(note.message)})\n"] if note else []
            yield line
        elif attribute and note and note.value:
            yield from _descriptor(attribute[1], attribute[2], attribute[3], note)
        elif attribute and note:
            yield from _property(attribute[1], attribute[2], attribute[3], note)
        else:
            yield line


def _property(indent: str, name: str, kind: str, note: _Note) -> Iterator[str]:
    mark = f"{indent}@_deprecated({_text(note.message)})\n"
    yield f"{indent}@_property\n{mark}{indent}def {name}(self) -> {kind}:\n"
    yield from (f"{line}\n" for line in docstring(note.doc, indent + _INSIDE))
    if note.settable:
        yield f"{indent}@{name}.setter\n{mark}{indent}def {name}(self, value: {kind}) -> None: ...\n"


def _descriptor(indent: str, name: str, kind: str, note: _Note) -> Iterator[str]:
    of_class = _CLASS_VARIABLE.fullmatch(kind)
    yield f"{indent}class _{name}:\n{indent}{_INSIDE}@_deprecated({_text(note.message)})\n"
    yield f"{indent}{_INSIDE}def __get__(self, instance: object, owner: object) -> {of_class[1] if of_class else kind}: ...\n"
    yield f"{indent}{name}: {f'_ClassVar[_{name}]' if of_class else f'_{name}'}\n"


def _text(message: str) -> str:
    return json.dumps(message, ensure_ascii=False)


def _notes(file: FileDescriptorProto) -> Iterator[tuple[str, _Note]]:
    """What is deprecated in `file`, by its path of names below the package."""
    comments = {tuple(at.path): documentation(at.leading_comments or at.trailing_comments) for at in file.source_code_info.location}
    package = f"{file.package}." if file.package else ""

    def note(kind: str, name: str, path: tuple[int, ...], *, settable: bool = False, value: bool = False) -> tuple[str, _Note]:
        comment = comments.get(path, "")
        said = f"Deprecated: the contract has the option `deprecated` for this {kind}."
        doc = "\n\n".join(part for part in (comment, said) if part)
        return name, _Note(message=deprecation(f"the {kind} {package}{name}", comment), doc=doc, settable=settable, value=value)

    def enums(found: Sequence[EnumDescriptorProto], outer: str, path: tuple[int, ...]) -> Iterator[tuple[str, _Note]]:
        for index, enum in enumerate(found):
            if enum.options.deprecated:
                yield note("enum", outer + enum.name, (*path, index))
            for number, value in enumerate(enum.value):
                if value.options.deprecated:
                    place = (*path, index, EnumDescriptorProto.VALUE_FIELD_NUMBER, number)
                    name, found_there = note("value", f"{outer}{enum.name}.{value.name}", place, value=True)
                    yield name, found_there
                    if outer:  # the message has its values, too
                        yield outer + value.name, found_there

    def messages(found: Sequence[DescriptorProto], outer: str, path: tuple[int, ...]) -> Iterator[tuple[str, _Note]]:
        for index, message in enumerate(found):
            name, at = outer + message.name, (*path, index)
            if message.options.deprecated:
                yield note("message", name, at)
            for number, field in enumerate(message.field):
                if field.options.deprecated:
                    settable = field.label != FieldDescriptorProto.LABEL_REPEATED and field.type not in _CONTAINERS
                    place = (*at, DescriptorProto.FIELD_FIELD_NUMBER, number)
                    yield note("field", f"{name}.{field.name}", place, settable=settable)
            yield from messages(message.nested_type, f"{name}.", (*at, DescriptorProto.NESTED_TYPE_FIELD_NUMBER))
            yield from enums(message.enum_type, f"{name}.", (*at, DescriptorProto.ENUM_TYPE_FIELD_NUMBER))

    yield from messages(file.message_type, "", (FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER,))
    yield from enums(file.enum_type, "", (FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER,))
