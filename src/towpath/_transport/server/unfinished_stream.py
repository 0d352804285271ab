"""What is left of an exchange over HTTP/2 without a call: a response that waits for its client to make room, and the rest of a request
whose response has ended.

RST_STREAM with NO_ERROR tells a client to stop sending a request that has its response (RFC 9113, section 8.1). Clients of gRPC do. But
curl takes it for an error and loses the response, as others do. So what they still send is read and dropped, within limits.
"""

from typing import Final

from towpath._core import clock
from towpath._core.deadline import NO_SLOT, Slot
from towpath._transport.server.call import CallLink
from towpath._wire.http2 import ErrorCode, Stream
from towpath._wire.http2.states import CLOSED

_PATIENCE: Final = 60.0
"""Seconds that a client has to make room for such a response, and to end its request after one. Without a bound it could hold any number of
streams for ever."""

_MAX_DROPPED: Final = 256 * 1024 * 1024
"""Bytes of a request that are read and dropped after its response."""


class UnfinishedStream(Stream):
    """A stream that may outlast its call. `unfinished` comes before the other methods, so that a call that ends as usual pays for none of
    this."""

    __slots__ = ("_dropped", "_rest")

    _link: CallLink
    _dropped: int
    _rest: Slot

    def unfinished(self) -> None:
        """There will be a rest of this exchange."""
        self._dropped = 0
        self._rest = NO_SLOT

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return self.retained

    def overdrawn(self, reason: str) -> None:
        """End the stream, since too much is kept."""
        self.reset(ErrorCode.ENHANCE_YOUR_CALM)
        self._link.schedule_flush()
        self.ended()

    def finish(self, *, reads_on: bool) -> None:
        """The response was handed over. The rest of the request is dropped if `reads_on`; else its client is told to stop."""
        link = self._link
        self._rest.pop(self, None)
        if self.queue or (reads_on and self.state != CLOSED and not link.draining):
            self._rest = link.wheel.add(clock.now() + _PATIENCE, self)
        else:
            self.reset(ErrorCode.NO_ERROR)
        link.schedule_flush()
        self.ended()

    def drop(self, size: int) -> None:
        """A piece of the request came."""
        self._dropped += size
        if self._dropped > _MAX_DROPPED:
            self.reset(ErrorCode.NO_ERROR)
        self.consumed(size)
        self._link.schedule_flush()
        self.ended()

    def ended(self) -> None:
        """The stream may have ended, and with the last of them a connection that drains."""
        if self.state == CLOSED:
            self._rest.pop(self, None)
            if self._link.draining:
                self._link.close_if_idle()

    def expire(self) -> None:
        """The client has had its time."""
        self.reset(ErrorCode.CANCEL if self.queue else ErrorCode.NO_ERROR)
        self._link.schedule_flush()
        self.ended()
