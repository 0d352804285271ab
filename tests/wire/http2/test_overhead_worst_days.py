"""The worst days of real clients and servers, all at once: none is cut off by the default limits. `docs/howto/floods.md` lists them.

Time stands still, but where a day says that it passes: nothing comes back to the buckets that was not earned.
"""

from collections.abc import Callable

import pytest

from tests.wire.http2.recording import (
    REQUEST,
    REQUEST_TEMPLATE,
    RESPONSE,
    RESPONSE_TEMPLATE,
    TRAILERS,
    TRAILERS_TEMPLATE,
    ClientEnd,
    RecordingStream,
    ServerEnd,
    block,
    data,
    headers,
)
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import ACK, PING, PRIORITY, Setting, frame, rst_stream, settings, window_update
from towpath._wire.http2.states import ConnectionState

pytestmark = pytest.mark.untraced

MANY = 10_000
HEAD = block(*REQUEST)
PROBE = frame(PING, 0, 0, b"bdp ping")
IDS = range(1, 2 * MANY, 2)


def open_call(server: ServerEnd, stream_id: int) -> RecordingStream:
    server.feed(headers(stream_id, HEAD, end_stream=True))
    return server.owner.streams[-1]


def answer(server: ServerEnd, stream: RecordingStream, body: bytes = b"hello") -> None:
    server.connection.send_whole(stream, server.connection.encode(RESPONSE_TEMPLATE), body, TRAILERS_TEMPLATE)
    server.connection.take()


def download(server: ServerEnd) -> RecordingStream:
    """A stream whose response has begun."""
    stream = open_call(server, 1)
    server.connection.send_head(stream, server.connection.encode(RESPONSE_TEMPLATE), end_stream=False)
    return stream


def ten_thousand_streams(server: ServerEnd) -> None:
    for first in range(0, MANY - 255, 256):
        streams = [open_call(server, stream_id) for stream_id in IDS[first : first + 256]]
        for stream in streams:
            answer(server, stream)


def h2load(server: ServerEnd) -> None:
    server.feed(settings([(Setting.INITIAL_WINDOW_SIZE, 2**30 - 1)]), window_update(0, 2**30 - 1 - 65_535))
    server.feed(*[headers(stream_id, HEAD, end_stream=True) for stream_id in IDS[:1000]])  # more than may be open
    for stream in list(server.owner.streams):
        answer(server, stream)


def bdp_pings(server: ServerEnd) -> None:
    stream = download(server)
    for _ in range(MANY):
        server.connection.send_piece(stream, b"tiny")
        server.feed(window_update(0, 4), PROBE, window_update(1, 4))


def autotuned_windows(server: ServerEnd) -> None:
    stream = download(server)
    server.feed(window_update(0, 1 << 30), window_update(1, 1 << 30))
    for size in range(MANY):
        server.connection.send_body(stream, bytes(16_384), end_stream=False)
        server.feed(PROBE, settings([(Setting.INITIAL_WINDOW_SIZE, 65_535 + size)]), window_update(0, 16_384))
        server.connection.take()


def two_updates_a_frame(server: ServerEnd) -> None:
    stream = download(server)
    for _ in range(MANY // 96):
        for _ in range(96):  # which the server writes together, and the client answers together
            server.connection.send_piece(stream, b"a small message")
        server.feed((window_update(1, 15) + window_update(0, 15)) * 96)


def priorities(server: ServerEnd) -> None:
    server.feed(*[frame(PRIORITY, 0, idle, bytes(4) + b"\xc8") for idle in (3, 5, 7, 9, 11)])
    for stream_id in IDS[6:]:
        stream = open_call(server, stream_id)
        server.feed(frame(PRIORITY, 0, stream_id, bytes(4) + b"\x0f"), frame(0x10, 0, 0, b"u=1, i"), frame(0x0B, 0, 0, b"grease"))
        answer(server, stream)


def keepalive_for_a_day(server: ServerEnd) -> None:
    for _ in range(24 * 3600):
        server.owner.time += 1.0
        server.feed(PROBE)


def one_request_a_connection(server: ServerEnd) -> None:
    server.feed(window_update(0, 2**31 - 1 - 65_535), settings([(Setting.ENABLE_PUSH, 0)]))
    for stream_id in IDS[:1000]:
        stream = open_call(server, stream_id)
        server.feed(window_update(stream_id, 4096))
        answer(server, stream)
        server.feed(rst_stream(stream_id, ErrorCode.NO_ERROR))


def deadline_storm(server: ServerEnd) -> None:
    for first in range(0, MANY - 255, 256):
        ids = IDS[first : first + 256]
        server.feed(*[headers(stream_id, HEAD, end_stream=True) for stream_id in ids])
        server.owner.time += 0.1
        server.feed(*[rst_stream(stream_id, ErrorCode.CANCEL) for stream_id in ids])


def hedging(server: ServerEnd) -> None:
    for stream_id in IDS[::2]:
        stream = open_call(server, stream_id)
        server.feed(headers(stream_id + 2, HEAD, end_stream=True), rst_stream(stream_id + 2, ErrorCode.CANCEL))
        answer(server, stream)
        server.feed(rst_stream(stream_id, ErrorCode.CANCEL))  # behind the answer


def calls_ahead_of_the_settings(server: ServerEnd) -> None:
    server.feed(*[headers(stream_id, HEAD, end_stream=True) for stream_id in IDS[: MANY - 1]])


def method_that_is_not_there(server: ServerEnd) -> None:
    for _ in range(60):
        server.owner.time += 1.0
        for _ in range(1000):
            server.connection.last_peer_stream += 2
            server.connection.count_unwanted()


def separators(server: ServerEnd) -> None:
    server.owner.consuming = True
    server.feed(headers(1, HEAD))
    server.feed(*[data(1, b'{"item": 1}') + data(1, b",") for _ in range(MANY * 2)], data(1, b"", end_stream=True))


def upload_that_was_refused(server: ServerEnd) -> None:
    server.feed(headers(1, HEAD))
    server.owner.streams[-1].reset(ErrorCode.CANCEL)
    server.feed(*[data(1, bytes(16_384)) for _ in range(256)], headers(1, block((b"x", b"y")), end_stream=True))


CLIENTS: dict[str, Callable[[ServerEnd], None]] = {
    "10,000 streams of one client": ten_thousand_streams,
    "h2load -m 1000": h2load,
    "gRPC for Go": bdp_pings,
    "gRPC for Java, C-core": autotuned_windows,
    "gRPC for Dart": two_updates_a_frame,
    "Firefox, Chrome": priorities,
    "Envoy": keepalive_for_a_day,
    "nginx": one_request_a_connection,
    "a deadline storm": deadline_storm,
    "hedging": hedging,
    "hyper": calls_ahead_of_the_settings,
    "a newer client": method_that_is_not_there,
    "Node": separators,
    "an upload that was refused": upload_that_was_refused,
}


def upload_to_go(client: ClientEnd) -> None:
    client.feed(window_update(0, 1 << 20))
    stream = client.call()
    for _ in range(MANY):
        client.connection.send_piece(stream, b"x")
        client.feed(PROBE, window_update(0, 1), window_update(1, 1))


def early_hints(client: ClientEnd) -> None:
    for stream_id in IDS:
        client.connection.request(RecordingStream(client.connection, client.owner.events), REQUEST_TEMPLATE, b"", b"")
        client.feed(headers(stream_id, block((b":status", b"103"))) * 3)
        client.feed(headers(stream_id, block(*RESPONSE)), headers(stream_id, block(*TRAILERS), end_stream=True))


def shutdown(client: ClientEnd) -> None:
    client.call()
    client.feed(frames.goaway(frames.MAX_STREAM_ID, 0), PROBE, frames.goaway(1, 0))


def download_that_was_cancelled(client: ClientEnd) -> None:
    stream = client.call()
    client.feed(headers(1, block(*RESPONSE)))
    stream.reset(ErrorCode.CANCEL)
    client.feed(*[data(1, b"a small message") for _ in range(2 * MANY)], headers(1, block(*TRAILERS), end_stream=True))


SERVERS: dict[str, Callable[[ClientEnd], None]] = {
    "an upload to gRPC for Go": upload_to_go,
    "three early hints for each call": early_hints,
    "a shutdown": shutdown,
    "a download that was cancelled": download_that_was_cancelled,
}


@pytest.mark.parametrize("day", CLIENTS)
def test_no_client_is_cut_off(day: str) -> None:
    server = ServerEnd()
    CLIENTS[day](server)
    assert server.connection.state is ConnectionState.OPEN, server.owner.reasons
    server.feed(frame(PING, ACK, 0, bytes(8)))
    assert server.owner.reasons == []


@pytest.mark.parametrize("day", SERVERS)
def test_no_server_is_cut_off(day: str) -> None:
    client = ClientEnd()
    SERVERS[day](client)
    assert client.connection.state is not ConnectionState.CLOSED, client.owner.reasons
    assert client.owner.reasons == []
