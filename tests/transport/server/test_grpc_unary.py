"""One call on the server, played frame by frame: requests cut anywhere, deadlines, cancellation, and requests that are none."""

import asyncio

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo, request_of_size, serving, turn_until
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._core.context import CallOptions, Context, Criticality
from towpath._core.deadline import DeadlineWheel, Expirable, Slot
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._layers import Deadline
from towpath._transport import Channel, Server
from towpath._transport.server import unfinished_stream
from towpath._wire.grpc.framing import PREFIX_SIZE
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import ErrorCode, Limits, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

PATIENT = CallOptions(timeout=PATIENCE)
SLEEP = pb.SleepRequest(seconds=FOREVER).SerializeToString()


async def status_of(peer: RawPeer, stream_id: int) -> tuple[int, str]:
    """The status that a call ends with, as trailers or as trailers alone."""
    while True:
        head = await peer.until(frames.HEADERS)
        fields = peer.fields(head)
        if head[2] == stream_id and head[1] & END_STREAM:
            return int(fields[b"grpc-status"]), fields.get(b"grpc-message", b"").decode()


class Wheel(DeadlineWheel):
    """Tells what is still on it."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.given: list[Slot] = []

    def add(self, deadline: float, item: Expirable) -> Slot:
        slot = super().add(deadline, item)
        self.given.append(slot)
        return slot

    def items(self) -> list[Expirable]:
        return [item for slot in self.given for item in slot]


async def give_wheel(server: Server, peer: RawPeer) -> Wheel:
    """A wheel of its own for the connection of `peer`, which has not called yet."""
    await peer.until(frames.SETTINGS)
    (link,) = server.links
    wheel = link.wheel = Wheel()
    return wheel


async def test_a_request_may_come_in_any_number_of_pieces() -> None:
    body = message_frame(pb.SayRequest(id="abc", payload=bytes(50)).SerializeToString())
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        for number, size in enumerate((1, 2, 4, 5, 6, 13, len(body) - 1, len(body))):
            stream_id = 2 * number + 1
            peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(b"Say"))
            for start in range(0, len(body), size):
                peer.send(frames.DATA, END_STREAM if start + size >= len(body) else 0, stream_id, body[start : start + size])
            assert await status_of(peer, stream_id) == (0, "")


async def test_the_end_may_come_apart_from_the_message() -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        peer.send(frames.DATA, 0, 1, message_frame(b""))
        peer.send(frames.DATA, END_STREAM, 1)
        assert await status_of(peer, 1) == (0, "")
        peer.send(frames.HEADERS, END_HEADERS, 3, request_head(b"Say"))
        peer.send(frames.DATA, 0, 3, message_frame(b""))
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 3)
        assert await status_of(peer, 3) == (0, "")


@pytest.mark.parametrize("body", [None, b"", b"\0", message_frame(b"x")[:-1], message_frame(b"") * 2, message_frame(b"") + b"\0"])
async def test_anything_but_one_message_is_internal(body: bytes | None) -> None:
    echo = Echo()
    async with serving(echo) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS | (END_STREAM if body is None else 0), 1, request_head(b"Say"))
        if body is not None:
            peer.send(frames.DATA, END_STREAM, 1, body)
        code, message = await status_of(peer, 1)
        assert (code, message) == (Code.INTERNAL, "echo.v1.EchoService/Say takes exactly one message, whole")
        assert echo.seen["say"] == 0
        peer.call(3, b"Say", b"")
        assert await status_of(peer, 3) == (0, "")


async def test_a_client_that_goes_on_after_its_message_is_stopped_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what it goes on to send would gather without a bound."""
    monkeypatch.setattr(unfinished_stream, "_LINGER", 0.0)
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        peer.send(frames.DATA, 0, 1, message_frame(b"") + bytes(1000))
        assert (await status_of(peer, 1))[0] == Code.INTERNAL
        _, _, _, code = await peer.until(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == ErrorCode.NO_ERROR
        peer.send(frames.DATA, 0, 1, bytes(1000))
        assert await peer.until_silent_with(b"stop-it!") == []


async def test_a_message_that_announces_too_much_is_refused_before_it_has_come() -> None:
    async with serving(Echo(), message_limit=100) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))
        peer.send(frames.DATA, 0, 1, b"\0\0\0\0\x65")
        assert await status_of(peer, 1) == (Code.RESOURCE_EXHAUSTED, "a message is larger than the limit of 100 bytes")
        peer.call(3, b"Say", pb.SayRequest(id="x" * 98).SerializeToString())
        assert await status_of(peer, 3) == (0, "")


@pytest.mark.parametrize("header", [b"soon", b"1", b"123456789S", b"-1S"])
async def test_a_malformed_timeout_is_refused_by_name(header: bytes) -> None:
    echo = Echo()
    async with serving(echo) as server, raw_client(server.address) as peer:
        peer.call(1, b"Say", b"", (b"grpc-timeout", header))
        code, message = await status_of(peer, 1)
        assert code == Code.INVALID_ARGUMENT
        assert message.startswith(f"grpc-timeout b'{header.decode()}' is not up to eight digits")
        assert echo.seen["say"] == 0


async def test_an_expired_deadline_never_starts_the_handler() -> None:
    echo = Echo()
    async with serving(echo, layers=[Deadline("server")]) as server, raw_client(server.address) as peer:
        peer.call(1, b"Say", b"", (b"grpc-timeout", b"0n"))
        code, message = await status_of(peer, 1)
        assert (code, echo.seen["say"]) == (Code.DEADLINE_EXCEEDED, 0)
        assert "it was not started" in message


async def test_a_deadline_ends_the_call_for_the_client_and_the_handler() -> None:
    echo = Echo()
    async with serving(echo) as server, raw_client(server.address) as peer:
        streams = iter(range(1, 100, 2))

        async def attempt(seconds: float) -> None:
            stream = next(streams)
            peer.call(stream, b"Sleep", SLEEP, (b"grpc-timeout", b"%dm" % (seconds * 1000)))
            code = Code.DEADLINE_EXCEEDED, "echo.v1.EchoService/Sleep did not finish within its deadline"
            assert await status_of(peer, stream) == code

        await missed(attempt, lambda: echo.seen["sleep"])
        await echo.until(lambda: echo.seen["cancelled"] == 1)
        (link,) = server.links
        assert not link.connection.streams


@pytest.mark.parametrize("body", [b"", message_frame(b"abc")[:-1]])
async def test_a_deadline_ends_a_call_whose_request_never_comes_whole(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_stream, "_LINGER", 1e6)  # a busy machine may need more than the two seconds
    echo = Echo()
    async with serving(echo) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"grpc-timeout", b"50m")))
        peer.send(frames.DATA, 0, 1, body)
        assert await status_of(peer, 1) == (Code.DEADLINE_EXCEEDED, "echo.v1.EchoService/Say did not finish within its deadline")
        peer.send(frames.RST_STREAM, 0, 1, bytes(4))
        assert await peer.until_silent_with(b"all read") == []
        (link,) = server.links
        assert (link.connection.streams, echo.seen["say"]) == ({}, 0)


async def test_a_deadline_ends_a_call_whose_answer_finds_no_room() -> None:
    echo = Echo()
    no_room = [(frames.Setting.INITIAL_WINDOW_SIZE, 10)]
    async with serving(echo) as server, raw_client(server.address, no_room) as peer:
        peer.call(1, b"Say", pb.SayRequest(id="a" * 100).SerializeToString(), (b"grpc-timeout", b"50m"))
        _, _, _, code = await peer.until(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == ErrorCode.CANCEL
        (link,) = server.links
        assert (link.connection.streams, echo.seen["say"]) == ({}, 1)


async def test_an_answer_that_finds_room_in_time_leaves_no_deadline_behind() -> None:
    no_room = [(frames.Setting.INITIAL_WINDOW_SIZE, 10)]
    async with serving(Echo()) as server, raw_client(server.address, no_room) as peer:
        wheel = await give_wheel(server, peer)
        peer.call(1, b"Say", pb.SayRequest(id="a" * 100).SerializeToString(), (b"grpc-timeout", b"1H"))
        await peer.until(frames.DATA, 1)
        assert wheel.items()
        peer.writer.write(frames.window_update(1, 1000))
        assert await status_of(peer, 1) == (0, "")
        assert not wheel.items()


@pytest.mark.parametrize("end", [frames.rst_stream(1, ErrorCode.CANCEL), frames.frame(frames.DATA, END_STREAM, 1, b"nonsense")])
async def test_a_request_that_ends_before_its_handler_starts_leaves_no_deadline_behind(end: bytes) -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        wheel = await give_wheel(server, peer)
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"grpc-timeout", b"1H")))
        await peer.until_silent_with(b"head in?")
        assert wheel.items()
        peer.writer.write(end)
        await peer.until_silent_with(b"end read")
        assert not wheel.items()


async def test_a_reset_cancels_the_handler_and_answers_nothing() -> None:
    echo = Echo()
    async with serving(echo) as server, raw_client(server.address) as peer:
        peer.call(1, b"Sleep", SLEEP)
        await echo.until(lambda: echo.seen["sleep"] == 1)
        peer.writer.write(frames.rst_stream(1, ErrorCode.CANCEL))
        await echo.until(lambda: echo.seen["cancelled"] == 1)
        assert [frame for frame in await peer.until_silent_with(b"anybody?") if frame[2] == 1] == []


async def test_a_request_reset_in_the_same_read_leaves_nothing_behind() -> None:
    """Its task ends before its first step, so nothing in it can clean up."""
    echo = Echo()
    async with serving(echo) as server, raw_client(server.address) as peer:
        wheel = await give_wheel(server, peer)
        for number in range(50):
            peer.call(2 * number + 1, b"Sleep", SLEEP, (b"grpc-timeout", b"1H"))
            peer.writer.write(frames.rst_stream(2 * number + 1, ErrorCode.CANCEL))
        await peer.until_silent_with(b"all read")
        (link,) = server.links
        await turn_until(lambda: not link.calls)
        assert not link.connection.streams
        assert len(wheel.given) == 50
        assert not wheel.items()


async def test_a_request_in_no_known_protocol_gets_http_415() -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say", (b"content-type", b"text/html")))
        assert peer.fields(await peer.until(frames.HEADERS))[b":status"] == b"415"
        peer.send(frames.DATA, END_STREAM, 1, b"{}")
        peer.call(3, b"Say", b"")
        assert await status_of(peer, 3) == (0, "")


async def test_data_for_a_refused_call_are_taken_and_forgotten() -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Shout"))
        assert (await status_of(peer, 1))[0] == Code.UNIMPLEMENTED
        for _ in range(10):
            peer.send(frames.DATA, 0, 1, bytes(10_000))
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1)
        peer.call(3, b"Say", b"")
        assert await status_of(peer, 3) == (0, "")


async def test_answers_wait_for_the_clients_window_and_do_not_starve_each_other() -> None:
    async with serving(Echo()) as server, Channel(server.address, limits=Limits(stream_window=65_535, connection_window=65_535)) as channel:
        client = EchoServiceClient(channel)
        large = [asyncio.create_task(client.say(request_of_size(2_000_000), PATIENT)) for _ in range(3)]
        small = await asyncio.gather(*(client.say(pb.SayRequest(n=n), PATIENT) for n in range(50)))
        assert [answer.n for answer in small] == list(range(50))
        assert [len((await one).payload) for one in large] == [2_000_000 - 16] * 3


async def test_requests_wait_for_the_servers_window_and_do_not_starve_each_other() -> None:
    limits = Limits(stream_window=65_535, connection_window=65_535)
    async with serving(Echo(), limits=limits) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        large = [asyncio.create_task(client.say(request_of_size(2_000_000), PATIENT)) for _ in range(3)]
        small = await asyncio.gather(*(client.say(pb.SayRequest(n=n), PATIENT) for n in range(50)))
        assert [answer.n for answer in small] == list(range(50))
        assert [len((await one).payload) for one in large] == [2_000_000 - 16] * 3


async def test_the_context_crosses_the_wire() -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        options = CallOptions(timeout=1000, tenant="acme", metadata=[("x-a", "1"), ("x-b-bin", b"\xff")])
        seen = await EchoServiceClient(channel).inspect(pb.InspectRequest(), options)
        (link,) = server.links
        assert 900 < seen.remaining <= 1000.01
        assert (seen.tenant, seen.criticality, seen.peer) == ("acme", Criticality.CRITICAL_PLUS.name, link.peer)
        assert [(entry.key, entry.value) for entry in seen.metadata] == [("x-a", "1"), ("x-b-bin", "ff")]


@pytest.mark.parametrize("criticality", list(Criticality))
async def test_the_criticality_of_a_call_crosses_the_wire(criticality: Criticality) -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        seen = await EchoServiceClient(channel).inspect(pb.InspectRequest(), CallOptions(criticality=criticality))
    assert seen.criticality == criticality.name


@pytest.mark.parametrize("level", ["", "VITAL"])
async def test_a_call_that_names_no_known_criticality_has_the_contracts(level: str) -> None:
    async with serving(Echo()) as server, raw_client(server.address) as peer:
        named = [(b"towpath-criticality", level.encode())] if level else []
        peer.call(1, b"Inspect", b"", *named)
        _, _, _, body = await peer.until(frames.DATA, 1)
        assert pb.InspectResponse.FromString(body[PREFIX_SIZE:]).criticality == Criticality.CRITICAL_PLUS.name


async def test_trailers_that_a_gateway_passes_on_as_they_came_go_along_with_an_error() -> None:
    """Latin-1, which an application may not set and a peer may send."""

    class Gateway(Echo):
        async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            ctx.reply.trailers = Metadata.received((("x-town", "Orl\xe9ans"),))
            raise RpcError(Code.NOT_FOUND, "no such town")

    async with serving(Gateway()) as server, Channel(server.address) as channel:
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=PATIENCE))
    assert caught.value.code is Code.NOT_FOUND
    assert list(caught.value.metadata) == [("x-town", "Orl\xe9ans")]


async def test_trailers_set_before_an_error_go_along_with_its_own() -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).fail(
                pb.FailRequest(code=9), CallOptions(timeout=PATIENCE, metadata=[("trail-x", "1"), ("trail-y-bin", b"\0")])
            )
    assert list(caught.value.metadata) == [("trail-x", "1"), ("trail-y-bin", b"\0")]
