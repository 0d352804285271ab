"""What is left of an exchange over HTTP/2 without a call: a response that waits for its client to make room, and the rest of a request
whose response has ended.

RST_STREAM with NO_ERROR tells a client to stop sending a request that has its response (RFC 9113, section 8.1). But curl takes it for an
error and loses the response, as others do. So what they still send is read and dropped, within limits.

Clients of gRPC stop by themselves once they have a status. But a proxy between them may lose it: HAProxy 2.6 makes CANCEL of a reset that
comes together with the response. So the reset waits for two seconds, in which the client gets no more room than it has.
"""

from typing import Final, Protocol

from towpath._core import clock
from towpath._core.deadline import NO_SLOT, Expirable, Slot
from towpath._transport.server.call import CallLink
from towpath._wire.http2 import ErrorCode, Stream
from towpath._wire.http2.states import CLOSED

_PATIENCE: Final = 60.0
"""Seconds that a client has to make room for such a response, and to end its request after one. Without a bound it could hold any number of
streams for ever."""

_LINGER: Final = 2.0
"""Seconds until a client is told to stop that was not given time to end its request."""

_MOST_LINGERING: Final = 32
"""Such streams of one connection. Each has a place among those that its client may have open, so the first is ended for one more."""

_MAX_DROPPED: Final = 256 * 1024 * 1024
"""Bytes of a request that are read and dropped after its response."""


class LingeringLink(CallLink, Protocol):
    """The connection of such a stream."""

    lingering: dict[Expirable, None]
    """The streams whose clients are soon told to stop, in order."""

    def end_lingering(self) -> None:
        """Tell them as soon as they have heard of their responses."""
        ...


def linger(stream: Expirable, link: LingeringLink) -> Slot:
    """Have `stream`, whose response has ended, expire soon. Its client is told to stop then. Returns its slot of the wheel."""
    lingering = link.lingering
    lingering[stream] = None
    if len(lingering) > _MOST_LINGERING:
        first = next(iter(lingering))
        del lingering[first]  # whatever has become of it: the next one is to have another first
        first.expire()
    if link.draining:
        link.end_lingering()
    return link.wheel.add(clock.now() + _LINGER, stream)


class UnfinishedStream(Stream):
    """A stream that may outlast its call. `unfinished` comes before the other methods, so that a call that ends as usual pays for none of
    this."""

    __slots__ = ("_dropped", "_makes_room", "_rest")

    _link: LingeringLink
    _dropped: int
    _makes_room: bool
    _rest: Slot

    def unfinished(self) -> None:
        """There will be a rest of this exchange."""
        self._dropped = 0
        self._makes_room = True
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
        """The response was handed over. The client may end its request if `reads_on`; else it is soon told to stop."""
        link = self._link
        self._rest.pop(self, None)
        if self.queue or (reads_on and not link.draining and self.state != CLOSED):
            self._rest = link.wheel.add(clock.now() + _PATIENCE, self)
        elif self.state != CLOSED:
            self._makes_room = False
            self._rest = linger(self, link)
        link.schedule_flush()
        self.ended()

    def drop(self, size: int) -> None:
        """A piece of the request came."""
        if self._makes_room:
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
            self._link.lingering.pop(self, None)
            if self._link.draining:
                self._link.close_if_idle()

    def expire(self) -> None:
        """The client has had its time."""
        self.reset(ErrorCode.CANCEL if self.queue else ErrorCode.NO_ERROR)
        self._link.schedule_flush()
        self.ended()
