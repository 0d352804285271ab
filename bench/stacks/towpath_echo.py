"""The services that towpath's rows serve, and how both call it: an application's code does not know its stack."""

from collections.abc import AsyncIterator

from echo.v1.echo_pb2 import (
    ConverseRequest,
    ConverseResponse,
    RepeatRequest,
    RepeatResponse,
    ReturnRequest,
    ReturnResponse,
    SayRequest,
    SayResponse,
)
from echo.v1.echo_towpath import EchoService, EchoServiceClient, StreamService

from bench import payload
from bench.measuring.load import Caller
from towpath import Binder, CallOptions, Context

DISTRIBUTIONS = ("towpath",)


class Echo(EchoService):
    """The contract's method."""

    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:  # a handler's shape
        """Answer as the contract says."""
        return SayResponse(id=request.id, n=request.n + 1, text=payload.TEXT)


class Streams(StreamService):
    """What the suites call."""

    async def repeat(self, request: RepeatRequest, ctx: Context) -> AsyncIterator[RepeatResponse]:
        """The same answer, so many times."""
        for _ in range(request.count):
            yield RepeatResponse(id=request.id, n=request.n + 1, text=payload.TEXT)

    async def converse(self, requests: AsyncIterator[ConverseRequest], ctx: Context) -> AsyncIterator[ConverseResponse]:
        """An answer to each."""
        async for request in requests:
            yield ConverseResponse(id=request.id, n=request.n + 1, text=payload.TEXT)

    async def return_(self, request: ReturnRequest, ctx: Context) -> ReturnResponse:
        """What came."""
        return ReturnResponse(data=request.data)


def caller(channel: Binder) -> Caller:
    """Calls over `channel`, with the timeout that every peer is given."""
    client = EchoServiceClient(channel)
    request = SayRequest(id=payload.ID, n=payload.N, tags=payload.TAGS)
    options = CallOptions(timeout=payload.TIMEOUT)
    return Caller(lambda: client.say(request, options), lambda answer: payload.verify(answer.id, answer.n, answer.text))
