"""Client and server in conversation, as a state machine that Hypothesis drives: streams interleave as they like, bytes arrive in any
pieces, either side stops reading or resets, and still each receives what the other sent, in order, and nothing else.

TOWPATH_FUZZ_STEPS says how many steps are taken; 50,000 without it. A long run, of some minutes, to be done after a change to the wire:

    TOWPATH_FUZZ_STEPS=3000000 make test ARGS="tests/wire/http2/test_connection_machine.py"
"""

import os
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.wire.http2.recording import REQUEST_TEMPLATE, RESPONSE_TEMPLATE, TRAILERS_TEMPLATE, ClientEnd, End, RecordingStream, ServerEnd
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, Limits, Stream
from towpath._wire.http2.states import AFTER_SEND_FRAME, IDLE, ILLEGAL, ConnectionState

STEPS = int(os.environ.get("TOWPATH_FUZZ_STEPS", "50000"))
STEPS_AT_ONCE = 100

LIMITS = (
    Limits(max_concurrent_streams=8, stream_window=65_535, connection_window=65_535),
    Limits(max_concurrent_streams=3, stream_window=200_000, connection_window=65_535),
)
"""The smallest windows that may be announced, so that they are felt: of one stream, or of all together."""

BODY = bytes(range(251)) * 400
"""What bodies are made of: no two places within a piece look alike to a reader that lost or doubled a frame."""

sizes = st.one_of(st.integers(0, 40), st.sampled_from([10_000, 16_000, 16_384, 16_385, 40_000, 65_535, 90_000]))
shares = st.one_of(st.just(1.0), st.floats(0, 1))
calls = Bundle("calls")


@dataclass
class Direction:
    """What one side of a call sent. `ended` once it has said that it sends no more."""

    sent: bytearray = field(default_factory=bytearray)
    ended: bool = False

    def piece(self, size: int) -> bytes:
        start = len(self.sent) % 251
        piece = BODY[start : start + size]
        self.sent += piece
        return piece


@dataclass(eq=False)
class Call:
    """One stream as the test knows it."""

    client: RecordingStream
    name: bytes
    up: Direction = field(default_factory=Direction)
    down: Direction = field(default_factory=Direction)
    head_sent: bool = False
    reset: bool = False
    read_up: int = 0
    read_down: int = 0


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = bytearray(), bytearray()
        self.calls: list[Call] = []

    @initialize(theirs=st.sampled_from(LIMITS), ours=st.sampled_from(LIMITS))
    def begin(self, theirs: Limits, ours: Limits) -> None:
        self.client = ClientEnd(theirs, begun=False)
        self.server = ServerEnd(ours, begun=False)
        self.carry_up(1.0)
        self.carry_down(1.0)

    def server_stream(self, call: Call) -> RecordingStream | None:
        """The other end of a call, if its head has arrived there."""
        return next((stream for stream in self.server.owner.streams if stream.id == call.client.id), None)

    # What the client does.

    @rule(target=calls)
    def open(self) -> object:
        if not self.client.connection.can_open():
            return multiple()
        stream = RecordingStream(self.client.connection, self.client.owner.events)
        name = b"%d" % len(self.calls)
        self.client.connection.open(stream)
        block = self.client.connection.encode(REQUEST_TEMPLATE) + literal(b"call", name)
        self.client.connection.send_head(stream, block, end_stream=False)
        call = Call(stream, name)
        self.calls.append(call)
        return call

    @rule(call=calls, size=sizes, times=st.integers(1, 5))
    def client_sends(self, call: Call, size: int, times: int) -> None:
        for _ in range(times):
            if may_send(call.client) and not call.up.ended:
                self.client.connection.send_piece(call.client, call.up.piece(size))

    @rule(call=calls, size=sizes)
    def client_ends(self, call: Call, size: int) -> None:
        if may_send(call.client) and not call.up.ended:
            self.client.connection.send_body(call.client, call.up.piece(size), end_stream=True)
            call.up.ended = True

    @rule(call=calls)
    def client_resets(self, call: Call) -> None:
        call.client.reset(ErrorCode.CANCEL)
        call.reset = True

    @rule(call=calls)
    def client_reads(self, call: Call) -> None:
        call.client.consumed(len(call.client.received) - call.read_down)
        call.read_down = len(call.client.received)

    # What the server does.

    @rule(call=calls)
    def server_answers(self, call: Call) -> None:
        stream = self.server_stream(call)
        if stream is not None and may_send(stream) and not call.head_sent:
            self.server.connection.send_head(stream, self.server.connection.encode(RESPONSE_TEMPLATE), end_stream=False)
            call.head_sent = True

    @rule(call=calls, size=sizes, times=st.integers(1, 5))
    def server_sends(self, call: Call, size: int, times: int) -> None:
        self.server_answers(call)
        stream = self.server_stream(call)
        for _ in range(times):
            if stream is not None and call.head_sent and may_send(stream) and not call.down.ended:
                self.server.connection.send_piece(stream, call.down.piece(size))

    @rule(call=calls)
    def server_ends(self, call: Call) -> None:
        stream = self.server_stream(call)
        if stream is None or not call.head_sent or not may_send(stream) or call.down.ended:
            return
        call.down.ended = True
        if stream.queue:
            plain = b"".join(literal(name, value) for name, value in TRAILERS_TEMPLATE.fields)
            self.server.connection.send_body(stream, b"", end_stream=False, trailers=plain)
        else:
            self.server.connection.send_head(stream, self.server.connection.encode(TRAILERS_TEMPLATE), end_stream=True)

    @rule(call=calls)
    def server_resets(self, call: Call) -> None:
        stream = self.server_stream(call)
        if stream is not None:
            stream.reset(ErrorCode.INTERNAL_ERROR)
            call.reset = True

    @rule(call=calls)
    def server_reads(self, call: Call) -> None:
        stream = self.server_stream(call)
        if stream is not None:
            stream.consumed(len(stream.received) - call.read_up)
            call.read_up = len(stream.received)

    # What the network does.

    @rule(share=shares)
    def carry_up(self, share: float) -> None:
        self.up += self.client.connection.take()
        size = round(len(self.up) * share)
        self.server.feed(bytes(self.up[:size]))
        del self.up[:size]

    @rule(share=shares)
    def carry_down(self, share: float) -> None:
        self.down += self.server.connection.take()
        size = round(len(self.down) * share)
        self.client.feed(bytes(self.down[:size]))
        del self.down[:size]

    @rule()
    def both_ping(self) -> None:
        self.client.connection.ping(b"upstream")
        self.server.connection.ping(b"downward")

    @precondition(lambda self: len(self.calls) > 20)
    @rule()
    def server_drains(self) -> None:
        self.server.connection.announce_shutdown()

    # What holds always, and in the end.

    @invariant()
    def nobody_fails(self) -> None:
        for end in (self.client, self.server) if self.calls else ():
            assert end.owner.reasons == []
            assert end.connection.state is not ConnectionState.CLOSED

    @invariant()
    def what_is_received_is_what_was_sent(self) -> None:
        for call in self.calls:
            assert call.down.sent.startswith(call.client.received)
            stream = self.server_stream(call)
            if stream is not None:
                assert call.up.sent.startswith(stream.received)

    @invariant()
    def nobody_sends_more_than_the_other_allows(self) -> None:
        for end in (self.client, self.server) if self.calls else ():
            assert end.connection.send_window >= 0
            assert all(stream.send_window >= 0 for stream in end.connection.streams.values())

    def teardown(self) -> None:
        for _ in range(10_000):
            self.carry_up(1.0)
            self.carry_down(1.0)
            before = self.progress()
            for call in self.calls:
                self.client_reads(call)
                self.server_reads(call)
            self.carry_up(1.0)
            self.carry_down(1.0)
            if self.progress() == before and not self.client.connection.out and not self.server.connection.out:
                break
        self.nobody_fails()
        self.what_is_received_is_what_was_sent()
        for call in self.calls:
            if call.reset:
                assert call.client.id not in self.client.connection.streams
                assert call.client.id not in self.server.connection.streams
                continue
            stream = self.server_stream(call)
            assert stream is not None
            assert (b"call", call.name) in heads(self.server, call)
            assert stream.received == call.up.sent
            assert call.client.received == call.down.sent
            assert ended(self.server, call) == call.up.ended
            assert ended(self.client, call) == call.down.ended
            over = call.up.ended and call.down.ended
            assert (call.client.id in self.client.connection.streams) == (not over)
            assert (call.client.id in self.server.connection.streams) == (not over)

    def progress(self) -> int:
        return sum(len(call.client.received) for call in self.calls) + sum(len(stream.received) for stream in self.server.owner.streams)


def may_send(stream: Stream) -> bool:
    return stream.state != IDLE and AFTER_SEND_FRAME[stream.state] != ILLEGAL


def heads(end: End, call: Call) -> tuple[tuple[bytes, bytes], ...]:
    return next(event[3] for event in end.owner.events if event[0] == "head" and event[1] == call.client.id)


def ended(end: End, call: Call) -> bool:
    """Whether this end has heard that the other sends no more."""
    mine = [event for event in end.owner.events if len(event) > 1 and event[1] == call.client.id]
    return any(event[0] == "trailers" or (event[0] in ("head", "data") and event[-1] is True) for event in mine)


@pytest.mark.untraced
@pytest.mark.timeout(STEPS / 100)
def test_a_conversation_loses_nothing() -> None:
    run_state_machine_as_test(
        Conversation,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_AT_ONCE),
            stateful_step_count=STEPS_AT_ONCE,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
