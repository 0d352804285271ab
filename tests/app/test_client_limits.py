"""The limits and policies that a service file sets to a target, as servers that others wrote and bare sockets find them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient, EchoServiceSyncClient

from tests.conformance.grpcio_peer import GrpcioEcho, grpcio_serving
from tests.echo_service import PATIENCE, Echo, serving
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath import App, CallOptions, Code, Context, Decision, Metadata, RpcError, connect, connect_sync
from towpath._app.settings.service_file import load
from towpath._core.decisions import rejection
from towpath._telemetry.metrics import CallMetrics
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import Setting
from towpath.settings import ChannelLimits, Resilience

PATIENT = CallOptions(timeout=PATIENCE)


@asynccontextmanager
async def client_of(address: str, folder: Path, text: str, told: list[Decision] | None = None) -> AsyncIterator[EchoServiceClient]:
    """A client of the target at `address`, whose table has the lines `text`."""
    path = folder / "towpath.toml"
    path.write_text(f'[targets.echo]\naddress = "{address}"\n{text}', encoding="utf-8")
    async with App(load(path, {}), on_decision=None if told is None else told.append) as app:
        yield EchoServiceClient(app.channel("echo"))


@pytest.mark.parametrize("text", ["message_limit = 1000", 'message_limit = 1000\nprotocol = "connect"\n'])
async def test_how_large_a_response_may_be_is_a_setting_in_every_protocol(text: str, tmp_path: Path) -> None:
    async with serving(Echo()) as server, client_of(server.address, tmp_path, text) as client:
        await client.say(pb.SayRequest(payload=bytes(900)), PATIENT)
        with pytest.raises(RpcError, match="larger than the limit of 1000 bytes") as caught:
            await client.say(pb.SayRequest(payload=bytes(1000)), PATIENT)
        assert caught.value.code is Code.RESOURCE_EXHAUSTED


async def test_without_it_the_limit_is_grpcs_and_a_larger_one_lets_more_through(tmp_path: Path) -> None:
    async with serving(Echo(), message_limit=1 << 30) as server:
        large = pb.SayRequest(payload=bytes(5_000_000))
        async with client_of(server.address, tmp_path, "") as client:
            with pytest.raises(RpcError, match="larger than the limit of 4194304 bytes"):
                await client.say(large, PATIENT)
        async with client_of(server.address, tmp_path, "message_limit = 10000000") as client:
            assert len((await client.say(large, PATIENT)).payload) == 5_000_000


@pytest.mark.parametrize(("text", "passes"), [("", True), ("header_limit = 4096", False)])
async def test_how_large_the_header_fields_of_a_response_may_be_is_a_setting(text: str, passes: bool, tmp_path: Path) -> None:
    async with grpcio_serving(GrpcioEcho()) as address, client_of(address, tmp_path, text) as client:
        metadata = Metadata([("head-x", "y" * 5000)])
        call = client.say(pb.SayRequest(id="a"), CallOptions(timeout=PATIENCE, metadata=metadata))
        if passes:
            assert (await call).id == "a"
        else:
            with pytest.raises(RpcError):
                await call
        assert (await client.say(pb.SayRequest(id="b"), PATIENT)).id == "b"


async def test_the_limits_of_http2_are_in_the_settings_that_a_server_gets(tmp_path: Path) -> None:
    seen: asyncio.Future[tuple[bytes, list[bytes]]] = asyncio.get_running_loop().create_future()

    async def server(peer: RawPeer) -> None:
        await http2_preface(peer)
        settings = (await peer.until(frames.SETTINGS))[3]
        updates = [frame[3] for frame in await peer.until_silent_with(b"settings") if frame[0] == frames.WINDOW_UPDATE]
        seen.set_result((settings, updates))

    text = "header_limit = 5000\nhttp2 = { stream_window = 70000, connection_window = 100000, max_frame_size = 20000 }"
    async with raw_server(server) as address, client_of(address, tmp_path, text) as client:
        with pytest.raises(RpcError):
            await client.say(pb.SayRequest(), PATIENT)
    pairs, updates = seen.result()
    settings = {int.from_bytes(pairs[at : at + 2]): int.from_bytes(pairs[at + 2 : at + 6]) for at in range(0, len(pairs), 6)}
    assert settings[Setting.INITIAL_WINDOW_SIZE] == 70_000
    assert settings[Setting.MAX_FRAME_SIZE] == 20_000
    assert settings[Setting.MAX_HEADER_LIST_SIZE] == 5000
    assert [int.from_bytes(update) for update in updates] == [100_000 - 65_535]


@pytest.mark.parametrize(("text", "encoding"), [("", b"identity"), ('compression = "off"', b"identity"), ('compression = "gzip"', b"gzip")])
async def test_requests_are_compressed_if_the_target_says_so(text: str, encoding: bytes, tmp_path: Path) -> None:
    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def server(peer: RawPeer) -> None:
        await http2_preface(peer)
        seen.set_result(peer.fields(await peer.until(frames.HEADERS)).get(b"grpc-encoding", b"identity"))

    async with raw_server(server) as address, client_of(address, tmp_path, text) as client:
        with pytest.raises(RpcError):
            await client.say(pb.SayRequest(tags=["x" * 1000]), PATIENT)
    assert seen.result() == encoding


async def test_a_client_that_is_made_in_code_takes_the_same_limits() -> None:
    limits = ChannelLimits(message_limit=100, compression="gzip")
    async with serving(Echo()) as server, connect(server.address, limits=limits, metrics=CallMetrics()) as channel:
        with pytest.raises(RpcError, match="larger than the limit of 100 bytes"):
            await EchoServiceClient(channel).say(pb.SayRequest(payload=bytes(200)), PATIENT)


class Faulty(Echo):
    """Has a bug."""

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self.seen["say"] += 1
        raise RpcError(Code.INTERNAL, "a bug")


@pytest.mark.parametrize(
    ("text", "fewest", "most"),
    [
        ('breaker = { failures = 1, min_open = "3600s", max_open = "3600s" }', 1, 1),
        ('breaker = { failures = 8, min_calls = 1000, min_open = "3600s", max_open = "3600s" }', 8, 8),
        ('breaker = { mode = "shadow", failures = 1 }', 20, 200),
        ('breaker = "off"', 20, 200),
    ],
)
async def test_after_how_many_failures_an_endpoint_is_left_alone_is_a_setting(text: str, fewest: int, most: int, tmp_path: Path) -> None:
    faulty, ended = Faulty(), Counter[str]()
    async with serving(Echo()) as well, serving(faulty) as ill:
        target = f"static:///{well.address},{ill.address}"
        async with client_of(target, tmp_path, f'{text}\nbalancer = "round_robin"\nslow_start = "0.001s"') as client:
            for _ in range(200):
                try:
                    await client.say(pb.SayRequest(), PATIENT)
                    ended["well"] += 1
                except RpcError as error:
                    ended[error.code.name] += 1
    assert fewest <= faulty.seen["say"] <= most
    assert ended == {"well": 200 - faulty.seen["say"], "INTERNAL": faulty.seen["say"]}


class Overloaded(Echo):
    """Sheds all calls."""

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        raise rejection(Code.RESOURCE_EXHAUSTED, SAY, role="admission", reason="QUEUE_FULL", why="enough")


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("", set()),
        ("throttle = { min_calls = 2 }", {("TOO_FEW_ACCEPTED", False)}),
        ('throttle = { mode = "shadow", min_calls = 2 }', {("TOO_FEW_ACCEPTED", True)}),
        ('throttle = { mode = "off", min_calls = 2 }', set()),
        ("throttle = { min_calls = 2, max_share = 0.001 }", set()),
    ],
)
async def test_when_a_client_holds_back_is_a_setting(text: str, reasons: set[tuple[str, bool]], tmp_path: Path) -> None:
    told: list[Decision] = []
    async with serving(Overloaded()) as server, client_of(server.address, tmp_path, text, told) as client:
        for _ in range(19):
            with pytest.raises(RpcError):
                await client.say(pb.SayRequest(), PATIENT)
    found = {(decision.reason, decision.shadow) for decision in told if decision.role == "throttle"}
    assert found <= reasons if "0.001" in text else found == reasons


async def test_a_client_without_asyncio_takes_the_same_limits_and_policies() -> None:
    def call(address: str) -> None:
        limits, resilience = ChannelLimits(message_limit=100), Resilience(throttle="off")
        with (
            connect_sync(address, limits=limits, resilience=resilience, metrics=CallMetrics()) as channel,
            pytest.raises(RpcError, match="larger than the limit of 100 bytes"),
        ):
            EchoServiceSyncClient(channel).say(pb.SayRequest(payload=bytes(200)), PATIENT)

    async with serving(Echo()) as server:
        await asyncio.to_thread(call, server.address)
