"""Requests whose body is a form with files (`multipart/form-data`), of a method whose body over REST is a `google.api.HttpBody`.

The part that has the name of the body's field is the file; where the HttpBody is the request itself, any part is. The other parts are
fields of the request, as parameters of a query are. A field `filename` of the request, a string, gets the file's name, and `file_index`, an
integer, its place among the form's files. Without the latter, and where requests do not stream, a form may have one file.
"""

from typing import Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from towpath._core.errors import Code, RpcError
from towpath._wire.pieces import SMALL, Pieces, keep_small
from towpath._wire.rest.binding import Binding
from towpath._wire.rest.multipart import Multipart, Part
from towpath._wire.rest.request_stream import PIECE, BodyReader

_INTEGERS: Final = frozenset(
    {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}
)


class FormReader(BodyReader[Message]):
    """Gives the requests of a method whose requests stream: the pieces of the files, each with the fields that came before it. Fields
    behind the last file, and a form without one, are a request without data. The fields may have 64 KiB together, because each request has
    them.

    Raises RpcError for what is no such form.
    """

    __slots__ = ("_binding", "_content_type", "_fields", "_in_file", "_new", "_parts", "_piece", "unread")

    def __init__(self, binding: Binding, parameters: Message, boundary: bytes, limit: int) -> None:
        self.unread = 0
        self._binding = binding
        most = min(limit, PIECE)
        self._fields = _Fields(binding, parameters, most)
        self._parts = Multipart(boundary, most)
        self._content_type = ""
        self._in_file = False
        self._new = True
        """Whether there is something that no request has told: a field, or a file without content."""
        self._piece: bytes | None = None
        """The data of the next request."""

    def feed(self, data: bytes) -> None:
        self._parts.feed(data)
        self._count()

    def complete(self) -> bool:
        complete = self._advance()
        self._count()
        return complete

    def next(self) -> Message | None:
        if not self.complete():
            return None
        piece, self._piece = self._piece or b"", None
        self._new = False
        self._count()
        return self._binding.bytes_request(self._fields.message, self._content_type, piece)

    def finish(self) -> None:
        if not self.complete():
            self._parts.finish()

    def _count(self) -> None:
        self.unread = self._parts.unread + self._fields.held + len(self._piece or b"")

    def _advance(self) -> bool:
        while self._piece is None:
            event = self._parts.next()
            if event is None:
                if not (self._new and self._parts.ended):
                    return False
                self._piece = b""
            elif isinstance(event, Part):
                self._in_file = self._fields.begin(event)
                if self._in_file:
                    self._content_type = event.content_type
                    self._new = True
            elif not self._in_file:
                self._new = self._fields.content(event) or self._new
            elif event or self._new:
                self._piece = event
        return True


def read_form(binding: Binding, parameters: Message, boundary: bytes, body: bytes, limit: int) -> Message:
    """The request that a whole form is. Raises RpcError for what is no form, or one with a second file."""
    fields = _Fields(binding, parameters, limit, several=False)
    parts = Multipart(boundary, len(body))
    parts.feed(body)
    content_type, content, in_file = "", b"", False
    while (event := parts.next()) is not None:
        if isinstance(event, Part):
            in_file = fields.begin(event)
            content_type = event.content_type if in_file else content_type
        elif not in_file:
            fields.content(event)
        elif event:  # it is whole
            content = event
    parts.finish()
    return binding.bytes_request(fields.message, content_type, content)


class _Fields:
    """The request as far as path, query and the fields of a form say it. The fields may have `limit` bytes together."""

    __slots__ = (
        "_binding",
        "_files",
        "_given",
        "_index",
        "_limit",
        "_name",
        "_name_field",
        "_pieces",
        "_several",
        "_size",
        "held",
        "message",
    )

    def __init__(self, binding: Binding, parameters: Message, limit: int, *, several: bool = True) -> None:
        self._binding = binding
        self.message = type(parameters)()
        self.message.CopyFrom(parameters)
        self._given: dict[str, str] = {}
        self._limit = limit
        self._size = 0
        self._pieces: Pieces = []
        """The content of the field under way."""
        self.held = 0
        """Bytes of it."""
        self._name = ""
        self._files = 0
        name, index = binding.told("filename"), binding.told("file_index")
        self._name_field = name is not None and name.type == FieldDescriptor.TYPE_STRING and not name.is_repeated
        self._index = index is not None and index.cpp_type in _INTEGERS and not index.is_repeated
        self._several = several and self._index

    def begin(self, part: Part) -> bool:
        """A part begins: whether it is a file, whose content is not for `content`."""
        self._name = part.name
        if not self._binding.is_body(part.name):
            return False
        if self._files and not self._several:
            raise RpcError(Code.INVALID_ARGUMENT, "the form has a second file, which the method does not take; send one file at a time")
        if self._index:
            setattr(self.message, "file_index", self._files)  # noqa: B010 # of this request's type it is known now
        if self._name_field:
            setattr(self.message, "filename", part.filename or "")  # noqa: B010 # of this request's type it is known now
        self._files += 1
        return True

    def content(self, piece: bytes) -> bool:
        """A piece of the field that has begun. Whether it was the last one, so that `message` has the field."""
        if piece:
            self._size += len(piece)
            if self._size > self._limit:
                said = f"the part {self._name[:100]!r} is a field, and the fields of the form are larger than {self._limit} bytes together"
                raise RpcError(Code.RESOURCE_EXHAUSTED, said)
            if len(piece) >= SMALL:
                self._pieces.append(piece)
            else:
                keep_small(self._pieces, piece)
            self.held += len(piece)
            return False
        value = b"".join(self._pieces)
        self._pieces.clear()
        self.held = 0
        self._binding.set_form_field(self.message, self._name, value, self._given)
        return True
