"""The gate: a call may be refused as it arrives, before it costs anything."""

from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo

from tests.echo_service import PATIENCE, Echo
from towpath.core.context import CallOptions, Context
from towpath.core.errors import Code, RpcError
from towpath.core.service import Gate, Handler, MethodSpec
from towpath.transport import Channel, Server

PATIENT = CallOptions(timeout=PATIENCE)


class Closed:
    """A layer whose gate gives `errors`, one after the other and then again; None lets in."""

    role = "closed"

    def __init__(self, *errors: RpcError | None) -> None:
        self.errors = errors
        self.asked: list[Context] = []

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        return following

    def gate(self, method: MethodSpec[Any, Any]) -> Gate | None:
        return self._ask if method is SAY else None

    def _ask(self, ctx: Context) -> RpcError | None:
        self.asked.append(ctx)
        return self.errors[(len(self.asked) - 1) % len(self.errors)]


async def test_whom_the_gate_refuses_gets_its_error_whole_and_the_others_are_served() -> None:
    refusal = RpcError(Code.RESOURCE_EXHAUSTED, "not now", [ErrorInfo(reason="FULL", domain="towpath")])
    refusal.pushback = 0.25
    closed = Closed(refusal, None)
    server = Server([Echo()], layers=[closed])
    await server.start()
    try:
        async with Channel(server.address) as channel:
            client = EchoServiceClient(channel)
            for _ in range(2):
                with pytest.raises(RpcError) as caught:
                    await client.say(pb.SayRequest(), PATIENT)
                assert (caught.value.code, caught.value.message, caught.value.pushback) == (Code.RESOURCE_EXHAUSTED, "not now", 0.25)
                assert caught.value.details == refusal.details
                assert (await client.say(pb.SayRequest(n=1), PATIENT)).n == 1
            assert all(ctx.arrived > 0 for ctx in closed.asked)
    finally:
        await server.close()


async def test_any_number_of_different_refusals_is_told() -> None:
    closed = Closed(*(RpcError(Code.RESOURCE_EXHAUSTED, str(n)) for n in range(20)))
    server = Server([Echo()], layers=[closed])
    await server.start()
    try:
        async with Channel(server.address) as channel:
            client = EchoServiceClient(channel)
            for n in range(20):
                with pytest.raises(RpcError, match=f"EXHAUSTED: {n}$"):
                    await client.say(pb.SayRequest(), PATIENT)
    finally:
        await server.close()
