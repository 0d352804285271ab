"""A client's end: opening streams (RFC 9113 5.1.1, 5.1.2), answers (8.1) and a server that goes away (6.8)."""

import pytest

from tests.wire.http2.recording import (
    REQUEST_TEMPLATE,
    RESPONSE,
    TRAILERS,
    ClientEnd,
    RecordingOwner,
    RecordingStream,
    block,
    data,
    headers,
    parse,
)
from towpath._wire.hpack import Encoder
from towpath._wire.http.fields import Field
from towpath._wire.http2 import LOST, ClientConnection, ErrorCode, Limits
from towpath._wire.http2.errors import ConnectionFault
from towpath._wire.http2.frames import END_HEADERS, HEADERS, PREFACE, SETTINGS, Setting, frame, goaway, read_settings, settings
from towpath._wire.http2.states import ConnectionState, StreamState

MOST = 2**31 - 1
HEAD: list[Field] = [*RESPONSE, (b"content-type", b"application/grpc")]
LAST: list[Field] = [*TRAILERS]


class Answering:
    """A server's encoder, whose recurring blocks become index bytes as a real one's do."""

    def __init__(self, client: ClientEnd) -> None:
        self._encoder = Encoder()
        self._client = client

    def block(self, fields: list[Field]) -> bytes:
        return self._encoder.encode_indexed(fields) or self._encoder.encode(fields)

    def warm(self, *sections: list[Field]) -> None:
        """Answer two calls, so that the sections recur afterwards."""
        for _ in range(2):
            stream = self._client.call(end_stream=True)
            self._client.feed(headers(stream.id, self.block(sections[0])))
            for section in sections[1:]:
                self._client.feed(headers(stream.id, self.block(section), end_stream=True))
            stream.reset(ErrorCode.CANCEL)
        self._client.connection.take()
        self._client.owner.events.clear()


class TestBeginning:
    def test_is_the_preface_then_settings_without_push(self) -> None:
        client = ClientEnd(Limits(max_concurrent_streams=7), begun=False)
        sent = client.connection.take()
        assert sent.startswith(PREFACE)
        first = parse(sent)[0]
        announced = dict(read_settings(first.payload))
        assert first.kind == SETTINGS
        assert announced[Setting.ENABLE_PUSH] == 0
        assert Setting.MAX_CONCURRENT_STREAMS not in announced

    def test_opens_no_stream_before_the_servers_settings(self) -> None:
        client = ClientEnd(begun=False)
        assert not client.connection.can_open()
        client.feed(settings([]))
        assert client.connection.can_open()

    def test_has_to_be_made_before_bytes_are_received(self) -> None:
        client = ClientEnd(begun=False)
        client.connection.state = ConnectionState.AWAIT_PREFACE
        client.feed(settings([]))
        assert client.failed_with(ErrorCode.INTERNAL_ERROR)

    def test_is_made_once(self) -> None:
        with pytest.raises(ConnectionFault, match="PREFACE is illegal in state OPEN"):
            ClientEnd().connection.begin()


class TestOpening:
    def test_gives_odd_ids_in_order(self) -> None:
        client = ClientEnd()
        assert [client.call().id for _ in range(3)] == [1, 3, 5]

    def test_stops_at_the_servers_limit_until_a_stream_ends(self) -> None:
        client = ClientEnd()
        client.feed(settings([(Setting.MAX_CONCURRENT_STREAMS, 1)]))
        stream = client.call(end_stream=True)
        assert not client.connection.can_open()
        client.feed(headers(stream.id, block(*RESPONSE), end_stream=True))
        assert client.connection.can_open()

    def test_stops_for_good_when_the_ids_are_used_up(self) -> None:
        client = ClientEnd()
        client.connection.next_stream = MOST
        assert client.connection.can_open()
        assert not client.connection.exhausted()
        assert client.call().id == MOST
        assert not client.connection.can_open()
        assert client.connection.exhausted()

    def test_stops_for_good_when_the_server_goes_away_or_is_gone(self) -> None:
        client = ClientEnd()
        client.feed(goaway(MOST, ErrorCode.NO_ERROR))
        assert not client.connection.can_open()
        assert client.connection.exhausted()
        client.connection.lost("gone")
        assert client.connection.exhausted()

    def test_uses_the_window_of_the_moment(self) -> None:
        client = ClientEnd()
        stream = RecordingStream(client.connection, [])
        client.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 7)]))
        client.connection.open(stream)
        assert stream.send_window == 7

    def test_can_be_taken_back_before_anything_was_sent(self) -> None:
        client = ClientEnd()
        stream = RecordingStream(client.connection, [])
        client.connection.open(stream)
        stream.reset(ErrorCode.CANCEL)
        assert client.sent() == []
        assert client.connection.streams == {}


class TestAnswer:
    def test_is_head_data_trailers(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        events = client.feed(headers(1, block(*HEAD)), data(1, b"x"), headers(1, block(*LAST), end_stream=True))
        assert events == [
            ("head", 1, b"200", (HEAD[1],), False),
            ("data", 1, b"x", False),
            ("trailers", 1, TRAILERS),
        ]
        assert client.connection.streams == {}

    def test_may_be_its_head_alone(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        assert client.feed(headers(1, block(*HEAD, *LAST), end_stream=True)) == [("head", 1, b"200", (HEAD[1], *LAST), True)]

    def test_may_be_announced_by_informational_ones(self) -> None:
        """Section 8.1."""
        client = ClientEnd()
        client.call(end_stream=True)
        informational = headers(1, block((b":status", b"103"), (b"link", b"x")))
        assert client.feed(informational, informational, headers(1, block(*RESPONSE))) == [("head", 1, b"200", (), False)]

    @pytest.mark.parametrize(
        "frames",
        [
            [headers(1, block((b":status", b"100")), end_stream=True)],
            [headers(1, block(*RESPONSE)), headers(1, block(*RESPONSE))],
            [headers(1, block(*RESPONSE)), headers(1, block(*TRAILERS))],
            [headers(1, block(*RESPONSE)), headers(1, block(*RESPONSE), end_stream=True)],
            [headers(1, block((b":path", b"/")))],
            [headers(1, block((b"content-type", b"application/grpc")))],
        ],
    )
    def test_that_is_malformed_resets_its_stream(self, frames: list[bytes]) -> None:
        """Sections 8.1 and 8.3.2."""
        client = ClientEnd()
        client.call(end_stream=True)
        assert client.feed(*frames)[-1] == ("reset", 1, ErrorCode.PROTOCOL_ERROR)
        assert client.reset_with(1, ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize("stream_id", [0, 2, 1])
    def test_to_what_nobody_asked_ends_the_connection(self, stream_id: int) -> None:
        """Sections 5.1 and 6.2."""
        client = ClientEnd()
        client.feed(headers(stream_id, block(*RESPONSE)))
        assert client.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_after_its_end_ends_the_connection(self) -> None:
        """Section 5.1."""
        client = ClientEnd()
        client.call(end_stream=True)
        client.feed(headers(1, block(*RESPONSE), end_stream=True), headers(1, block(*RESPONSE)))
        assert client.failed_with(ErrorCode.STREAM_CLOSED)


class TestRecurringAnswer:
    """The short way through index bytes that were decoded and checked before has to mean the same as the long one."""

    def warmed(self, *sections: list[Field]) -> tuple[ClientEnd, Answering]:
        client = ClientEnd()
        server = Answering(client)
        server.warm(*sections)
        return client, server

    def test_is_head_data_trailers(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call(end_stream=True)
        events = client.feed(
            headers(stream.id, server.block(HEAD)), data(stream.id, b"x"), headers(stream.id, server.block(LAST), end_stream=True)
        )
        assert [event[0] for event in events] == ["head", "data", "trailers"]
        assert events[2] == ("trailers", stream.id, TRAILERS)
        assert client.connection.streams == {}

    def test_before_the_request_has_ended_leaves_it_half_closed(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call()
        client.feed(headers(stream.id, server.block(HEAD)), headers(stream.id, server.block(LAST), end_stream=True))
        assert stream.state == StreamState.HALF_CLOSED_REMOTE
        assert stream.id in client.connection.streams

    def test_that_ends_twice_resets_its_stream(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call()
        last = headers(stream.id, server.block(LAST), end_stream=True)
        events = client.feed(headers(stream.id, server.block(HEAD)), last, last)
        assert [event[0] for event in events] == ["head", "trailers", "reset"]
        assert client.reset_with(stream.id, ErrorCode.STREAM_CLOSED)

    def test_with_two_heads_resets_its_stream(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call(end_stream=True)
        head = headers(stream.id, server.block(HEAD))
        assert client.feed(head, head)[-1] == ("reset", stream.id, ErrorCode.PROTOCOL_ERROR)

    def test_with_trailers_for_its_head_resets_its_stream(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call(end_stream=True)
        assert client.feed(headers(stream.id, server.block(LAST), end_stream=True)) == [("reset", stream.id, ErrorCode.PROTOCOL_ERROR)]

    def test_with_trailers_that_do_not_end_it_resets_its_stream(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call(end_stream=True)
        assert client.feed(headers(stream.id, server.block(LAST)))[-1] == ("reset", stream.id, ErrorCode.PROTOCOL_ERROR)

    def test_with_a_head_for_its_trailers_resets_its_stream(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call(end_stream=True)
        events = client.feed(headers(stream.id, server.block(HEAD)), headers(stream.id, server.block(HEAD), end_stream=True))
        assert events[-1] == ("reset", stream.id, ErrorCode.PROTOCOL_ERROR)

    def test_that_is_its_head_alone(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        stream = client.call(end_stream=True)
        assert client.feed(headers(stream.id, server.block(HEAD), end_stream=True))[0][-1] is True
        assert client.connection.streams == {}

    def test_that_is_informational_is_not_the_answer(self) -> None:
        client, server = self.warmed([(b":status", b"103"), (b"link", b"x")])
        stream = client.call(end_stream=True)
        assert client.feed(headers(stream.id, server.block([(b":status", b"103"), (b"link", b"x")]))) == []
        assert not stream.head_seen

    def test_with_a_content_length_is_held_to_it(self) -> None:
        sized = [*HEAD, (b"content-length", b"3")]
        client, server = self.warmed(sized)
        stream = client.call(end_stream=True)
        client.feed(headers(stream.id, server.block(sized)))
        assert client.feed(headers(stream.id, server.block(LAST), end_stream=True)) == [("reset", stream.id, ErrorCode.PROTOCOL_ERROR)]

    def test_to_what_nobody_asked_ends_the_connection(self) -> None:
        client, server = self.warmed(HEAD, LAST)
        client.feed(headers(77, server.block(HEAD)))
        assert client.failed_with(ErrorCode.PROTOCOL_ERROR)

    def test_of_a_decoded_but_unchecked_block_is_checked(self) -> None:
        client = ClientEnd()
        client.call().reset(ErrorCode.CANCEL)
        client.feed(headers(1, b"\x88"))  # `:status: 200`, on a stream where nobody looks at it
        stream = client.call(end_stream=True)
        assert client.feed(headers(stream.id, b"\x88")) == [("head", 3, b"200", (), False)]


class TestGoingAway:
    def test_refuses_what_the_server_will_not_process_and_keeps_the_rest(self) -> None:
        client = ClientEnd()
        for _ in range(3):
            client.call(end_stream=True)
        assert client.feed(goaway(3, ErrorCode.NO_ERROR)) == [
            ("going away", "the peer is going away: NO_ERROR"),
            ("reset", 5, ErrorCode.REFUSED_STREAM),
        ]
        assert client.sent() == []
        assert client.feed(headers(3, block(*RESPONSE), end_stream=True)) == [("head", 3, b"200", (), True)]

    def test_in_two_steps_refuses_only_in_the_second(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        assert client.feed(goaway(MOST, ErrorCode.NO_ERROR)) == [("going away", "the peer is going away: NO_ERROR")]
        assert client.feed(goaway(0, ErrorCode.NO_ERROR))[-1] == ("reset", 1, ErrorCode.REFUSED_STREAM)

    def test_leaves_an_unheard_stream_to_the_end_of_the_connection(self) -> None:
        client = ClientEnd()
        client.call(end_stream=True)
        client.feed(goaway(1, ErrorCode.NO_ERROR))
        client.connection.lost("closed")
        assert client.owner.events[-1] == ("reset", 1, -1)


class TestLost:
    def waiting(self, client: ClientEnd, body: bytes) -> RecordingStream:
        """A request that was not taken to be sent."""
        stream = RecordingStream(client.connection, client.owner.events)
        client.connection.request(stream, REQUEST_TEMPLATE, b"", body)
        return stream

    def test_tells_apart_what_was_never_sent(self) -> None:
        client = ClientEnd()
        sent = client.call(end_stream=True)
        unsent = self.waiting(client, b"x")
        self.waiting(client, b"y").reset(ErrorCode.CANCEL)
        client.connection.lost("closed")
        assert client.owner.events[-2:] == [("reset", unsent.id, ErrorCode.REFUSED_STREAM), ("reset", sent.id, LOST)]
        assert not client.connection.streams

    def test_does_not_take_a_body_for_frames(self) -> None:
        client = ClientEnd()
        sent = client.call()
        client.connection.send_body(sent, frame(HEADERS, END_HEADERS, sent.id, b""), end_stream=True)
        unsent = self.waiting(client, frame(HEADERS, END_HEADERS, sent.id, b""))
        client.connection.lost("closed")
        assert client.owner.events[-2:] == [("reset", unsent.id, ErrorCode.REFUSED_STREAM), ("reset", sent.id, LOST)]

    def test_before_the_preface_has_left_it_has_sent_nothing(self) -> None:
        owner = RecordingOwner()
        connection = ClientConnection(owner)
        connection.begin()
        connection.lost("closed")
        assert owner.events == []


def test_a_head_is_sent_with_its_request() -> None:
    client = ClientEnd()
    stream = RecordingStream(client.connection, [])
    client.connection.open(stream)
    client.connection.send_whole(stream, client.connection.encode(REQUEST_TEMPLATE), b"x", None)
    assert [(each.kind, each.stream_id) for each in client.sent()] == [(HEADERS, 1), (0, 1)]
    assert stream.state == StreamState.HALF_CLOSED_LOCAL
    client.feed(frame(HEADERS, 0x5, 1, block(*RESPONSE)))
    assert stream.state == StreamState.CLOSED
