"""How a client reads the response of a call in one protocol: bytes go in, messages and the end of the call come out.

A server writes the response with a dialect (`towpath._wire.dialect`). A reader is made for each call, and has no IO.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from towpath._core.errors import Code, RpcError, several_responses
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire.http.fields import Field


class ResponseReader(ABC):
    """The response of a call: a head, a body in pieces, and an end. `headers` and `trailers` are the metadata that have come."""

    __slots__ = ("ends_in_body", "headers", "trailers")

    def __init__(self, *, ends_in_body: bool = True) -> None:
        self.ends_in_body = ends_in_body
        """Whether the body says how the call ended. If not, the trailers say so, or a head that nothing follows."""
        self.headers: Metadata = EMPTY
        self.trailers: Metadata = EMPTY

    @abstractmethod
    def head(self, status_code: bytes, fields: Sequence[Field]) -> None:
        """The response begins. Raises RpcError if it is not of this protocol."""

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """A piece of the body. Raises RpcError for what is too large or cannot be meant."""


class MessageSource(Protocol):
    """Cuts a body that comes in pieces into messages."""

    @property
    def unread(self) -> int:
        """Bytes that have come and were not yet handed on as messages."""
        ...

    def feed(self, data: bytes) -> None:
        """A piece of the body. Raises RpcError for a message that is too large."""
        ...

    def complete(self) -> bool:
        """Whether `next` has something to say."""
        ...

    def next(self) -> bytes | None:
        """The next message, or None until more has come. Raises RpcError for one that cannot be read."""
        ...


class PutBack:
    """A source whose next message is one that was taken of it already, and given up."""

    __slots__ = ("_message", "_source")

    def __init__(self, message: bytes, source: MessageSource) -> None:
        self._message: bytes | None = message
        self._source = source

    @property
    def unread(self) -> int:
        """Those of the source; the message does not count again."""
        return self._source.unread

    def feed(self, data: bytes) -> None:
        """Feed the source."""
        self._source.feed(data)

    def complete(self) -> bool:
        """Whether `next` has something to say."""
        return self._message is not None or self._source.complete()

    def next(self) -> bytes | None:
        """The message, and then those of the source."""
        message, self._message = self._message, None
        return self._source.next() if message is None else message


class StreamResponseReader(ResponseReader):
    """Reads a response of any number of messages."""

    __slots__ = ()

    @property
    def messages(self) -> MessageSource:
        """What the body is fed to and read from once the head has come, with no step between that costs time for each message."""
        return self

    @property
    @abstractmethod
    def unread(self) -> int:
        """Bytes that have come and were not yet handed on as messages."""

    @abstractmethod
    def complete(self) -> bool:
        """Whether `next` has something to say."""

    @abstractmethod
    def next(self) -> bytes | None:
        """The next message, or None until more has come. Raises RpcError for one that cannot be read."""

    @abstractmethod
    def end(self, fields: Sequence[Field]) -> None:
        """The response has ended, with `fields` as its trailers over HTTP. Raises the RpcError that the call failed with. What came
        before can be read still."""


class UnaryResponseReader(ResponseReader):
    """Reads the response of a unary call."""

    __slots__ = ()

    @abstractmethod
    def end(self, fields: Sequence[Field]) -> bytes:
        """The message, now that the response has ended. Raises the RpcError that the call failed with."""


class OneMessageReader(UnaryResponseReader):
    """Reads the response of a unary call in a protocol that writes it like a stream's, of which it takes the only message."""

    __slots__ = ("_message", "_stream")

    def __init__(self, stream: StreamResponseReader) -> None:
        super().__init__(ends_in_body=stream.ends_in_body)
        self._stream = stream
        self._message: bytes | None = None

    def head(self, status_code: bytes, fields: Sequence[Field]) -> None:
        self._stream.head(status_code, fields)
        self.headers = self._stream.headers

    def feed(self, data: bytes) -> None:
        stream = self._stream
        stream.feed(data)
        if stream.complete():
            if self._message is not None:  # an error now, since a server could go on for ever
                raise several_responses("the server")
            self._message = stream.next()
            self.feed(b"")  # there may be another one behind it

    def end(self, fields: Sequence[Field]) -> bytes:
        try:
            self._stream.end(fields)
        finally:
            self.trailers = self._stream.trailers
        if self._message is None:
            raise RpcError(Code.INTERNAL, "the call was answered OK without a message")
        return self._message
