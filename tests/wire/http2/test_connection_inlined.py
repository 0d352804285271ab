"""The fast paths of HTTP/2 put the same bytes on the wire, and tell the same events, as the functions that they are copies of.

Two conversations make the same calls. In one the ends use their fast paths: `ClientConnection.request`, `ServerConnection.answer`,
`Sender.send_piece`, and the client's own look at header blocks. In the other they use `ClientConnection.open`, `Sender.encode`,
`Sender.send_whole`, `Sender.send_body` and `Connection._further_block`. One event differs on purpose: a fast path queues nothing, so it
does not say that the queue was drained.
"""

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.http2.recording import (
    REQUEST_TEMPLATE,
    RESPONSE_TEMPLATE,
    TRAILERS_TEMPLATE,
    End,
    RecordingOwner,
    RecordingStream,
    ServerEnd,
)
from towpath._wire.hpack import literal
from towpath._wire.http2 import ClientConnection, Limits, ResponseTemplate

ANSWER = ResponseTemplate(RESPONSE_TEMPLATE, TRAILERS_TEMPLATE)
LITERALS = literal(b"grpc-timeout", b"1S")


class PlainClient(ClientConnection):
    """A client without a fast path for header blocks."""

    def _header_block(self, stream_id: int, payload: bytes, end_stream: bool) -> None:
        if stream_id in self.streams:
            self._further_block(self.streams[stream_id], payload, end_stream)
        else:
            super()._header_block(stream_id, payload, end_stream)


class Conversation:
    """A client and a server. What goes over the wire is kept."""

    def __init__(self, *, fast: bool, limits: Limits, consuming: bool) -> None:
        self.fast = fast
        owner = RecordingOwner(consuming=consuming)
        client = (ClientConnection if fast else PlainClient)(owner, limits)
        self.client, self.connection = End(client, owner), client
        self.server = ServerEnd(limits, begun=False, consuming=consuming)
        self.wire: list[bytes] = []
        self.streams: list[RecordingStream] = []
        client.begin()
        self.carry()
        self.carry()

    def request(self, size: int) -> None:
        if not self.connection.can_open():
            return
        stream = RecordingStream(self.connection, self.client.owner.events, consuming=self.client.owner.consuming)
        self.streams.append(stream)
        if self.fast:
            self.connection.request(stream, REQUEST_TEMPLATE, LITERALS, bytes(size))
        else:
            block = self.connection.encode(REQUEST_TEMPLATE, LITERALS)
            self.connection.open(stream)
            self.connection.send_whole(stream, block, bytes(size), None)

    def answer(self, size: int) -> None:
        server = self.server.connection
        if self.server.owner.streams:
            stream = self.server.owner.streams.pop(0)
            self.streams.append(stream)
            if self.fast:
                server.answer(stream, ANSWER, bytes(size))
            else:
                server.send_whole(stream, server.encode(RESPONSE_TEMPLATE), bytes(size), TRAILERS_TEMPLATE)

    def answer_in_pieces(self, size: int) -> None:
        server = self.server.connection
        if self.server.owner.streams:
            stream = self.server.owner.streams.pop(0)
            self.streams.append(stream)
            server.send_head(stream, server.encode(RESPONSE_TEMPLATE), end_stream=False)
            for _ in range(3):
                if self.fast:
                    server.send_piece(stream, bytes(size))
                else:
                    server.send_body(stream, bytes(size), end_stream=False)
            server.send_body(stream, b"", end_stream=False, trailers=literal(b"grpc-status", b"0"))

    def carry(self, _: int = 0) -> None:
        """A turn of each end."""
        up = self.connection.take()
        self.server.connection.receive(up)
        down = self.server.connection.take()
        self.connection.receive(down)
        self.wire += (up, down)

    def state(self) -> Sequence[object]:
        """All that can be seen of both ends, of streams that are over too."""
        ends = (self.connection, self.server.connection)
        windows = [(end.send_window, list(end.streams)) for end in ends]
        streams = [(each.id, each.state, each.send_window, each.queued) for each in self.streams]
        events = [[event for event in end.owner.events if event[0] != "drained"] for end in (self.client, self.server)]
        return (windows, streams, self.wire, events, self.client.owner.reasons, self.server.owner.reasons)


# A body has a prefix of five bytes at least. Without any, the fast path sends an empty frame of DATA, and the long way none.
SIZES = st.one_of(st.integers(5, 40), st.sampled_from([16_300, 16_384, 16_385, 40_000, 65_535, 70_000]))
STEPS = st.tuples(st.sampled_from(["request", "request", "answer", "answer", "answer_in_pieces", "carry", "carry"]), SIZES)
SMALL = Limits(max_concurrent_streams=8, stream_window=65_535, connection_window=65_535)
ONE_CALL = [("request", 5), ("carry", 0), ("answer", 7), ("carry", 0)]


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=40), st.sampled_from([Limits(), SMALL]), st.booleans())
@example(ONE_CALL * 4, Limits(), True)  # the first call teaches both tables, the others are remembered
@example([("request", 5), ("carry", 0), ("answer_in_pieces", 16_384), ("carry", 0)] * 3, Limits(), True)
def test_a_fast_path_says_what_the_long_way_says(steps: list[tuple[str, int]], limits: Limits, consuming: bool) -> None:
    fast = Conversation(fast=True, limits=limits, consuming=consuming)
    plain = Conversation(fast=False, limits=limits, consuming=consuming)
    for step, size in [*steps, ("carry", 0), ("carry", 0)]:
        for conversation in (fast, plain):
            getattr(conversation, step)(size)
        assert fast.state() == plain.state()
