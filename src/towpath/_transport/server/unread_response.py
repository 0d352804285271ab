"""Responses over HTTP/2 that wait for their clients to make room and have no deadline: documents, and errors without a call."""

from typing import Final

from towpath._core import clock
from towpath._transport.server.call import CallLink
from towpath._wire.http2 import ErrorCode, Stream

_PATIENCE: Final = 60.0
"""Seconds that a client has to make room for such a response. Without a bound it could hold any number of them for ever."""


class UnreadResponse:
    """The end of such a response: what stands on the wheel for it."""

    __slots__ = ("_link", "_stream")

    def __init__(self, link: CallLink, stream: Stream) -> None:
        self._link = link
        self._stream = stream

    def expire(self) -> None:
        """Give the response up, if a part of it still waits."""
        if self._stream.queue:
            self._stream.reset(ErrorCode.CANCEL)
            self._link.schedule_flush()
            if self._link.draining:
                self._link.close_if_idle()


def limit_wait(link: CallLink, stream: Stream) -> None:
    """Give the whole response on `stream` up if a part of it waits for too long."""
    if stream.queue:
        link.wheel.add(clock.now() + _PATIENCE, UnreadResponse(link, stream))
