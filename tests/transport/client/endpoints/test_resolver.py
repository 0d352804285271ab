"""Name servers that do not answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import turn_until
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions
from towpath._transport.address import Address, Place
from towpath._transport.client.endpoints.resolver import Lookups
from towpath.testing import Simulation, simulate


class Silent:
    """Says where `flights` is once it is let go."""

    changes = True

    def __init__(self) -> None:
        self.asked = self.cancelled = 0
        self.answer: asyncio.Future[Sequence[Place]] = asyncio.get_running_loop().create_future()

    async def resolve(self) -> Sequence[Place]:
        self.asked += 1
        try:
            return await self.answer
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def test_a_lookup_that_takes_longer_goes_on_and_is_not_made_twice() -> None:
    async def main(_: Simulation) -> None:
        lookups = Lookups(silent := Silent(), 20.0)
        for _ in range(3):
            with pytest.raises(TimeoutError, match="no answer within 20 s"):
                await lookups.places()
        assert silent.asked == 1
        silent.answer.set_result([Address("flights", 1)])
        assert await lookups.places() == [Address("flights", 1)]
        assert await lookups.places() == [Address("flights", 1)]
        assert (silent.asked, silent.cancelled) == (2, 0)
        lookups.cancel()

    simulate(main)


class Hung(asyncio.SelectorEventLoop):
    """A loop whose name server says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.cancelled = 0

    async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        try:
            await self.create_future()
        finally:
            self.cancelled += 1


async def first_of_a_stream(channel: Channel) -> RpcError:
    """What a stream without a deadline ends in."""
    call = StreamServiceClient(channel).repeat(stream_pb2.RepeatRequest())
    with pytest.raises(RpcError) as caught:
        await anext(call)
    return caught.value


def test_a_call_without_a_deadline_does_not_wait_for_a_name_server_for_ever() -> None:
    async def main() -> None:
        async with Channel("dns:///flights:8080", insecure=True, options=ChannelOptions(connect_timeout=0.05)) as channel:
            error = await first_of_a_stream(channel)
        assert error.code is Code.UNAVAILABLE
        assert "the name cannot be resolved (no answer within 0.05 s)" in error.message

    with asyncio.Runner(loop_factory=Hung) as runner:
        runner.run(main())


def test_closing_a_channel_ends_the_lookup() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Hung)
        channel = Channel("dns:///flights:8080", insecure=True)
        call = asyncio.ensure_future(first_of_a_stream(channel))
        await turn_until(lambda: loop.asked == 1)
        await channel.close()
        await call
        await turn_until(lambda: loop.cancelled == 1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=Hung) as runner:
        runner.run(main())
