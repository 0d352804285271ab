"""The trace of a call over three real services, each with a ring of its own, as its rows tell it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.app.stage import PATIENCE
from tests.echo_service import Echo, turn_until
from tests.telemetry.flight_recorder.scene import client_of
from towpath import App, CallOptions, RpcError
from towpath._cli.main import main
from towpath._core.context import Context
from towpath._telemetry.flight_recorder import process_recorder, ring
from towpath._telemetry.flight_recorder.recorder import Recorder
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.critical_path import Phase, critical_path
from towpath._telemetry.traces.model import ReceivedCall, Trace
from towpath._telemetry.traces.report import report


class Front(Echo):
    """Calls both others at once, then one of them again, in its own task."""

    def __init__(self, one: EchoServiceClient, other: EchoServiceClient) -> None:
        super().__init__()
        self._one, self._other = one, other

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        await asyncio.gather(self._one.say(request), self._other.say(request))
        await self._one.inspect(pb.InspectRequest())
        return await super().say(request, ctx)

    async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        return await self._one.fail(request)


class Chain:
    """The caller's client, and the rings by service."""

    def __init__(self, client: EchoServiceClient, rings: dict[str, ring.Writer]) -> None:
        self.client, self._rings = client, rings

    def recordings(self) -> list[list[ring.Recording]]:
        return [[ring.parsed(memoryview(writer.buffer), name)] for name, writer in self._rings.items()]

    async def trace(self, rows: int) -> Trace:
        """The one trace, once it has so many rows."""
        async with asyncio.timeout(PATIENCE):
            await turn_until(lambda: sum(len(recording.rows) for (recording,) in self.recordings()) >= rows)
        (trace,) = assembled(self.recordings())
        return trace


@asynccontextmanager
async def chain(folder: Path) -> AsyncIterator[Chain]:
    rings = {name: ring.Writer(folder / f"{name}-1.ring", service=name, rows=64) for name in ("front", "one", "other")}
    async with AsyncExitStack() as stack:

        async def served(name: str, service: Echo) -> str:
            app = App()
            app.add(service)
            await app.start("127.0.0.1", 0)
            await stack.enter_async_context(app)
            return app.address

        try:
            addresses = []
            for name in ("one", "other"):
                process_recorder.install(Recorder(rings[name]))
                addresses.append(await served(name, Echo()))
            process_recorder.install(Recorder(rings["front"]))
            clients = [EchoServiceClient(await stack.enter_async_context(client_of(address))) for address in addresses]
            front = await served("front", Front(*clients))
            process_recorder.install(None)
            yield Chain(EchoServiceClient(await stack.enter_async_context(client_of(front))), rings)
        finally:
            process_recorder.install(None)
            for writer in rings.values():
                writer.close()


async def test_the_path_of_a_call_over_three_services(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with chain(tmp_path) as here:
        await here.client.say(pb.SayRequest(id="x"), CallOptions(timeout=PATIENCE))
        trace = await here.trace(7)
        assert await asyncio.to_thread(main, ["trace", "--file", str(tmp_path)]) == 0
    root = trace.root
    assert isinstance(root, ReceivedCall)
    assert (len(trace.roots), root.service, root.method) == (1, "front", "echo.v1.EchoService/Say")
    first, second, last = root.calls
    assert len({root.branch, first.branch, second.branch}) == 3
    assert last.branch == root.branch
    assert [call.attempts[0].received.service for call in root.calls if call.attempts[0].received] == ["one", "other", "one"]
    path = critical_path(root)
    assert [segment.start for segment in path] == [0, *(segment.end for segment in path[:-1])]
    assert path[-1].end == root.duration > 0
    assert Phase.NOT_SEEN not in {segment.phase for segment in path}
    found = report(trace)
    assert found.answered == len(found.hops) == 4
    assert found.hops[3].on_path > 0
    assert min(found.hops[1].on_path, found.hops[2].on_path) == 0  # of a gather, one call is on the path
    printed = " ".join(capsys.readouterr().out.split())
    assert "4 of 4 hops" in printed
    assert "front EchoService/Say" in printed


async def test_a_call_that_failed_below(tmp_path: Path) -> None:
    async with chain(tmp_path) as here:
        with pytest.raises(RpcError):
            await here.client.fail(pb.FailRequest(code=9), CallOptions(timeout=PATIENCE))
        trace = await here.trace(3)
    found = report(trace)
    assert [hop.service for hop in found.hops] == ["front", "one"]
    assert found.hops[1].code == 9
    assert sum(hop.on_path for hop in found.hops) == found.duration
