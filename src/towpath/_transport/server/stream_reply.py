"""The reply of a stream, whose headers need not wait for its first message: a caller may be told of something before anything happens."""

import asyncio
from typing import Protocol
from weakref import ReferenceType, ref

from towpath._core.context import Reply
from towpath._core.metadata import EMPTY, Metadata


class SendsHeaders(Protocol):
    """The call that a reply belongs to."""

    def send_headers(self) -> None:
        """Send the headers that the handler has set, unless a message has taken them along."""
        ...


class StreamReply(Reply):
    """Has its call send the headers that are set, once the handler waits for something. It does not keep the call alive, whose context has
    the reply."""

    __slots__ = ("_call", "_headers", "_loop")

    def __init__(self, call: SendsHeaders, loop: asyncio.AbstractEventLoop) -> None:
        self._call: ReferenceType[SendsHeaders] = ref(call)
        self._loop = loop
        self._headers: Metadata = EMPTY
        super().__init__()

    @property
    def headers(self) -> Metadata:
        """The headers as they were set."""
        return self._headers

    @headers.setter
    def headers(self, headers: Metadata) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] # a plain attribute in the base
        self._headers = headers
        call = self._call()
        if headers and call is not None:
            self._loop.call_soon(call.send_headers)
