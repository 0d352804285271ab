"""A client's connection over HTTP/2 on the server."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from towpath._core import clock
from towpath._core.calls.recording import PIN_FIELD
from towpath._core.deadline import Expirable
from towpath._core.decisions import Decision
from towpath._transport.connection_driver import UNREAD
from towpath._transport.server.call import ROLE, Handling, log
from towpath._transport.server.connections.buffer_budget import Kept
from towpath._transport.server.connections.connection import ServerLink, Site
from towpath._transport.server.connections.connection_limits import FLOOD
from towpath._transport.server.connections.deferred_writes import MAX_DEFERRED
from towpath._transport.server.connections.direct_response_stream import DirectResponseStream, RefusedStream
from towpath._transport.server.grpc_unary import ServerCall
from towpath._transport.server.http2_exchange import Http2Exchange
from towpath._transport.server.method_route import grpc_fields
from towpath._transport.server.recorded_calls import RecordedServerCall
from towpath._transport.server.routes import DirectResponse, GrpcUnaryRoute, Route
from towpath._transport.server.unfinished_stream import UnfinishedStream
from towpath._wire.grpc.dialect import HEAD
from towpath._wire.http.fields import Field, Section
from towpath._wire.http2 import ErrorCode, ServerConnection, Stream
from towpath._wire.http2.states import CLOSED

TOO_MANY_CALLS: Final = "TOO_MANY_CALLS"
"""A connection has as many handlers running as may be under way, and as many again that clean up after their calls."""

_SHUTDOWN_PING: Final = b"goodbye!"
_REFUSED_PING: Final = b"refused\0"
_KEEPALIVE_PING: Final = b"there?\0\0"

_PROBE: Final = b"you here"

_PROBE_INTERVAL: Final = 1.0
"""Seconds between two probes of a client that has closed its half of the connection."""


class Http2Link(ServerLink[ServerConnection]):
    """One client's connection and its calls."""

    http_version = "2"

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site) -> None:
        super().__init__(loop, site)
        # As many again as may be under way still clean up after their streams were reset.
        self.most_calls = 2 * site.limits.max_concurrent_streams
        self.connection = ServerConnection(self, site.limits)
        self._deferred_writes = site.deferred_writes
        self._overdrawn = False
        self.lingering: dict[Expirable, None] = {}
        self._refused: list[Expirable] = []
        """Those of them whose responses went before the ping that asks for them."""

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self.awaits_pong = False  # any of them is a sign of life: the answer to a ping may be behind a long upload
        activity = self.activity
        if activity.quiet:
            activity.stir()
        connection = self.connection
        connection.receive(data)
        out = connection.out
        if out and not self._flush_scheduled:
            if len(out) == self.deferrable < MAX_DEFERRED:
                self._deferred_writes.add(self)
            else:
                self._flush_scheduled = True
                self.loop.call_soon(self.flush)
        if connection.behind or len(data) >= self._full_read:
            self.give_way()

    def defer_flush(self, pieces: int) -> None:
        """Write the last `pieces` of the connection's `out`, which are a rejection, with others that come within some milliseconds."""
        self.deferrable += pieces
        if len(self.connection.out) == self.deferrable < MAX_DEFERRED:
            self._deferred_writes.add(self)
        else:
            self.schedule_flush()

    def pause_writing(self) -> None:
        """The client does not read its answers: take no more requests from it."""
        super().pause_writing()
        self.hold(UNREAD)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self.release(UNREAD)

    @property
    def asked(self) -> int:
        """The last stream's id."""
        return self.connection.last_peer_stream

    @property
    def busy(self) -> bool:
        """Whether a call is under way, or its handler still cleans up."""
        return bool(self.connection.streams or self.calls)

    def _begun(self) -> object:
        """The greeting, a header block, or a frame that is none of a body."""
        return self.connection.begun()

    def give_up(self, reason: str) -> None:
        """GOAWAY also tells the client that nothing which it has sent since was begun."""
        self.connection.fail(ErrorCode.NO_ERROR, reason)

    def kept(self) -> Iterator[Kept]:
        for stream in list(self.connection.streams.values()):
            if isinstance(stream, (ServerCall, UnfinishedStream)):
                yield stream

    def overdrawn(self, reason: str) -> None:
        unread, self._overdrawn = self.paused, True
        self.connection.fail(ErrorCode.ENHANCE_YOUR_CALM, reason)
        if unread:  # the client would not read the GOAWAY either
            self.abort()

    def _input_ended(self) -> None:
        self.connection.input_ended()
        self.draining = True
        self._probe()

    def _probe(self) -> None:
        # The system of a client that is gone resets the connection for what it is sent, and the calls that are under way are cancelled.
        if self._transport is not None and self.busy:
            self.connection.ping(_PROBE)
            self.flush()
            self.loop.call_later(_PROBE_INTERVAL, self._probe)

    def ask(self) -> None:
        """By a ping."""
        self.awaits_pong = True
        self.connection.ping(_KEEPALIVE_PING)
        self.flush()

    def drain(self) -> None:
        """Ask the client to go elsewhere. Requests that it had already sent are told apart by a ping that travels behind them."""
        self.connection.announce_shutdown()
        self.connection.ping(_SHUTDOWN_PING)
        self.flush()

    def close_if_idle(self) -> None:
        """Close once the last call of a draining connection has ended."""
        # A stream that trailers end is still among the others while it hears of them.
        if not self.calls and all(stream.state == CLOSED for stream in self.connection.streams.values()):
            self.close()

    def end_lingering(self) -> None:
        """Tell clients whose uploads were refused to stop, once they have answered a ping that follows the responses."""
        if not self._refused:
            self._refused = list(self.lingering)
            self.connection.ping(_REFUSED_PING)

    def arriving(self) -> list[Handling]:
        """Those of all streams that have calls."""
        found = [stream.call for stream in self.connection.streams.values() if isinstance(stream, (ServerCall, Http2Exchange))]
        return [call for call in found if call is not None]

    def _unbegun(self) -> list[Handling]:
        return [call for call in self.arriving() if call.task is None]

    # What the connection tells.

    def accept(self, head: Section, extra: Sequence[Field]) -> Stream | bytes:
        """A request begins."""
        route: Route = head.route or self.site.routes.resolve(head, self.belief)
        if len(self.calls) >= self.most_calls:
            # Without this bound, a client that opens and resets streams in a row runs any number of handlers at once (CVE-2023-44487).
            method = "" if isinstance(route, DirectResponse) else route.method_route.name
            self.signal(Decision(method, ROLE, TOO_MANY_CALLS, False, None, True))
            return RefusedStream(self)
        if isinstance(route, GrpcUnaryRoute):  # nearly always, for one look at the head
            early = route.method_route.early_rejection
            if early is not None:
                try:
                    rejection = early.on_headers(route.inherited, extra)
                except Exception:  # noqa: BLE001 # a policy that fails rejects no call, and ends no connection
                    log.exception("the early rejection of %s failed", route.method_route.name)
                    rejection = None
                if rejection is not None:
                    self.deferrable += 1
                    if route.method_route.rows is not None:
                        route.method_route.rows.rejected(extra, self.peer)
                    return self.connection.encode(HEAD, rejection.encoded or grpc_fields(rejection))
            rows = route.method_route.rows
            if rows is None:
                return ServerCall(self, route)
            if extra and extra[-1][0] == PIN_FIELD and route.inherited.trusted:
                rows.pinned(extra[-1][1])
            return RecordedServerCall(self, route)
        if isinstance(route, DirectResponse):
            self.connection.count_unwanted()
            return DirectResponseStream(self, route)
        return Http2Exchange(self, self.connection, route)

    def oversized(self, fields: Sequence[Field], reason: str) -> Section:
        """A request has too large a head."""
        return self.site.routes.oversized(fields, reason)

    def now(self) -> float:
        """The time in seconds."""
        return clock.now()

    def ready(self) -> None:
        """The client's settings are known; a server need not wait for them."""

    def going_away(self, reason: str) -> None:
        """The client will open no more streams; it closes the connection once those it has are answered."""

    def failed(self, reason: str) -> None:
        """The client broke the protocol, or did too much of what costs a server and asks for nothing."""
        if reason.startswith(ErrorCode.ENHANCE_YOUR_CALM.name) and not self._overdrawn:
            self.site.connections.tell(FLOOD)
        super().failed(reason)

    def pinged(self, payload: bytes) -> None:
        """The client is there; after the last ping it also has heard that we are going."""
        self.awaits_pong = False
        if payload == _SHUTDOWN_PING:
            self.connection.stop_accepting()
            self.draining = True
            if self.lingering:
                self.end_lingering()
            self.close_if_idle()
        elif payload == _REFUSED_PING:
            told, self._refused = self._refused, []
            for stream in told:
                if stream in self.lingering:
                    stream.expire()
            if self.lingering:
                self.end_lingering()
