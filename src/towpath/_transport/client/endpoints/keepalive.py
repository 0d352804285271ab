"""Finding out that a server is gone which closed nothing: its machine lost power, or the network drops what is sent to it.

A connection is cut if bytes wait for an acknowledgement and none of any kind has come for `keepalive_timeout`. A server that reads nothing
more acknowledges that it has no room, and may pause for as long as its callers wait (docs/adr/0028). Where the system does not tell, TCP
itself gives up after that time, paused servers included.

That does not notice where something on the way, such as a proxy, goes on to acknowledge what no server gets. So a PING is sent twice:

- `keepalive_time`, gRPC's keepalive, off unless it is set: nothing was heard for so long although there were calls. A connection that does
  not answer is cut.
- Two calls in a row ended by their deadline or a cancellation, and not one byte came in between. A connection that does not answer within
  5 s is replaced as one that is too old: the next calls go over a new connection once there is one, and those under way may still be
  answered. So a server that only pauses loses no call.

Servers count pings that come without calls. grpcio's cut off a client whose third ping within five minutes comes before they have sent
anything (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md). So there is none without calls, and in the second case
no more than one in five minutes without an answer to a call.
"""

import asyncio
from typing import Final

from towpath._core import clock
from towpath._core.errors import Code, RpcError
from towpath._transport.client.endpoints.acknowledgements import Acknowledgements
from towpath._transport.client.endpoints.connection import ClientLink, ClientLinkDelegate
from towpath._transport.socket_options import set_user_timeout
from towpath._wire.http2 import Limits

_KEEPALIVE: Final = b"towpath?"
_PROBE: Final = b"towprobe"

_PROBE_TIMEOUT: Final = 5.0
"""Seconds that the answer to a probe may take before a new connection is made beside this one."""

_PROBE_INTERVAL: Final = 300.0
"""Seconds from one probe to the next while no call is answered: gRPC's servers take more than one for an attack."""

_LOOKS: Final = 4
"""Looks at the acknowledgements of a connection within its timeout."""

_MIN_SILENCE: Final = 1.0
"""Seconds. A shorter silence proves nothing: Linux answers a peer that asks for room once in half a second."""

_NEVER: Final = float("-inf")


class KeptLink(ClientLink):
    """A connection that is asked whether it lives: with an `interval` after so many seconds of silence, and in any case after calls without
    an answer. It has `timeout` seconds to say so before it is cut."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, delegate: ClientLinkDelegate, limits: Limits, *, interval: float | None, timeout: float
    ) -> None:
        super().__init__(loop, delegate, limits)
        self._interval = interval
        self._timeout = timeout
        self._opened = 0
        self._timer: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._probed_at = _NEVER
        self._answered = False
        self._acknowledgements: Acknowledgements | None = None
        self._listening: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        super().connection_made(transport)
        self._look_later()
        connection = transport.get_extra_info("socket")
        self._acknowledgements = Acknowledgements.of(connection)
        if self._acknowledgements is not None:
            self._listen_later()
        else:
            set_user_timeout(connection, self._timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        for timer in (self._timer, self._probe, self._listening):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pinged(self, payload: bytes) -> None:
        """The server lives."""
        if payload == _PROBE:
            self._answered = True
            self.heard = False  # no call was answered
        elif self._timer is not None:
            self._timer.cancel()
            self._look_later()

    # Acknowledgements.

    def _listen_later(self) -> None:
        self._listening = self.loop.call_later(max(self._timeout, _MIN_SILENCE) / _LOOKS, self._listen)

    def _listen(self) -> None:
        acknowledgements = self._acknowledgements
        patience = max(self._timeout, _MIN_SILENCE)
        if acknowledgements is not None and acknowledgements.silence() >= patience:
            self.fault = f"{self.peer} acknowledged nothing for {patience:g} s"
            self.abort()
        else:
            self._listen_later()

    # Keepalive.

    def _look_later(self) -> None:
        if self._interval is not None:
            self._timer = self.loop.call_later(self._interval, self._look)

    def _look(self) -> None:
        connection = self.connection
        before, self._opened = self._opened, connection.opened()
        # A call may have begun and ended since, as those with short deadlines do.
        silent = not self.heard and (connection.streams or before != self._opened)
        self.heard = False
        if silent:
            connection.ping(_KEEPALIVE)
            self.flush()
            self._timer = self.loop.call_later(self._timeout, self._judge)
        else:
            self._look_later()

    def _judge(self) -> None:
        if self.heard:
            self._look_later()
        else:
            self._abandon("keepalive ping")

    def _abandon(self, question: str) -> None:
        self.fault = f"{self.peer} did not answer a {question} within {self._timeout:g} s"
        self.abort()

    # Probes.

    def call_failed(self, error: asyncio.CancelledError | RpcError) -> None:
        """A call has ended with `error`: by its deadline or a cancellation perhaps because nothing comes any more."""
        if isinstance(error, RpcError) and error.code is not Code.DEADLINE_EXCEEDED:
            return
        if self.heard:
            self.heard, self._probed_at = False, _NEVER
            return
        now = clock.now()
        if self._probe is None and now - self._probed_at >= _PROBE_INTERVAL:
            self._probed_at = now
            self._answered = False
            self.connection.ping(_PROBE)
            self.schedule_flush()
            self._probe = self.loop.call_later(_PROBE_TIMEOUT, self._doubt)

    def _doubt(self) -> None:
        self._probe = None
        if not self._lives():
            self._delegate.replace(self)
            self._probe = self.loop.call_later(self._timeout, self._give_up)

    def _give_up(self) -> None:
        self._probe = None
        if self._lives():
            return
        if self._finishing:  # another connection has taken its place
            self._abandon("ping")
        else:
            self._probed_at = _NEVER  # there is no other: the next call that fails asks again

    def _lives(self) -> bool:
        return self._answered or self.heard


class TimedLink(KeptLink):
    """A connection that knows when it was last read, for calls that are recorded."""

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self.read_at = clock.now()
        KeptLink.data_received(self, data)
