"""The longest timeout that a caller gets, whatever it asks for."""

from dataclasses import replace
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, Echo, serving
from tests.stream_service import Streams
from towpath._core.context import CallOptions, Context
from towpath._core.decisions import Decision
from towpath._core.service import MethodKind, MethodSpec
from towpath._transport import Channel, ChannelOptions
from towpath._transport.server.call import TIMEOUT_CAPPED
from towpath._transport.server.method_route import max_timeout_of

LONG = 99_999_999 * 3600.0


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
async def test_no_caller_gets_more_than_the_server_gives(protocol: str) -> None:
    decisions: list[Decision] = []
    async with (
        serving(Echo(), max_timeout=PATIENCE, signal=decisions.append) as server,
        Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        client = EchoServiceClient(channel)
        assert (await client.inspect(pb.InspectRequest(), CallOptions(timeout=LONG))).remaining <= PATIENCE
        (decision,) = decisions
        assert (decision.reason, decision.rejected, decision.method) == (TIMEOUT_CAPPED, False, "echo.v1.EchoService/Inspect")
        assert decision.ctx is not None
        assert (await client.inspect(pb.InspectRequest(), CallOptions(timeout=PATIENCE / 2))).remaining <= PATIENCE / 2
        assert len(decisions) == 1


async def test_a_stream_lasts_as_long_as_its_caller_says() -> None:
    seen: list[float | None] = []

    class Timed(Streams):
        async def collect(self, requests: Any, ctx: Context) -> stream_pb2.CollectResponse:
            seen.append(ctx.remaining())
            return await super().collect(requests, ctx)

    async with serving(Timed(), max_timeout=1.0) as server, Channel(server.address) as channel:
        for options in (CallOptions(timeout=LONG), None):
            async with StreamServiceClient(channel).collect(options=options) as call:
                await call.send(stream_pb2.CollectRequest())
                await call.half_close()
                assert (await call).count == 1
    assert seen[0] is not None
    assert seen[0] > 1e6
    assert seen[1] is None


@pytest.mark.parametrize(
    ("kind", "declared", "setting", "most"),
    [
        (MethodKind.UNARY, 5.0, "contract", 5.0),
        (MethodKind.UNARY, None, "contract", None),
        (MethodKind.BIDI_STREAMING, 5.0, "contract", 5.0),
        (MethodKind.UNARY, 5.0, 60.0, 60.0),
        (MethodKind.UNARY, None, 60.0, 60.0),
        (MethodKind.SERVER_STREAMING, 5.0, 60.0, None),
        (MethodKind.UNARY, 5.0, None, None),
    ],
)
def test_a_contract_knows_best(kind: MethodKind, declared: float | None, setting: Any, most: float | None) -> None:
    (method, *_) = Echo.spec.methods
    spec: MethodSpec[Any, Any] = replace(method, kind=kind, timeout=declared)
    assert max_timeout_of(spec, setting) == most
