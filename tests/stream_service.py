"""The implementation of `stream.v1.StreamService` that tests call over every transport.

What happened is counted in `seen`, and `until` waits for a count: `begun` and `ended` calls, messages `read` and `sent`, and `cancelled`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable

from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamService

from tests.echo_service import PATIENCE
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata


class Streams(StreamService):
    """Does as it is asked. `release` lets a call go that was asked to last for ever."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.release = asyncio.Event()
        self._changed = asyncio.Condition()

    async def repeat(self, request: pb.RepeatRequest, ctx: Context) -> AsyncIterator[pb.RepeatResponse]:
        begin(ctx)
        await self._note("begun")
        try:
            for index, answer in enumerate(request.answers):
                yield pb.RepeatResponse(index=index, payload=bytes(answer.size))
                self.seen["sent"] += 1
            if request.forever:
                await self._note("waiting")
                await self.release.wait()
            finish(request.end)
        except asyncio.CancelledError:
            await self._note("cancelled")
            raise
        finally:
            await self._note("ended")

    async def collect(self, requests: AsyncIterator[pb.CollectRequest], ctx: Context) -> pb.CollectResponse:
        begin(ctx)
        await self._note("begun")
        response = pb.CollectResponse()
        try:
            async for request in requests:
                await self._note("read")
                finish(request.end)
                response.count += 1
                response.size += len(request.payload)
        except asyncio.CancelledError:
            await self._note("cancelled")
            raise
        finally:
            await self._note("ended")
        return response

    async def converse(self, requests: AsyncIterator[pb.ConverseRequest], ctx: Context) -> AsyncIterator[pb.ConverseResponse]:
        begin(ctx)
        await self._note("begun")
        index = 0
        try:
            async for request in requests:
                await self._note("read")
                for answer in request.answers:
                    yield pb.ConverseResponse(index=index, payload=bytes(answer.size))
                    index += 1
                finish(request.end)
        except asyncio.CancelledError:
            await self._note("cancelled")
            raise
        finally:
            await self._note("ended")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, which looks at `seen`, holds."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def _note(self, what: str) -> None:
        self.seen[what] += 1
        async with self._changed:
            self._changed.notify_all()


def begin(ctx: Context) -> None:
    """Give the metadata back whose keys ask for it."""
    if len(ctx.metadata):
        ctx.reply.headers = Metadata(pair for pair in ctx.metadata if pair[0].startswith("head-"))
        ctx.reply.trailers = Metadata(pair for pair in ctx.metadata if pair[0].startswith("trail-"))


def finish(end: pb.End) -> None:
    """Fail as `end` says, if it says so."""
    if end.code:
        raise RpcError(Code(end.code), end.message)
    if end.message:
        raise ValueError(end.message)


def answers(sizes: Iterable[int]) -> list[pb.Answer]:
    """What to ask for to get payloads of these sizes."""
    return [pb.Answer(size=size) for size in sizes]
