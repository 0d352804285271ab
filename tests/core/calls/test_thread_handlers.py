"""Blocking handlers, in threads, over real calls."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, turn_until
from towpath import App, CallOptions, Code, Context, RpcError, blocking, connect, current
from towpath._core.calls import thread_handlers
from towpath._core.calls.thread_handlers import THREADS, running
from towpath._telemetry.metrics import CallMetrics

PATIENT = CallOptions(timeout=PATIENCE)


class AtOnce(Executor):
    """Runs what it is given where it is given: coverage does not follow every thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Gate:
    """What handlers in threads wait at, and how many of them do."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def pass_through(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.open.wait(PATIENCE)
        with self._lock:
            self.inside -= 1


async def answer(service: Echo, request: pb.SayRequest, options: CallOptions = PATIENT) -> pb.SayResponse:
    async with App() as app:
        app.add(service)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            return await EchoServiceClient(channel).say(request, options)


async def test_a_marked_handler_runs_in_a_thread_with_the_calls_context() -> None:
    seen: list[Any] = []

    class Blocks(Echo):
        @blocking
        def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            seen.extend((threading.current_thread(), current(), ctx))
            return pb.SayResponse(n=request.n)

    assert (await answer(Blocks(), pb.SayRequest(n=5))).n == 5
    thread, found, ctx = seen
    assert thread is not threading.main_thread()
    assert thread.name.startswith("towpath-blocking")
    assert found is ctx


async def test_a_plain_function_is_found_out() -> None:
    class Plain(Echo):
        def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:  # type: ignore[override]
            assert threading.current_thread() is not threading.main_thread()
            return pb.SayResponse(n=request.n)

    class Indirect(Echo):
        def say(self, request: pb.SayRequest, ctx: Context) -> Any:
            return super().say(request, ctx)

    for service in (Plain(), Indirect()):
        assert (await answer(service, pb.SayRequest(n=5))).n == 5


@pytest.mark.parametrize(
    ("raised", "code"),
    [(RpcError(Code.NOT_FOUND, "no such"), Code.NOT_FOUND), (StopIteration(), Code.INTERNAL), (KeyError("x"), Code.INTERNAL)],
)
async def test_what_it_raises_is_the_calls_error(raised: Exception, code: Code) -> None:
    class Fails(Echo):
        @blocking
        def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            raise raised

    with pytest.raises(RpcError) as caught:
        await answer(Fails(), pb.SayRequest())
    assert caught.value.code is code


async def test_a_future_is_given_no_stop_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not hold one, and its call would wait for ever."""
    monkeypatch.setattr(thread_handlers, "_threads", AtOnce())

    def stops() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="stops raised StopIteration"):
        await blocking(stops)()


async def test_no_more_run_at_once_than_there_are_threads_and_the_loop_stays_free() -> None:
    gate = Gate()
    work = blocking(gate.pass_through)
    calls = [asyncio.create_task(work()) for _ in range(THREADS + 10)]
    await turn_until(lambda: gate.inside == THREADS)
    assert running() == THREADS
    calls[-1].cancel()  # one that still waits for a thread leaves its place
    await asyncio.wait([calls[-1]])
    assert calls[-1].cancelled()
    gate.open.set()
    await asyncio.gather(*calls[:-1])
    assert gate.most == THREADS


async def test_a_deadline_ends_the_call_though_not_the_thread() -> None:
    gate = Gate()

    class Blocks(Echo):
        @blocking
        def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            gate.pass_through()
            return pb.SayResponse()

    try:
        timeout = 0.1
        while not gate.inside:  # on a busy machine the first deadlines may pass before the handler begins
            with pytest.raises(RpcError) as caught:
                await answer(Blocks(), pb.SayRequest(), CallOptions(timeout=timeout))
            assert caught.value.code is Code.DEADLINE_EXCEEDED
            timeout *= 2
    finally:
        gate.open.set()


def test_what_is_asynchronous_or_a_generator_is_refused() -> None:
    async def already() -> None: ...

    async def streams() -> AsyncIterator[int]:
        yield 1

    def generates() -> Iterator[int]:
        yield 1

    for function, complaint in ((already, "asynchronous already"), (streams, "asynchronous already"), (generates, "is a generator")):
        with pytest.raises(TypeError, match=complaint):
            blocking(function)
