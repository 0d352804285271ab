"""What a process records of its calls, over real sockets."""

import asyncio
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import FAIL, EchoServiceClient

from tests.app.stage import PATIENCE
from tests.echo_service import FOREVER, Echo, turn_until
from tests.telemetry.flight_recorder.scene import SAY, client_of, gone, in_order, recording, scene
from towpath import App, CallOptions, Code, Context, RpcError
from towpath._app.settings.service_file import ServiceConfig
from towpath._contracts.policy import MethodConfig
from towpath._core.context import enter, leave
from towpath._core.decisions import rejection
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._core.propagation.criticality import Criticality
from towpath._core.propagation.trace import TraceContext
from towpath._core.service import Handler, MethodSpec
from towpath._layers.fallback import FixedAnswer
from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.row import KEPT, NOT_REACHED, REMOTE, SAMPLED, STREAM, ClientMark, Kind, ServerMark

EVERY_PROTOCOL = pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
"""The protocols that a client of towpath speaks."""


@EVERY_PROTOCOL
async def test_a_call_leaves_a_row_on_each_side(protocol: Any) -> None:
    async with scene(protocol=protocol) as here:
        await here.client.say(SAY, CallOptions(tenant="acme", criticality=Criticality.SHEDDABLE))
        server, attempt = await here.rows.one(Kind.SERVER), await here.rows.one(Kind.ATTEMPT)
        assert in_order(server, *ServerMark)
        assert in_order(attempt, *ClientMark)
        assert server.trace_and_span == attempt.trace_and_span
        assert len(server.trace_id) == 32
        assert len(server.span_id) == 16
        assert [here.rows.name(row.method) for row in (server, attempt)] == ["echo.v1.EchoService/Say"] * 2
        assert [here.rows.name(row.tenant) for row in (server, attempt)] == ["acme"] * 2
        assert [row.criticality for row in (server, attempt)] == [Criticality.SHEDDABLE] * 2
        assert (here.rows.name(server.peer), here.rows.name(attempt.peer)) == ("127.0.0.1", here.address)
        assert (server.code, attempt.code, server.flag(STREAM), attempt.attempt) == (0, 0, False, 0)
        assert attempt.request_size >= 3
        assert attempt.response_size >= 3
        assert server.serial == 1
        assert attempt.serial == 0


async def test_the_sizes_are_those_of_the_messages() -> None:
    async with scene() as here:
        request = pb.SayRequest(id="x", payload=bytes(100_000))
        answer = await here.client.say(request)
        for row in (await here.rows.one(Kind.SERVER), await here.rows.one(Kind.ATTEMPT)):
            assert (row.request_size, row.response_size) == (request.ByteSize(), answer.ByteSize())


async def test_an_attempt_names_the_call_that_it_was_made_for_and_its_task() -> None:
    async with scene() as here:
        await here.caller.say(SAY)
        await here.caller.inspect(pb.InspectRequest())  # which a task of its own passes on
        for method, same in (("Say", True), ("Inspect", False)):
            inner, outer = here.rows.of(Kind.ATTEMPT, method)
            leaf, relay = here.rows.of(Kind.SERVER, method)
            assert inner.serial == relay.serial != 0
            assert (inner.branch == relay.branch) is same
            assert inner.trace_and_span == leaf.trace_and_span
            assert outer.trace_and_span == relay.trace_and_span
            assert outer.trace_id == inner.trace_id
            assert outer.serial == 0
    assert not here.rows.of(Kind.CALL)


@EVERY_PROTOCOL
async def test_an_error_of_the_handler_is_in_both_rows(protocol: Any) -> None:
    async with scene(protocol=protocol) as here:
        with pytest.raises(RpcError):
            await here.client.fail(pb.FailRequest(code=Code.NOT_FOUND, message="secret"))
        server, attempt = await here.rows.one(Kind.SERVER), await here.rows.one(Kind.ATTEMPT)
        assert (server.code, attempt.code) == (Code.NOT_FOUND, Code.NOT_FOUND)
        assert attempt.flag(REMOTE)
        assert not here.rows.of(Kind.CALL)
        assert b"secret" not in bytes(here.rows.writer.buffer)


async def test_a_bug_of_the_handler_is_internal() -> None:
    async with scene() as here:
        with pytest.raises(RpcError):
            await here.client.fail(pb.FailRequest(message="token"))
        assert (await here.rows.one(Kind.SERVER)).code == Code.INTERNAL
        assert b"token" not in bytes(here.rows.writer.buffer)


@EVERY_PROTOCOL
async def test_a_call_that_is_cancelled_leaves_its_rows_once(protocol: Any) -> None:
    async with scene(protocol=protocol) as here:
        call = asyncio.create_task(here.client.sleep(pb.SleepRequest(seconds=FOREVER)))
        await here.echo.until(lambda: bool(here.echo.seen["sleep"]))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await gone(here, Kind.ATTEMPT)).code == Code.CANCELLED
        assert (await gone(here, Kind.SERVER)).code == Code.CANCELLED
        assert not here.rows.of(Kind.CALL)


async def test_a_deadline_that_passes_is_in_both_rows() -> None:
    async with scene() as here:
        timeout = 0.1
        while not here.rows.of(Kind.SERVER):  # a call may end before a slow machine has it sent
            timeout *= 2
            with pytest.raises(RpcError):
                await here.client.sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=timeout))
        assert {row.code for row in here.rows.of(Kind.ATTEMPT)} <= {Code.DEADLINE_EXCEEDED}
        # The server may hear of it by the reset of its client first.
        assert here.rows.of(Kind.SERVER)[0].code in (Code.DEADLINE_EXCEEDED, Code.CANCELLED)


async def test_a_call_that_no_attempt_was_made_for_has_a_row_of_its_own() -> None:
    async with scene() as here:
        with pytest.raises(RpcError):
            await here.client.say(SAY, CallOptions(timeout=1e-9))
        row = await here.rows.one(Kind.CALL)
        assert (row.code, row.attempt, here.rows.name(row.method)) == (Code.DEADLINE_EXCEEDED, 0, "echo.v1.EchoService/Say")
        assert not here.rows.of(Kind.SERVER)


async def test_a_request_that_is_no_message_leaves_a_row_at_once() -> None:
    async with scene() as here:
        wrong: Any = "no message"
        with pytest.raises(TypeError):
            await here.client.say(wrong)
        (row,) = here.rows.of(Kind.CALL)
        assert (row.code, row.attempt) == (Code.INTERNAL, 0)


async def test_an_attempt_that_reached_no_server_has_no_connection(port: int) -> None:
    with recording() as rows:
        async with client_of(f"127.0.0.1:{port}") as channel:
            with pytest.raises(RpcError):
                await EchoServiceClient(channel).say(SAY)
        attempts = rows.of(Kind.ATTEMPT)
        assert {row.code for row in attempts} == {Code.UNAVAILABLE}
        assert all(row.marks[ClientMark.CONNECTED] == NOT_REACHED and not row.flag(REMOTE) for row in attempts)
        (call,) = rows.of(Kind.CALL)
        assert (call.code, call.attempt) == (Code.UNAVAILABLE, len(attempts))
        assert len(attempts) > 1


async def test_without_a_recorder_nothing_is_recorded() -> None:
    with recording() as rows:
        pass
    app = App()
    app.add(Echo())
    await app.start("127.0.0.1", 0)
    async with app, client_of(app.address) as channel:
        await EchoServiceClient(channel).say(SAY)
    assert not rows.recording.rows


async def test_rows_are_written_in_the_order_in_which_calls_end() -> None:
    async with scene() as here:
        sleeping = asyncio.create_task(here.client.sleep(pb.SleepRequest(seconds=FOREVER)))
        await here.echo.until(lambda: bool(here.echo.seen["sleep"]))
        await here.client.say(SAY)
        here.echo.release.set()
        await sleeping
        await turn_until(lambda: len(here.rows.of(Kind.SERVER)) == 2)
        assert [here.rows.name(row.method).rpartition("/")[2] for row in here.rows.of(Kind.SERVER)] == ["Say", "Sleep"]


async def test_a_call_that_succeeds_after_a_failure_has_a_row_of_its_own() -> None:
    failures = 2

    class Flaky(Echo):
        async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise RpcError(Code.UNAVAILABLE, "not now")
            return pb.SayResponse()

    with recording() as rows:
        app = App()
        app.add(Flaky())
        await app.start("127.0.0.1", 0)
        name = (("echo.v1.EchoService", "Say"),)
        retry = RetryPolicy(max_attempts=4, initial_backoff=0.001, retryable_codes=frozenset({Code.UNAVAILABLE}))
        config = ServiceConfig(methods=(MethodConfig(names=name, retry=retry),))
        async with app, client_of(app.address, config=config) as channel:
            await EchoServiceClient(channel).say(SAY, CallOptions(idempotency_key="k"))
        attempts = rows.of(Kind.ATTEMPT)
        assert [(row.attempt, row.code) for row in attempts] == [(0, Code.UNAVAILABLE), (1, Code.UNAVAILABLE), (2, 0)]
        assert attempts[1].marks[ClientMark.BEGAN] > attempts[0].marks[ClientMark.RESUMED]
        assert len({row.base for row in attempts}) == 1
        assert len({row.span_id for row in attempts}) == 3
        (call,) = rows.of(Kind.CALL)
        assert (call.code, call.attempt, call.base) == (0, 3, attempts[0].base)
        assert {row.attempt for row in rows.of(Kind.SERVER)} == {0, 1, 2}


async def test_an_answer_of_the_fallback_is_a_call_that_ended_well() -> None:
    async with scene() as here, client_of(here.address) as channel:
        answering = channel.falling_back({FAIL: FixedAnswer(response=pb.FailResponse())})
        await EchoServiceClient(answering).fail(pb.FailRequest(code=Code.UNAVAILABLE))
        assert (await here.rows.one(Kind.ATTEMPT)).code == Code.UNAVAILABLE
        assert (await here.rows.one(Kind.CALL)).code == 0


async def test_a_hedge_that_lost_is_a_second_attempt_at_a_call_that_ended_well() -> None:
    class Slow(Echo):
        slow = False

        async def inspect(self, request: pb.InspectRequest, ctx: Context) -> pb.InspectResponse:
            if self.slow and ctx.attempt == 0:
                await self.until(lambda: bool(self.seen["hedge"]))
            elif self.slow:
                await self._note("hedge")
                await asyncio.Event().wait()
            return pb.InspectResponse()

    with recording() as rows:
        echo, app = Slow(), App()
        app.add(echo)
        await app.start("127.0.0.1", 0)
        name = (("echo.v1.EchoService", "Inspect"),)
        hedging = HedgingPolicy(hedging_delay=0.05, extra_load=0.05)
        config = ServiceConfig(methods=(MethodConfig(names=name, hedge=hedging, timeout=PATIENCE),))
        async with app, client_of(app.address, config=config) as channel:
            client = EchoServiceClient(channel)
            for _ in range(100):  # which pay for the hedge
                await client.inspect(pb.InspectRequest())
            echo.slow, before = True, rows.writer.number
            await client.inspect(pb.InspectRequest())
            await turn_until(lambda: rows.of(Kind.CALL) and rows.of(Kind.CALL)[-1].number > before)
        attempts = [row for row in rows.of(Kind.ATTEMPT) if row.number > before]
        assert [(row.attempt, row.code) for row in attempts] == [(0, 0), (1, Code.CANCELLED)]
        call = rows.of(Kind.CALL)[-1]
        assert (call.code, call.attempt, call.base) == (0, 2, attempts[0].base)


async def test_the_rows_of_a_rejection_name_who_rejected() -> None:
    class Rejecting:
        role = "mine"

        def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
            async def handle(request: Any, ctx: Context) -> Any:
                raise rejection(Code.RESOURCE_EXHAUSTED, method, role="mine", reason="NO_MORE", why="no more")

            return handle

    async with scene(layers=[Rejecting()]) as here:
        with pytest.raises(RpcError):
            await here.client.say(SAY)
        for row in (await here.rows.one(Kind.SERVER), *here.rows.of(Kind.ATTEMPT)):
            assert (row.code, here.rows.name(row.reason)) == (Code.RESOURCE_EXHAUSTED, "mine/NO_MORE")


async def test_what_a_layer_waits_is_no_time_of_the_handler() -> None:
    class Waiting:
        role = "waiting"

        def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
            async def handle(request: Any, ctx: Context) -> Any:
                await asyncio.sleep(0.02)
                response = await following(request, ctx)
                await asyncio.sleep(0.02)
                return response

            return handle

    async with scene(layers=[Waiting()]) as here:
        await here.client.say(SAY)
        row = await here.rows.one(Kind.SERVER)
        assert row.marks[ServerMark.HANDLER_BEGAN] - row.marks[ServerMark.STARTED] >= 20_000
        assert row.marks[ServerMark.WRITTEN] - row.marks[ServerMark.HANDLER_ENDED] >= 20_000


async def test_the_room_for_tenants_and_callers_is_bounded() -> None:
    async with scene() as here:
        names = here.rows.recorder.names
        indexes = {names.tenant(f"tenant-{number:040}") for number in range(5000)}
        assert ring.OTHER in indexes
        assert {names.caller(f"10.0.{number // 256}.{number % 256}:{number}") for number in range(20_000)} & {ring.OTHER}
        assert len(names.callers) <= 4096
        assert names.tenant("x" * 70_000) == ring.OTHER
        assert names.method("late.Service/Method") != ring.OTHER
        assert names.reason("role/REASON") != ring.OTHER


async def test_a_call_that_is_cancelled_at_any_turn_leaves_one_row_and_its_caller_is_told() -> None:
    async with scene() as here:
        await here.client.say(SAY)
        outcomes: set[str] = set()
        for turns in range(1, 40):
            before = here.rows.writer.number
            call = asyncio.create_task(here.client.say(SAY))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            try:
                await call
                outcomes.add("answered")
            except asyncio.CancelledError:
                outcomes.add("cancelled")
            own = [row for row in here.rows.recording.rows if row.number > before and row.kind != Kind.SERVER]
            assert [row.code in (0, Code.CANCELLED) for row in own] == [True]
        assert "cancelled" in outcomes


async def test_an_own_name_is_written_as_the_flags_and_numbers_that_it_is_a_copy_of() -> None:
    # Attempts and received calls have `flags_of` and `serial_of` written out; a CALL row, and a failed attempt, use them.
    async with scene() as here:
        token = enter(
            Context("a.B/C", trace=TraceContext(b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"), criticality=Criticality.SHEDDABLE)
        )
        try:
            await here.client.say(SAY)
            with pytest.raises(RpcError):
                await here.client.fail(pb.FailRequest(code=Code.ABORTED))
        finally:
            leave(token)
        await turn_until(lambda: len(here.rows.of(Kind.SERVER)) == 2)
        flags = {row.flags & ~KEPT & ~REMOTE for row in here.rows.recording.rows}
        assert flags == {SAMPLED}
        assert {row.serial for row in here.rows.of(Kind.ATTEMPT)} == {0}


async def test_a_layer_may_call_with_a_context_of_its_own() -> None:
    class Anew:
        role = "anew"

        def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
            async def handle(request: Any, ctx: Context) -> Any:
                return await following(request, Context(ctx.method, ctx.deadline))

            return handle

    async with scene() as here, client_of(here.address, layers=[Anew()]) as channel:
        client = EchoServiceClient(channel)
        assert (await client.say(SAY)).id == "x"
        with pytest.raises(RpcError, match="ABORTED"):
            await client.fail(pb.FailRequest(code=Code.ABORTED))
        with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
            await client.say(SAY, CallOptions(timeout=1e-9))
        assert [row.code for row in here.rows.of(Kind.ATTEMPT)] == [0, Code.ABORTED]
