"""Asking a server whether it wants calls, by `grpc.health.v1.Health/Watch` on the very connection that would carry them.

As gRPC's clients do (https://github.com/grpc/proposal/blob/master/A17-client-side-health-checking.md): the server tells its state and each
change of it; a server that has no such service is taken to be healthy; a watch that ends otherwise counts as "not serving" and is begun
again, with the backoff that connecting has.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from towpath._core import chance
from towpath._core.errors import Code, RpcError
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.options import ChannelOptions
from towpath._wire.grpc import framing, status
from towpath._wire.grpc.client import ResponseHead, has_status, head_fields
from towpath._wire.grpc.standard import HEALTH, ServingStatus
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http2 import ClientConnection, ErrorCode, Stream
from towpath._wire.protocol import request_head

_METHOD: Final = "/grpc.health.v1.Health/Watch"
_MOST: Final = 1024
"""Bytes of an answer, which needs two."""

OnHealth = Callable[[str], None]
"""Is called with the reason why a server wants no calls, and with the empty text if it wants them."""


class HealthCheck:
    """What a channel asks its servers: whether they serve `service`, the empty name for all that they have."""

    def __init__(self, service: str, options: ChannelOptions, *, scheme: bytes, authority: bytes) -> None:
        self.service = service
        self.head = Template(*request_head(_METHOD, scheme, authority, head_fields(None)))
        self.body = framing.frame(HEALTH["HealthCheckRequest"](service=service).SerializeToString())
        self.timeout = options.connect_timeout
        self.backoff = options.backoff
        self.source = chance.generator()

    def watch(self, link: ClientLink, on_health: OnHealth) -> "HealthWatch":
        """Ask over `link` from now on."""
        return HealthWatch(self, link, on_health)


class HealthWatch:
    """Asks until it is stopped or the connection ends, of which it tells nothing: whoever has the connection learns of that."""

    def __init__(self, check: HealthCheck, link: ClientLink, on_health: OnHealth) -> None:
        self.begun = 0
        """How many streams of the connection were spent on it."""
        self._check = check
        self._link = link
        self._on_health = on_health
        self._failures = 0
        self._stream: _Watch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ask()

    def stop(self) -> None:
        """Tell nothing any more."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.reset(ErrorCode.CANCEL)
            self._link.schedule_flush()
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self) -> None:
        connection = self._link.connection
        if not connection.can_open():  # full, and of calls that were let in: its state is what it was
            self._ask_later()
            return
        self.begun += 1
        self._stream = _Watch(self, connection)
        connection.request(self._stream, self._check.head, b"", self._check.body)
        self._link.schedule_flush()
        self._timer = self._link.loop.call_later(self._check.timeout, self._give_up)

    def _give_up(self) -> None:
        if self._stream is not None:
            self._stream.fail(RpcError(Code.DEADLINE_EXCEEDED, f"no answer within {self._check.timeout:g} s"))
            self._link.schedule_flush()

    def _ask_later(self) -> None:
        self._failures += 1
        delay = self._check.backoff.delay(self._failures, self._check.source)
        self._timer = self._link.loop.call_later(delay, self._ask)

    # What its stream hears.

    def answered(self, stream: "_Watch", state: int) -> None:
        """The server's state, now."""
        if stream is self._stream:
            self._failures = 0
            self._stop_timer()
            names = {int(known): known.name for known in ServingStatus}
            self._on_health("" if state == ServingStatus.SERVING else f"{self._check.service or 'the server'} is {names.get(state, state)}")

    def ended(self, stream: "_Watch", error: RpcError | None) -> None:
        """The server tells nothing more."""
        if stream is not self._stream:
            return
        self._stream = None
        self._stop_timer()
        if self._link.connection.exhausted():
            return
        if error is not None and error.code is Code.UNIMPLEMENTED:
            self._on_health("")
            return
        self._ask_later()
        self._on_health(f"its health cannot be watched ({'the watch ended' if error is None else error})")


class _Watch(Stream):
    """One call of Watch."""

    __slots__ = ("_reader", "_watch")

    def __init__(self, watch: HealthWatch, connection: ClientConnection) -> None:
        Stream.__init__(self, connection)
        self._watch = watch
        self._reader = framing.MessageReader(_MOST)

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """The answer begins, or is but a status."""
        facts = ResponseHead.of(head)
        if facts.error is not None and not has_status(head.fields, extra):
            self.fail(facts.error)
        elif end_stream:
            self._watch.ended(self, status.decode((*head.fields, *extra)))
        else:
            self._reader = framing.MessageReader(_MOST, facts.compression)

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """A state, or several."""
        reader = self._reader
        try:
            reader.feed(data)
            while (raw := reader.next()) is not None:
                self._watch.answered(self, HEALTH["HealthCheckResponse"].FromString(raw).status)
        except (RpcError, DecodeError) as error:
            self.fail(error if isinstance(error, RpcError) else RpcError(Code.INTERNAL, f"no HealthCheckResponse: {error}"))
            return
        self.consumed(len(data))
        if end_stream:
            self.fail(RpcError(Code.INTERNAL, "it ended without trailers"))

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The server tells nothing more."""
        self._watch.ended(self, status.decode((*trailers.fields, *extra)))
        self.reset(ErrorCode.NO_ERROR)

    def reset_received(self, code: int, reason: str) -> None:
        """The call was cut off."""
        self._watch.ended(self, status.from_reset(code, reason, answering=self.head_seen))

    def fail(self, error: RpcError) -> None:
        """End it here."""
        self._watch.ended(self, error)
        self.reset(ErrorCode.CANCEL)
