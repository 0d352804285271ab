"""The test contract's service as the tests of the golden path need it: Echo answers itself, Relay asks another Echo."""

import asyncio

from echo.v1.echo_pb2 import (
    FailRequest,
    FailResponse,
    InspectRequest,
    InspectResponse,
    SayRequest,
    SayResponse,
    SleepRequest,
    SleepResponse,
)
from echo.v1.echo_towpath import EchoService, EchoServiceClient

from towpath import Code, Context, RpcError


class Echo(EchoService):
    def __init__(self) -> None:
        self.sleeping = asyncio.Event()
        self.ended: list[str] = []

    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        return SayResponse(id=request.id, n=request.n, text=",".join(request.tags), payload=request.payload)

    async def fail(self, request: FailRequest, ctx: Context) -> FailResponse:
        if request.code == 0:
            raise ValueError(request.message)
        raise RpcError(Code(request.code), request.message)

    async def sleep(self, request: SleepRequest, ctx: Context) -> SleepResponse:
        self.sleeping.set()
        try:
            await asyncio.sleep(request.seconds)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("answered")
        return SleepResponse()

    async def inspect(self, request: InspectRequest, ctx: Context) -> InspectResponse:
        return InspectResponse(
            remaining=ctx.remaining(),
            criticality=ctx.criticality.name,
            tenant=ctx.tenant,
            request_id=ctx.request_id,
            trace_id=ctx.trace.trace_id,
            parent_id=ctx.trace.parent_id,
            peer=ctx.peer,
            metadata=[{"key": key, "value": str(value)} for key, value in ctx.metadata],
        )


class Relay(Echo):
    """Passes `Inspect` and `Say` on, with nothing said about the call: what arrives was inherited."""

    def __init__(self, echo: EchoServiceClient) -> None:
        super().__init__()
        self.echo = echo
        self.span_ids: list[str] = []

    async def inspect(self, request: InspectRequest, ctx: Context) -> InspectResponse:
        self.span_ids.append(ctx.trace.span_id)
        return await asyncio.create_task(self.echo.inspect(request))

    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        return await self.echo.say(request)
