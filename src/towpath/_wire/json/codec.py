"""`JsonCodec`: the proto3 JSON mapping with its options settled (https://protobuf.dev/programming-guides/json/).

msgspec reads the JSON text, and writes it where the extension in C does not (docs/adr/0009). The functions between JSON values and messages
are made per message type on first use and kept by the codec, so make one codec and share it. Proto2 extensions and unknown fields are not
written; groups are read and written as the messages that they are.

The codec is stricter than google.protobuf.json_format on purpose: base64 with characters of neither alphabet is refused, numerals in
strings are JSON's (no spaces, no underscores), a Timestamp is of RFC 3339's form, and an Any with nothing but a wrong type is an error and
not empty.
"""

from typing import Any, Final, TypeVar, cast

import msgspec
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from towpath._wire.elements import has_integer_keys, heaviest, is_recursive
from towpath._wire.json import numerals
from towpath._wire.json.decoding import Decoders, Unknown
from towpath._wire.json.depth import MAX_DEPTH, is_deeper
from towpath._wire.json.elements import UNCHECKED, UNSUSPECTED, Budget, needs_budget
from towpath._wire.json.encoding import Encoders, Writer
from towpath._wire.json.errors import JsonError
from towpath._wire.json.filling import Fillers
from towpath._wire.json.plans import COMPILED_CHECK, NOT_PLAIN, BytesWriter, Plans, is_pure
from towpath._wire.json.repeated_names import refuse_repeated_name, repeats_a_name
from towpath._wire.json.text import set_from_text
from towpath._wire.json.wellknown import Filler, Resolver

M = TypeVar("M", bound=Message)

_TOO_DEEP: Final = "the document is nested too deeply"
_DEEP: Final = 4 * MAX_DEPTH
"""Bytes of a document that cannot be nested too deeply: each level takes a name, which is empty or has a letter, and three more."""


class JsonCodec:
    """Writes and reads messages as JSON.

    `unknown_fields` says how fields and enum names are treated that the type does not have: "refuse" (default) or "ignore". `proto_names`
    writes the contract's names instead of lowerCamelCase; both are always read. `print_defaults` writes fields without presence also when
    they have their default. `enums_as_ints` writes numbers for names. `pool` knows the types of an `Any`; None stands for the default pool.
    """

    def __init__(
        self,
        *,
        unknown_fields: Unknown = "refuse",
        proto_names: bool = False,
        print_defaults: bool = False,
        enums_as_ints: bool = False,
        pool: DescriptorPool | None = None,
    ) -> None:
        resolver = Resolver(pool or descriptor_pool.Default())
        self._encoders = Encoders(resolver, proto_names=proto_names, print_defaults=print_defaults, enums_as_ints=enums_as_ints)
        self._resolver = resolver
        self._unknown_fields: Unknown = unknown_fields
        self._decoders = Decoders(resolver, unknown_fields=unknown_fields)
        self._fillers = Fillers(self._decoders)
        # By class: a class is found in half the time of its descriptor.
        self._fill: dict[type[Message], Filler] = {}
        self._writers: dict[type[Message], Writer] = {}
        self._field_writers: dict[FieldDescriptor, Writer] = {}
        self._plans = Plans(self._encoders)
        self._quick: dict[type[Message], BytesWriter | None] = {}
        self._write = msgspec.json.Encoder().encode
        self._read = msgspec.json.Decoder().decode
        self._repeats_a_name = repeats_a_name if COMPILED_CHECK is None or is_pure() else COMPILED_CHECK

    def encode(self, message: Message) -> bytes:
        """The message as JSON in UTF-8, without white space, its fields by number. Raises JsonError for a message without JSON: an Any of
        an unknown type, a Value with nothing in it."""
        kind = type(message)
        try:
            quick = self._quick[kind]
        except KeyError:
            quick = self._quick[kind] = self._plans.of(message.DESCRIPTOR)
        if quick is not None:
            try:
                return quick(message.SerializePartialToString())
            except NOT_PLAIN:
                pass  # the writer below writes the message, or raises the error
        write = self._writers.get(kind)
        if write is None:
            write = self._writers[kind] = self._encoders.of(message.DESCRIPTOR)
        try:
            return self._write(write(message))
        except RecursionError:
            raise JsonError(_TOO_DEEP) from None

    def encode_field(self, message: Message, field: FieldDescriptor) -> bytes:
        """One field of the message as a JSON document: its default if it is not set, and null if it is absent, as a message or an optional
        scalar can be. Raises JsonError as `encode` does."""
        write = self._field_writers.get(field)
        if write is None:
            write = self._field_writers[field] = self._encoders.field(field)
        try:
            return self._write(write(message))
        except RecursionError:
            raise JsonError(_TOO_DEEP) from None

    def decode(self, data: bytes, message_type: type[M], *, elements: int | None = None, field: str = "") -> M:
        """The message that `data` stands for; with `field`, the message whose field of that name it is. Raises JsonError, whose text names
        the place, for data that is not JSON or not of this type. Raises TooManyElementsError for more than `elements` messages and entries
        of maps; None is no bound."""
        counted = elements is not None and (
            (len(data) > elements // UNSUSPECTED and needs_budget(data, elements, heaviest(message_type)))
            or (len(data) > UNCHECKED and has_integer_keys(message_type))
        )
        value = self.parse(data)
        if field:
            value = {field: value}
        if len(data) > _DEEP and data.count(b"{") >= MAX_DEPTH and is_recursive(message_type) and is_deeper(value):
            raise JsonError(_TOO_DEEP)
        if not counted:
            return self.from_object(value, message_type)
        # The document gets functions of its own, which know of the budget. Making them takes a fraction of the time of such a document.
        decoders = Decoders(self._resolver, unknown_fields=self._unknown_fields, budget=Budget(cast("int", elements)))
        return self._filled(Fillers(decoders).of(message_type.DESCRIPTOR), value, message_type)

    def parse(self, data: bytes) -> Any:
        """The value that `json.loads` would make of `data`. Raises JsonError if it is not JSON, or if an object has two members of one
        name."""
        try:
            value = numerals.read(data) if numerals.may_be_slow(data) else self._read(data)
            if self._repeats_a_name(data, value):
                refuse_repeated_name(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JsonError(f"not JSON: {error}") from None
        except RecursionError:
            raise JsonError(_TOO_DEEP) from None
        return value

    def to_object(self, message: Message) -> Any:
        """The message as the value that `json.loads` would make of its JSON."""
        try:
            return msgspec.to_builtins(self._encoders.of(message.DESCRIPTOR)(message))
        except RecursionError:
            raise JsonError(_TOO_DEEP) from None

    def from_object(self, value: Any, message_type: type[M]) -> M:
        """The message from the value that `json.loads` would make of its JSON. Raises JsonError."""
        fill = self._fill.get(message_type)
        if fill is None:
            fill = self._fill[message_type] = self._fillers.of(message_type.DESCRIPTOR)
        return self._filled(fill, value, message_type)

    def _filled(self, fill: Filler, value: Any, message_type: type[M]) -> M:
        message = message_type()
        try:
            fill(value, message)
        except RecursionError:
            raise JsonError(_TOO_DEEP) from None
        return message

    def set_from_text(self, message: Message, field: FieldDescriptor, value: str) -> None:
        """Set one field from a text of a URL; appends if the field is repeated. Raises JsonError if the text is no value of it."""
        set_from_text(self._decoders, message, field, value)
