"""The rows of streams, however they end."""

import asyncio

import pytest
from stream.v1 import stream_pb2 as sp

from tests.telemetry.flight_recorder.scene import gone, in_order, scene
from towpath import Code
from towpath._telemetry.flight_recorder.row import STREAM, ClientMark, Kind


class TestStream:
    async def test_that_was_read_to_its_end(self) -> None:
        async with scene() as here:
            branch = None
            async with here.stream.repeat(sp.RepeatRequest(answers=[sp.Answer(size=3)] * 2)) as call:
                branch = id(asyncio.current_task()) >> 4 & 0xFFFF_FFFF
                assert len([message async for message in call]) == 2
            attempt, server = await gone(here, Kind.ATTEMPT), await gone(here, Kind.SERVER)
            assert (attempt.code, server.code, attempt.flag(STREAM), server.flag(STREAM)) == (0, 0, True, True)
            assert attempt.branch == branch
            assert in_order(attempt, *ClientMark)

    async def test_that_was_never_read(self) -> None:
        async with scene() as here:
            call = here.stream.repeat(sp.RepeatRequest(forever=True))
            await here.streams.until(lambda: bool(here.streams.seen["waiting"]))
            await call.aclose()
            assert (await gone(here, Kind.ATTEMPT)).code == Code.CANCELLED
            assert (await gone(here, Kind.SERVER)).code == Code.CANCELLED

    async def test_that_was_broken_off(self) -> None:
        async with scene() as here:
            async with here.stream.repeat(sp.RepeatRequest(answers=[sp.Answer(size=1)], forever=True)) as call:
                async for _ in call:
                    break
            assert (await gone(here, Kind.ATTEMPT)).code == Code.CANCELLED
            assert (await gone(here, Kind.SERVER)).code == Code.CANCELLED

    async def test_that_was_cancelled(self) -> None:
        async with scene() as here:
            call = here.stream.repeat(sp.RepeatRequest(forever=True))
            await here.streams.until(lambda: bool(here.streams.seen["waiting"]))
            call.cancel()
            assert (await gone(here, Kind.ATTEMPT)).code == Code.CANCELLED
            assert (await gone(here, Kind.SERVER)).code == Code.CANCELLED

    async def test_that_was_dropped(self) -> None:
        async with scene() as here:
            call = here.stream.repeat(sp.RepeatRequest(forever=True))
            await here.streams.until(lambda: bool(here.streams.seen["waiting"]))
            with pytest.warns(ResourceWarning, match="was dropped before its end"):
                del call
            assert (await gone(here, Kind.ATTEMPT)).code == Code.CANCELLED
            assert (await gone(here, Kind.SERVER)).code == Code.CANCELLED
