"""Users' spans inside the spans of calls, with OpenTelemetry's own SDK."""

import asyncio
import contextvars
import gc
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import context as otel
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from towpath._core.context import Context, enter, leave
from towpath._core.errors import SetupError
from towpath._core.propagation.trace import TraceContext
from towpath._telemetry import user_spans

SAMPLED = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"
NOT_SAMPLED = SAMPLED[:-2] + b"00"


class Spans:
    """What a user's SDK has recorded."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("users")

    def named(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.exporter.get_finished_spans() if span.name == name)
        return found

    def parent_of(self, name: str) -> str:
        parent = self.named(name).parent
        return "" if parent is None else f"{parent.span_id:016x}"


@pytest.fixture
def spans() -> Iterator[Spans]:
    user_spans.install()
    yield Spans()
    user_spans.uninstall()


def received(traceparent: bytes = SAMPLED) -> Context:
    return Context("shop.v1.Cart/Add", traceparent=traceparent)


def test_a_users_span_is_below_the_call_and_in_its_trace(spans: Spans) -> None:
    call = received()
    token = enter(call)
    assert f"{trace.get_current_span().get_span_context().span_id:016x}" == call.trace.span_id
    with spans.tracer.start_as_current_span("outer"), spans.tracer.start_as_current_span("inner"):
        pass
    with spans.tracer.start_as_current_span("second"):
        pass
    leave(token)
    assert spans.parent_of("outer") == spans.parent_of("second") == call.trace.span_id
    assert spans.parent_of("inner") == f"{spans.named('outer').context.span_id:016x}"
    assert f"{spans.named('inner').context.trace_id:032x}" == call.trace.trace_id
    assert not trace.get_current_span().get_span_context().is_valid


def test_calls_that_are_not_sampled_have_no_spans_of_users_either(spans: Spans) -> None:
    token = enter(received(NOT_SAMPLED))
    with spans.tracer.start_as_current_span("unseen"):
        pass
    leave(token)
    assert spans.exporter.get_finished_spans() == ()


def test_the_call_wins_over_a_span_that_was_open_before_it(spans: Spans) -> None:
    with spans.tracer.start_as_current_span("start"):
        call = received()
        token = enter(call)
        with spans.tracer.start_as_current_span("inside"):
            pass
        leave(token)
        with spans.tracer.start_as_current_span("after"):
            pass
    assert spans.parent_of("inside") == call.trace.span_id
    assert spans.parent_of("after") == f"{spans.named('start').context.span_id:016x}"


def test_a_context_that_is_attached_inside_the_call_wins_over_it(spans: Spans) -> None:
    call = received()
    token = enter(call)
    of_message = propagate.extract({"traceparent": "00-" + "12" * 16 + "-" + "34" * 8 + "-01"}, otel.Context())
    attached = otel.attach(of_message)
    with spans.tracer.start_as_current_span("message"):
        pass
    otel.detach(attached)
    with spans.tracer.start_as_current_span("call"):
        pass
    leave(token)
    assert (spans.parent_of("message"), spans.parent_of("call")) == ("34" * 8, call.trace.span_id)


def test_a_layers_context_of_the_same_call_leaves_the_users_span_the_current_one(spans: Spans) -> None:
    call = received()
    token = enter(call)
    with spans.tracer.start_as_current_span("outer"):
        inner = enter(call.replace(tenant="acme"))
        with spans.tracer.start_as_current_span("inner"):
            pass
        leave(inner)
    leave(token)
    assert spans.parent_of("inner") == f"{spans.named('outer').context.span_id:016x}"


def test_what_others_propagate_names_the_call(spans: Spans) -> None:
    call = Context("shop.v1.Cart/Add", trace=TraceContext.received(SAMPLED, "vendor=1"))
    token = enter(call)
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    leave(token)
    assert carrier["traceparent"] == call.trace.traceparent.decode()
    assert carrier["tracestate"] == "vendor=1"


async def test_a_generator_that_is_closed_in_another_task_logs_no_error(spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def numbers() -> AsyncIterator[int]:
        with spans.tracer.start_as_current_span("generator"):
            yield 1
            yield 2

    call = received()

    async def first(generator: AsyncIterator[int]) -> int:
        enter(call)
        return await anext(generator)

    async def close(generator: AsyncIterator[int]) -> None:
        enter(call)
        with spans.tracer.start_as_current_span("closer"):
            await generator.aclose()  # pyright: ignore[reportAttributeAccessIssue] - it is a generator
            with spans.tracer.start_as_current_span("after"):
                pass

    generator = numbers()
    assert await asyncio.create_task(first(generator)) == 1
    await asyncio.create_task(close(generator))
    assert spans.parent_of("generator") == spans.parent_of("closer") == call.trace.span_id
    assert spans.parent_of("after") == f"{spans.named('closer').context.span_id:016x}"
    dropped = numbers()
    assert await asyncio.create_task(first(dropped)) == 1
    del dropped
    gc.collect()
    for _ in range(10):
        await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_threads_that_python_hands_the_context_to_are_inside_the_call(spans: Spans) -> None:
    call = received()
    token = enter(call)
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def work(name: str) -> None:
        with spans.tracer.start_as_current_span(name):
            pass

    def back() -> None:
        work("back on the loop")
        done.set()

    def in_thread() -> None:
        work("to_thread")
        loop.call_soon_threadsafe(back)

    await asyncio.to_thread(in_thread)
    await done.wait()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, work, "copied").result()
        pool.submit(work, "bare").result()
    leave(token)
    inside = [spans.parent_of(name) for name in ("to_thread", "back on the loop", "copied")]
    assert inside == [call.trace.span_id] * 3
    assert spans.parent_of("bare") == ""  # Python hands nothing to it: the guide says so


async def test_calls_beside_each_other_are_told_apart(spans: Spans) -> None:
    async def handle(number: int) -> None:
        call = received(b"00-%032x-%016x-01" % (number, number))
        enter(call)
        with spans.tracer.start_as_current_span(f"a{number}"):
            await asyncio.sleep(0)
            with spans.tracer.start_as_current_span(f"b{number}"):
                await asyncio.sleep(0)
        assert spans.parent_of(f"a{number}") == call.trace.span_id
        assert spans.parent_of(f"b{number}") == f"{spans.named(f'a{number}').context.span_id:016x}"

    await asyncio.gather(*(handle(number) for number in range(1, 20)))


def test_it_is_installed_once_and_taken_back() -> None:
    token = enter(received())
    assert not user_spans.is_installed()
    for _ in range(2):
        user_spans.install()
        assert user_spans.is_installed()
        assert trace.get_current_span().get_span_context().is_valid
    user_spans.uninstall()
    assert not user_spans.is_installed()
    assert not trace.get_current_span().get_span_context().is_valid
    user_spans.uninstall()
    leave(token)


def test_an_opentelemetry_of_another_make_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(otel, "_RUNTIME_CONTEXT")
    with pytest.raises(SetupError, match=r"^telemetry\.opentelemetry: this version of opentelemetry-api is not known"):
        user_spans.install()


def test_without_the_setting_nothing_of_opentelemetry_is_imported() -> None:
    modules = "towpath, towpath.telemetry, towpath.settings, towpath._app.process.run"
    program = f"import sys, {modules}; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"


def test_threads_see_no_call_of_others(spans: Spans) -> None:
    token = enter(received())
    thread = threading.Thread(target=lambda: spans.tracer.start_span("alone").end())
    thread.start()
    thread.join()
    leave(token)
    assert spans.parent_of("alone") == ""
