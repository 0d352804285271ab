"""The implementations of `echo.v1.EchoService` that tests call over every transport, and a server that runs them.

`head-*` and `trail-*` metadata of a request come back as headers and trailers. `Sleep` waits for `release`, for as many seconds as asked:
a test lets it go or cancels it and never waits for the time to pass. What happened is counted, and `until` waits for a count.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService, EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo

from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._transport import Server

PATIENCE = 120.0
"""Seconds after which a test gives up; no test waits for them to pass."""

FOREVER = 1e6
"""Seconds to ask of `Sleep` when only the test or a cancellation is to end it."""


class Echo(EchoService):
    """Counts what it sees in `seen`: a method's name for each start, `cancelled` and `stubborn` for what became of it."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.release = asyncio.Event()
        self.contexts: list[Context] = []
        self._changed = asyncio.Condition()

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self._start("say", ctx)
        return pb.SayResponse(id=request.id, n=request.n, text=",".join(request.tags), payload=request.payload)

    async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        self._start("fail", ctx)
        if not request.code:
            raise ValueError(request.message)
        details = [ErrorInfo(reason=request.reason, domain="echo")] if request.reason else []
        raise RpcError(Code(request.code), request.message, details)

    async def sleep(self, request: pb.SleepRequest, ctx: Context) -> pb.SleepResponse:
        self._start("sleep", ctx)
        await self._note("sleep")
        try:
            await asyncio.wait_for(self.release.wait(), request.seconds)
        except TimeoutError:
            await self._note("slept")
        except asyncio.CancelledError:
            await self._note("cancelled")
            raise
        return pb.SleepResponse()

    async def inspect(self, request: pb.InspectRequest, ctx: Context) -> pb.InspectResponse:
        self._start("inspect", ctx)
        return pb.InspectResponse(
            remaining=ctx.remaining(),
            criticality=ctx.criticality.name,
            tenant=ctx.tenant,
            request_id=ctx.request_id,
            trace_id=ctx.trace.trace_id,
            parent_id=ctx.trace.parent_id,
            peer=ctx.peer,
            metadata=[pb.MetadataEntry(key=key, value=value if isinstance(value, str) else value.hex()) for key, value in ctx.metadata],
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, which looks at `seen`, holds."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    def _start(self, name: str, ctx: Context) -> None:
        if name != "sleep":
            self.seen[name] += 1
        self.contexts.append(ctx)
        del self.contexts[:-8]
        if len(ctx.metadata):
            ctx.reply.headers = Metadata(pair for pair in ctx.metadata if pair[0].startswith("head-"))
            ctx.reply.trailers = Metadata(pair for pair in ctx.metadata if pair[0].startswith("trail-"))

    async def _note(self, name: str) -> None:
        self.seen[name] += 1
        async with self._changed:
            self._changed.notify_all()


class Relay(Echo):
    """Passes `Inspect` and `Say` on, with nothing said about the call: what arrives was inherited."""

    def __init__(self, echo: EchoServiceClient) -> None:
        super().__init__()
        self.echo = echo

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self._start("say", ctx)
        return await self.echo.say(request)

    async def inspect(self, request: pb.InspectRequest, ctx: Context) -> pb.InspectResponse:
        self._start("inspect", ctx)
        return await asyncio.create_task(self.echo.inspect(request))


@asynccontextmanager
async def serving(echo: EchoService, *, grace: float = 0.0, **options: Any) -> AsyncIterator[Server]:
    """A server of `echo` on a free port of 127.0.0.1, closed at the end after `grace` seconds."""
    server = Server([echo], **options)
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close(grace)


def request_of_size(size: int) -> pb.SayRequest:
    """A request that is `size` bytes (32 or more) once serialised."""
    request = pb.SayRequest(payload=bytes(size - 16))
    request.id = "x" * (size - request.ByteSize() - 2)
    assert request.ByteSize() == size
    return request


async def turn_until(condition: Callable[[], object]) -> None:
    """Let the loop turn until `condition` holds, which looks at state that announces nothing."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)
