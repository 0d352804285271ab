"""Which rows outlast their turn in the ring, on every hop of a call, and what bounds them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import FAIL, SAY, EchoServiceClient

from tests.echo_service import FOREVER, Echo, Relay, turn_until
from tests.telemetry.flight_recorder.scene import SAY as REQUEST
from tests.telemetry.flight_recorder.scene import Rows, client_of, recording, scene
from towpath import App, Code, RpcError
from towpath._app.settings.service_file import ServiceConfig
from towpath._core import clock
from towpath._core.context import Context, enter, leave
from towpath._core.propagation.trace import TraceContext
from towpath._core.propagation.trust import DEFAULT_TRUST, Trust
from towpath._core.server_call import ServerCallInfo
from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.keeping import FOLLOWED_PER_SECOND, Keeping, is_one_of_many
from towpath._telemetry.flight_recorder.row import KEPT, NOT_REACHED, Kind
from towpath._telemetry.flight_recorder.slow_calls import FIRST, NEVER_SLOW, SlowCalls


def write(writer: ring.Writer, kind: int = Kind.ATTEMPT, *, serial: int = 0, code: int = 0) -> int:
    """Write one row; its number."""
    writer.write(kind, code, 0, 0, 1.0, b"", serial, 0, 0, 0, 0, 0, *(NOT_REACHED,) * 8, 0, 0)
    return writer.number


class TestKeptRows:
    def test_outlast_their_turn(self) -> None:
        writer = ring.Writer(None, rows=64)
        kept = write(writer, code=9)
        writer.keep(kept)
        writer.keep(kept)
        for _ in range(1000):
            write(writer)
        rows = ring.parsed(memoryview(writer.buffer), "memory").rows
        assert [(row.number, row.code) for row in rows if row.flag(KEPT)] == [(kept, 9)]
        assert len(rows) == 65

    def test_push_out_only_each_other(self) -> None:
        writer = ring.Writer(None, rows=64)
        for _ in range(100):
            writer.keep(write(writer))
        rows = ring.parsed(memoryview(writer.buffer), "memory").rows
        assert [row.number for row in rows] == list(range(37, 101))

    def test_of_a_call_are_those_with_its_serial_number(self) -> None:
        writer = ring.Writer(None, rows=64)
        for _ in range(60):
            write(writer, serial=3)
        wanted = [write(writer, serial=7), write(writer, Kind.CALL, serial=7)]
        write(writer, Kind.SERVER, serial=7)
        write(writer, serial=8)
        wanted.append(write(writer, serial=7))
        write(writer)
        assert sorted(writer.with_serial(7)) == wanted
        assert writer.with_serial(9) == []

    def test_of_a_call_are_never_found_where_they_are_kept_already(self) -> None:
        trace, writer = b"a" * 32, ring.Writer(None, rows=8)
        writer.write(Kind.ATTEMPT, 0, 0, 0, 1.0, b"00-" + trace, 7, 0, 0, 0, 0, 0, *(NOT_REACHED,) * 8, 0, 0)
        assert (writer.with_serial(7), writer.with_trace(trace)) == ([1], [1])
        writer.keep(1)
        for _ in range(20):  # another row has its place at each of the ring's places for the last one
            write(writer)
            if writer.number > 8:
                assert (writer.with_serial(7), writer.with_trace(trace)) == ([], [])

    @pytest.mark.parametrize("last", [5, 8, 11, 64, 200])
    def test_of_a_call_are_those_that_are_not_written_over(self, last: int) -> None:
        writer = ring.Writer(None, rows=8)
        for number in range(1, last + 1):
            write(writer, Kind.SERVER if number % 5 == 0 else Kind.ATTEMPT, serial=(7, 7 + 256, 7 << 8)[number % 3])
        for serial, rest in ((7, 0), (7 + 256, 1), (7 << 8, 2)):
            wanted = [number for number in range(max(1, last - 7), last + 1) if number % 5 and number % 3 == rest]
            assert sorted(writer.with_serial(serial)) == wanted

    def test_of_a_call_that_did_very_much_are_some(self) -> None:
        writer = ring.Writer(None, rows=1024)
        for _ in range(1000):
            write(writer, serial=7)
        assert len(writer.with_serial(7)) == 64


class TestSlowCalls:
    def test_are_those_beyond_a_second_while_nothing_is_known(self) -> None:
        assert SlowCalls().after == FIRST

    def test_are_at_first_those_that_take_ten_times_as_long_as_most(self) -> None:
        slow = SlowCalls()
        assert [slow.count(0.01) for _ in range(16)] == [False] * 15 + [True]
        assert slow.after == pytest.approx(0.1, rel=0.2)

    def test_are_later_those_that_one_in_a_hundred_exceeds(self) -> None:
        slow = SlowCalls()
        for number in range(10_000):
            slow.count(0.5 if number % 50 == 0 else 0.01)
        assert slow.after == pytest.approx(0.5, rel=0.2)

    def test_take_twice_as_long_as_most_at_least_and_a_millisecond(self) -> None:
        slow = SlowCalls()
        for _ in range(10_000):
            slow.count(0.01)
        assert slow.after == pytest.approx(0.02, rel=0.2)
        short = SlowCalls()
        for _ in range(1000):
            short.count(1e-6)
        assert short.after == 0.001

    def test_follow_what_is_usual_now(self) -> None:
        with clock.using(lambda: now):
            now = 0.0
            slow = SlowCalls()
            for _ in range(10_000):
                slow.count(0.01)
            for second in range(300):
                now = float(second)
                for _ in range(20):
                    slow.count(0.1)
        assert slow.after == pytest.approx(0.2, rel=0.2)

    def test_that_last_longer_than_any_bucket(self) -> None:
        slow = SlowCalls()
        for _ in range(1000):
            slow.count(1e4)
        assert slow.after > 100

    def test_are_no_streams(self) -> None:
        slow = SlowCalls(streams=True)
        for _ in range(1000):
            slow.count(1.0)
        assert slow.after == NEVER_SLOW


class TestBudget:
    def keeping(self) -> Keeping:
        return Keeping(ring.Writer(None, rows=1 << 15))

    def test_of_each_method_and_code_the_first_in_a_minute_is_kept(self) -> None:
        with clock.using(lambda: now):
            now = 0.0
            keeping = self.keeping()
            while keeping.wants("a.B/C", 0):
                pass
            assert [keeping.wants("a.B/C", 14) for _ in range(3)] == [True, False, False]
            assert keeping.wants("a.B/D", 14)
            assert keeping.wants("a.B/C", 13)
            now = 59.0
            keeping.wants("a.B/C", 14)
            now = 61.0
            assert keeping.wants("a.B/C", 14)

    def test_as_many_are_kept_as_go_with_all_calls(self) -> None:
        with clock.using(lambda: 0.0):
            keeping = self.keeping()
            assert sum(keeping.wants("a.B/C", 0) for _ in range(100)) == 10
            keeping.counted(200)
            assert sum(keeping.wants("a.B/C", 0) for _ in range(100)) == 10
            assert keeping.over_budget == 180

    def test_no_more_are_kept_than_some_a_second_and_the_ring_lasts(self) -> None:
        with clock.using(lambda: now):
            now = 0.0
            keeping = self.keeping()
            kept = 0
            for second in range(600):
                now = float(second)
                keeping.counted(100_000)
                found = sum(keeping.wants("a.B/C", 0) for _ in range(1000))
                assert found <= 50
                kept += found
        assert 4096 <= 4 * kept <= 8192

    def test_what_is_remembered_of_failures_is_bounded(self) -> None:
        with clock.using(lambda: 0.0):
            keeping = self.keeping()
            assert sum(keeping.wants(f"a.B/{number}", 14) for number in range(10_000)) == 4096 + 10

    def test_a_call_that_was_given_up_has_not_failed(self) -> None:
        assert not self.keeping().wants("a.B/C", Code.CANCELLED)

    def test_what_other_hops_keep_has_a_budget_of_its_own(self) -> None:
        with clock.using(lambda: 0.0):
            writer = ring.Writer(None, rows=1 << 15)
            keeping = Keeping(writer)
            assert sum(keeping.follows() for _ in range(1000)) == 200
            assert keeping.wants("a.B/C", 14)
            write(writer)
            keeping.one_of_many(1)
            keeping.root_ended(1, "a.B/C", followed=True)
            assert keeping.kept == 0


@pytest.mark.parametrize(
    ("low", "is_one"),
    [("ffffffffffffff", True), ("ffc00000000000", True), ("ffbfffffffffff", False), ("00000000000000", False), ("f0000000000000", False)],
)
def test_one_trace_in_many_is_told_by_its_low_bits(low: str, is_one: bool) -> None:
    assert is_one_of_many(f"00-{'a' * 18}{low}-{'b' * 16}-01".encode()) is is_one


def test_no_trace_is_none_of_them() -> None:
    assert not is_one_of_many(b"")


class Two(NamedTuple):
    """A relay and what it calls, each with a recorder of its own as two processes have."""

    front: Rows
    back: Rows
    echo: Echo
    caller: EchoServiceClient


@asynccontextmanager
async def two(echo: Echo | None = None, trust: Trust = DEFAULT_TRUST) -> AsyncIterator[Two]:
    echo = echo or Echo()
    with recording() as back_rows:
        back = App(ServiceConfig(trust=trust))
        back.add(echo)
    with recording() as front_rows:
        await back.start("127.0.0.1", 0)
        async with back, client_of(back.address) as to_back:
            front = App()
            front.add(Relay(EchoServiceClient(to_back)))
            await front.start("127.0.0.1", 0)
            async with front, client_of(front.address) as to_front:
                yield Two(front_rows, back_rows, echo, EchoServiceClient(to_front))


def kept(rows: Rows) -> list[int]:
    return sorted(row.kind for row in rows.recording.rows if row.flag(KEPT))


ALL_OF_FRONT = [Kind.SERVER, Kind.ATTEMPT, Kind.ATTEMPT]


class TestOnEveryHop:
    async def test_what_one_hop_finds_slow_is_kept_by_those_above_it(self) -> None:
        async with two() as here:
            await here.caller.say(REQUEST)
            assert kept(here.front) == kept(here.back) == []
            here.back.recorder.keeping.slow(SAY).after = 0.0
            answer = await here.caller.say(REQUEST)
            await turn_until(lambda: len(kept(here.front)) == 3)
            assert answer == pb.SayResponse(id="x")
            assert kept(here.back) == [Kind.SERVER]
            assert kept(here.front) == ALL_OF_FRONT
            (trace,) = {row.trace_id for rows in (here.front, here.back) for row in rows.recording.rows if row.flag(KEPT)}
            assert trace

    async def test_what_fails_on_one_hop_is_kept_by_those_above_it(self) -> None:
        class Failing(Echo):
            async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
                raise RpcError(Code.ABORTED, "")

        async with two(Failing()) as here:
            here.front.recorder.keeping.wants = lambda method, code: False  # which never decides by itself
            with pytest.raises(RpcError):
                await here.caller.say(REQUEST)
            await turn_until(lambda: len(kept(here.front)) == 3)
            assert (kept(here.front), kept(here.back)) == (ALL_OF_FRONT, [Kind.SERVER])

    async def test_what_is_slow_on_one_hop_is_kept_by_those_below_it_with_the_next_request(self) -> None:
        async with two() as here:
            here.front.recorder.keeping.slow(SAY).after = 0.0
            await here.caller.say(REQUEST)
            await turn_until(lambda: len(kept(here.front)) == 3)
            assert kept(here.back) == []
            here.front.recorder.keeping.slow(SAY).after = 1e6
            await here.caller.say(REQUEST)
            assert kept(here.back) == [Kind.SERVER]
            (row,) = [row for row in here.back.recording.rows if row.flag(KEPT)]
            assert {other.trace_id for other in here.front.recording.rows if other.flag(KEPT)} == {row.trace_id}

    async def test_a_caller_that_is_not_trusted_pins_nothing(self) -> None:
        async with two(trust=Trust(private=False)) as here:
            here.front.recorder.keeping.slow(SAY).after = 0.0
            await here.caller.say(REQUEST)
            await turn_until(lambda: len(kept(here.front)) == 3)
            await here.caller.say(REQUEST)
            assert kept(here.back) == []

    async def test_a_trace_that_is_one_of_many_is_kept_on_every_hop(self) -> None:
        async with two() as here:
            token = enter(Context("a.B/C", trace=TraceContext(b"00-" + b"f" * 32 + b"-" + b"1" * 16 + b"-00")))
            try:
                await here.caller.say(REQUEST)
            finally:
                leave(token)
            await turn_until(lambda: len(kept(here.front)) == 3)
            assert (kept(here.front), kept(here.back)) == (ALL_OF_FRONT, [Kind.SERVER])


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
async def test_a_failed_call_is_kept_and_the_application_sees_nothing_of_it(protocol: str) -> None:
    async with scene(protocol=protocol) as here:
        with pytest.raises(RpcError) as caught:
            await here.client.fail(pb.FailRequest(code=Code.ABORTED))
        assert not list(caught.value.metadata)
        await turn_until(lambda: len(kept(here.rows)) == 2)
        for _ in range(100):
            with pytest.raises(RpcError):
                await here.client.fail(pb.FailRequest(code=Code.ABORTED))
        assert len(kept(here.rows)) < 100
        assert here.rows.recorder.keeping.over_budget > 0
        assert here.rows.recorder.keeping.slow(FAIL).after <= FIRST


async def test_calls_that_were_given_up_are_not_kept() -> None:
    async with scene() as here:
        call = asyncio.create_task(here.client.sleep(pb.SleepRequest(seconds=FOREVER)))
        await here.echo.until(lambda: bool(here.echo.seen["sleep"]))
        call.cancel()
        await turn_until(lambda: len(here.rows.recording.rows) == 2)
        assert kept(here.rows) == []


def test_calls_that_their_callers_gave_up_are_kept_within_the_budget_though_a_server_further_down_keeps_them() -> None:
    with clock.using(lambda: 1.0):
        rows = Rows(4096)
        received = rows.recorder.received(SAY)
        for _ in range(300):
            ctx = Context(SAY.full_name)
            info = ctx.server = ServerCallInfo(1.0)
            info.serial, info.kept = received.next_serial(), True
            received.ended(ctx, 0, Code.CANCELLED.value, (1.0,) * 5, 0, 0)
    assert rows.recorder.keeping.kept == FOLLOWED_PER_SECOND
