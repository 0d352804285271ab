"""Calls from threads, to real servers on the test's own loop."""

import asyncio
import gc
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceSyncClient
from stream.v1 import stream_pb2 as sp
from stream.v1.stream_towpath import StreamServiceSyncClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, http2_preface, raw_server
from towpath._app.sync_client import SyncChannel, connect_sync
from towpath._core.calls import sync_calls
from towpath._core.calls.sync_calls import LoopRunner
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._telemetry.metrics import CallMetrics
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

T = TypeVar("T")
PATIENT = CallOptions(timeout=PATIENCE)


async def in_thread(address: str, what: Callable[[SyncChannel], T]) -> T:
    """What code without asyncio makes of a channel."""

    def work() -> T:
        with connect_sync(address, metrics=CallMetrics()) as channel:
            return what(channel)

    return await asyncio.to_thread(work)


async def test_unary_calls_answer_or_raise() -> None:
    def work(channel: SyncChannel) -> int:
        client = EchoServiceSyncClient(channel)
        with pytest.raises(RpcError) as caught:
            client.fail(pb.FailRequest(code=5, message="no such echo"), PATIENT)
        assert (caught.value.code, caught.value.message) == (Code.NOT_FOUND, "no such echo")
        return client.say(pb.SayRequest(n=7), PATIENT).n

    async with serving(Echo()) as server:
        assert await in_thread(server.address, work) == 7


async def test_a_thread_that_runs_a_loop_is_not_blocked() -> None:
    async with serving(Echo()) as server:
        channel = connect_sync(server.address, metrics=CallMetrics())
        with pytest.raises(RuntimeError, match="would block the event loop"):
            EchoServiceSyncClient(channel).say(pb.SayRequest())


async def test_what_cannot_be_begun_is_told() -> None:
    def work(channel: SyncChannel) -> None:
        with pytest.raises(TypeError, match="write SayRequest"):
            EchoServiceSyncClient(channel).say("no message")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="timeout"):
            StreamServiceSyncClient(channel).repeat(sp.RepeatRequest(), CallOptions(timeout=-1.0))

    async with serving(Echo()) as server:
        await in_thread(server.address, work)


async def test_a_server_stream_is_iterated_over() -> None:
    def work(channel: SyncChannel) -> None:
        client = StreamServiceSyncClient(channel)
        with client.repeat(sp.RepeatRequest(answers=[sp.Answer(size=10)] * 1000), PATIENT) as call:
            assert call.headers() == call.reply.headers
            assert [len(answer.payload) for answer in call] == [10] * 1000
            assert next(call, None) is None
        got: list[int] = []
        failing = client.repeat(sp.RepeatRequest(answers=[sp.Answer(size=1)] * 3, end=sp.End(code=9, message="enough")), PATIENT)
        with pytest.raises(RpcError, match="enough"):
            got.extend(answer.index for answer in failing)
        with client.repeat(sp.RepeatRequest(forever=True), PATIENT) as waiting:
            waiting.cancel()
            with pytest.raises(RpcError) as caught:
                next(waiting)
        assert caught.value.code is Code.CANCELLED

    async with serving(Streams()) as server:
        await in_thread(server.address, work)


async def test_what_came_before_a_response_that_cannot_be_read_is_delivered() -> None:
    good = sp.RepeatResponse(index=1, payload=b"x").SerializeToString()

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.HEADERS)
        peer.send(frames.HEADERS, END_HEADERS, 1, literal(b":status", b"200") + literal(b"content-type", b"application/grpc"))
        peer.send(frames.DATA, 0, 1, message_frame(good) * 2 + message_frame(b"\xff"))
        await peer.closed()

    def work(channel: SyncChannel) -> None:
        call = StreamServiceSyncClient(channel).repeat(sp.RepeatRequest(), PATIENT)
        assert [next(call).index, next(call).index] == [1, 1]
        with pytest.raises(RpcError, match=r"is not a stream\.v1\.RepeatResponse"):
            next(call)

    async with raw_server(behave) as address:
        await in_thread(address, work)


async def test_requests_are_given_or_sent() -> None:
    def work(channel: SyncChannel) -> None:
        client = StreamServiceSyncClient(channel)
        given = client.collect((sp.CollectRequest(payload=bytes(n)) for n in range(5)), PATIENT)
        with pytest.raises(RuntimeError, match="takes its requests from what it was given"):
            given.send(sp.CollectRequest())
        with pytest.raises(RuntimeError, match="takes its requests from what it was given"):
            given.half_close()
        response = given.response()
        assert (response.count, response.size) == (5, 10)
        with client.collect(options=PATIENT) as call:
            for n in range(3):
                assert call.send(sp.CollectRequest(payload=bytes(n)))
            call.half_close()
            assert call.response().count == 3

    async with serving(Streams()) as server:
        await in_thread(server.address, work)


async def test_a_server_that_has_enough_ends_the_requests() -> None:
    sent = 0

    def requests() -> Iterator[sp.CollectRequest]:
        nonlocal sent
        while True:
            sent += 1
            yield sp.CollectRequest(payload=bytes(1000), end=sp.End(code=10, message="enough"))

    def work(channel: SyncChannel) -> None:
        with pytest.raises(RpcError, match="enough"):
            StreamServiceSyncClient(channel).collect(requests(), PATIENT).response()

    async with serving(Streams()) as server:
        await in_thread(server.address, work)
    assert sent > 0


async def test_a_server_that_answers_early_is_answer_enough() -> None:
    """It ends the call well and reads no further: the requests that are left are not sent."""

    async def behave(peer: RawPeer) -> None:
        await http2_preface(peer)
        await peer.until(frames.DATA)
        peer.send(frames.HEADERS, END_HEADERS, 1, literal(b":status", b"200") + literal(b"content-type", b"application/grpc"))
        peer.send(frames.DATA, 0, 1, message_frame(sp.CollectResponse(count=1).SerializeToString()))
        peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, literal(b"grpc-status", b"0"))
        await peer.closed()

    def endless() -> Iterator[sp.CollectRequest]:
        while True:
            yield sp.CollectRequest(payload=bytes(10))

    async with raw_server(behave) as address:
        found = await in_thread(address, lambda channel: StreamServiceSyncClient(channel).collect(endless(), PATIENT).response())
    assert found.count == 1


async def test_what_the_requests_raise_ends_the_call() -> None:
    def broken() -> Iterator[sp.CollectRequest]:
        yield sp.CollectRequest()
        raise LookupError("no more pages")

    def work(channel: SyncChannel) -> None:
        with pytest.raises(LookupError, match="no more pages"):
            StreamServiceSyncClient(channel).collect(broken(), PATIENT).response()

    async with serving(streams := Streams()) as server:
        await in_thread(server.address, work)
        await streams.until(lambda: streams.seen["ended"] == streams.seen["begun"])


async def test_both_sides_stream_by_hand_and_from_an_iterator_that_waits_for_answers() -> None:
    request = sp.ConverseRequest(answers=[sp.Answer(size=1), sp.Answer(size=2)])

    def work(channel: SyncChannel) -> None:
        client = StreamServiceSyncClient(channel)
        with client.converse(options=PATIENT) as call:
            for _ in range(3):
                assert call.send(request)
                assert [len(next(call).payload), len(next(call).payload)] == [1, 2]
            call.half_close()
            assert list(call) == []

        answered = threading.Semaphore(1)

        def in_turn() -> Iterator[sp.ConverseRequest]:
            for _ in range(4):
                answered.acquire()
                yield request

        got = 0
        for answer in client.converse(in_turn(), PATIENT):
            got += 1
            if answer.index % 2:
                answered.release()
        assert got == 8

    async with serving(Streams()) as server:
        await in_thread(server.address, work)


async def test_a_reader_is_told_what_the_requests_of_its_call_raised() -> None:
    def broken() -> Iterator[sp.ConverseRequest]:
        yield sp.ConverseRequest(answers=[sp.Answer(size=1)])
        raise LookupError("no more pages")

    def work(channel: SyncChannel) -> None:
        with pytest.raises(LookupError, match="no more pages"):
            list(StreamServiceSyncClient(channel).converse(broken(), PATIENT))

    async with serving(Streams()) as server:
        await in_thread(server.address, work)


class Panic(BaseException):
    """As bindings to Rust raise it."""


@pytest.mark.parametrize(("error", "told"), [(Panic("broken"), Panic), (SystemExit(3), RuntimeError)])
async def test_a_reader_is_told_whatever_the_requests_raised(error: BaseException, told: type[BaseException]) -> None:
    def broken() -> Iterator[sp.ConverseRequest]:
        yield sp.ConverseRequest()
        raise error

    def work(channel: SyncChannel) -> None:
        client = StreamServiceSyncClient(channel)
        with pytest.raises(told, match=r"broken|raised SystemExit"):
            next(client.converse(broken(), PATIENT))
        assert list(client.repeat(sp.RepeatRequest(), PATIENT)) == []  # the loop that makes the calls still runs

    async with serving(Streams()) as server:
        await in_thread(server.address, work)


async def test_a_call_that_is_dropped_is_cancelled_with_a_warning() -> None:
    def work(channel: SyncChannel) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call = StreamServiceSyncClient(channel).repeat(sp.RepeatRequest(answers=[sp.Answer(size=1)], forever=True), PATIENT)
            next(call)
            del call
            gc.collect()
        assert any("was dropped before its end" in str(warning.message) for warning in caught)

    async with serving(streams := Streams()) as server:
        await in_thread(server.address, work)
        await streams.until(lambda: streams.seen["ended"] == streams.seen["begun"])


@contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def test_ctrl_c_cancels_what_is_waited_for() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(FOREVER)
        finally:
            cancelled.set()

    def interrupt() -> None:
        begun.wait(PATIENCE)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with loop_in_thread() as loop:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            LoopRunner(loop).run(wait)
        thread.join()
        assert cancelled.wait(PATIENCE)


def test_ctrl_c_before_the_work_was_asked_for_leaves_nothing_to_cancel() -> None:
    class Interrupted(asyncio.SelectorEventLoop):
        """Is asked for two things: the work, and then its end."""

        asked = 0

        def call_soon_threadsafe(self, *args: Any, **more: Any) -> Any:
            self.asked += 1
            if self.asked == 1:
                raise KeyboardInterrupt
            return super().call_soon_threadsafe(*args, **more)

    async def wait() -> None:
        raise AssertionError

    loop = Interrupted()
    told: list[object] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    with pytest.raises(KeyboardInterrupt):
        LoopRunner(loop).run(wait)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert (loop.asked, told) == (2, [])


def test_work_that_a_closing_loop_cancels_is_told() -> None:
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.sleep(FOREVER)

    def cancel_all() -> None:
        for task in asyncio.all_tasks(loop):
            task.cancel()

    def end() -> None:
        begun.wait(PATIENCE)
        loop.call_soon_threadsafe(cancel_all)

    with loop_in_thread() as loop:
        thread = threading.Thread(target=end)
        thread.start()
        with pytest.raises(RpcError) as caught:
            LoopRunner(loop).run(wait)
        assert caught.value.code is Code.CANCELLED
        thread.join()


def test_a_loop_that_is_closed_before_or_meanwhile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_calls, "_CHECK_INTERVAL", 0.01)
    begun = threading.Event()

    async def wait() -> None:
        asyncio.current_task()._log_destroy_pending = False  # which is what happens here, and meant
        begun.set()
        await asyncio.get_running_loop().create_future()

    loop = asyncio.new_event_loop()
    runner = LoopRunner(loop)
    looked = threading.Event()
    is_closed = loop.is_closed

    def look() -> bool:
        closed = is_closed()
        looked.set()
        return closed

    monkeypatch.setattr(loop, "is_closed", look)

    def turn() -> None:
        loop.run_forever()
        loop.close()

    thread = threading.Thread(target=turn)
    thread.start()

    def end() -> None:
        begun.wait(PATIENCE)
        looked.clear()
        looked.wait(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)

    ending = threading.Thread(target=end)
    ending.start()
    for _ in range(2):
        with pytest.raises(RpcError, match="the event loop that made the calls is closed") as caught:
            runner.run(wait)
        assert caught.value.code is Code.CANCELLED
    runner.soon(lambda: pytest.fail("called by a loop that is closed"))
    thread.join()
    ending.join()
