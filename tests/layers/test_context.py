"""What a call inherits, and what it may set for itself."""

import asyncio

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import SAY

from towpath._core import clock
from towpath._core.context import CallOptions, Context, Criticality, Reply, current, enter, leave
from towpath._core.metadata import Metadata
from towpath._core.service import MethodKind, MethodSpec
from towpath._layers.context import ClientContext, ServerContext

NOW = 1000.0


@pytest.fixture(autouse=True)
def _virtual_clock():
    with clock.using(lambda: NOW):
        yield


async def returns_context(_request, ctx):
    return ctx


async def opened(door: ClientContext, options: CallOptions | None = None, inside: Context | None = None) -> Context:
    """The context that a call composes, made inside of `inside`."""
    call = door.open(SAY, returns_context).call
    if inside is None:
        return await call(SayRequest(), options)
    token = enter(inside)
    try:
        return await call(SayRequest(), options)
    finally:
        leave(token)


async def test_a_call_outside_of_any_starts_a_tree():
    ctx = await opened(ClientContext(timeout=2.0))
    assert (ctx.method, ctx.deadline, ctx.criticality, ctx.tenant) == ("echo.v1.EchoService/Say", NOW + 2, Criticality.CRITICAL, "")


async def test_options_of_the_call_win():
    reply = Reply()
    options = CallOptions(timeout=0.5, criticality=Criticality.CRITICAL_PLUS, tenant="acme", metadata=[("k", "v")], reply=reply)
    ctx = await opened(ClientContext(timeout=2.0, criticality=Criticality.SHEDDABLE), options)
    assert (ctx.deadline, ctx.criticality, ctx.tenant) == (NOW + 0.5, Criticality.CRITICAL_PLUS, "acme")
    assert (list(ctx.metadata), ctx.reply) == ([("k", "v")], reply)


async def test_a_call_may_outlast_its_methods_timeout_if_it_says_so():
    assert (await opened(ClientContext(timeout=2.0), CallOptions(timeout=60))).deadline == NOW + 60


@pytest.mark.parametrize(("inherited", "expected"), [(NOW + 1, NOW + 1), (NOW + 5, NOW + 2), (None, NOW + 2), (NOW - 1, NOW - 1)])
async def test_the_earlier_deadline_wins(inherited, expected):
    assert (await opened(ClientContext(timeout=2.0), inside=Context("a/b", deadline=inherited))).deadline == expected


async def test_no_option_extends_what_is_inherited():
    ctx = await opened(ClientContext(timeout=2.0), CallOptions(timeout=60), inside=Context("a/b", deadline=NOW + 1))
    assert ctx.deadline == NOW + 1


async def test_trace_tenant_and_request_id_are_inherited_and_metadata_is_not():
    parent = Context("a/b", tenant="acme", request_id="r-1", metadata=Metadata([("secret", "of the caller")]))
    ctx = await opened(ClientContext(timeout=2.0), inside=parent)
    assert (ctx.tenant, ctx.request_id, len(ctx.metadata)) == ("acme", "r-1", 0)
    assert (ctx.trace.trace_id, ctx.trace.parent_id) == (parent.trace.trace_id, parent.trace.span_id)


@pytest.mark.parametrize(
    ("inherited", "declared", "expected"),
    [
        (Criticality.CRITICAL_PLUS, None, Criticality.CRITICAL_PLUS),
        (Criticality.CRITICAL_PLUS, Criticality.SHEDDABLE, Criticality.SHEDDABLE),
        (Criticality.SHEDDABLE, Criticality.CRITICAL_PLUS, Criticality.SHEDDABLE),
        (None, Criticality.SHEDDABLE, Criticality.SHEDDABLE),
        (None, None, Criticality.CRITICAL),
    ],
)
async def test_a_call_matters_no_more_than_the_work_it_is_for(inherited, declared, expected):
    parent = None if inherited is None else Context("a/b", criticality=inherited)
    assert (await opened(ClientContext(timeout=2.0, criticality=declared), inside=parent)).criticality is expected


async def test_what_was_opened_becomes_another_without_being_bound_anew():
    async def says_so(_request, ctx):
        return "another", ctx

    call, become = ClientContext(timeout=2.0).open(SAY, returns_context)
    assert (await call(SayRequest(), None)).deadline == NOW + 2
    become(ClientContext(timeout=5.0), says_so)
    said, ctx = await call(SayRequest(), None)
    assert (said, ctx.deadline) == ("another", NOW + 5)


async def test_a_stream_that_was_opened_goes_on_and_the_next_is_another():
    watch = MethodSpec(service="a.B", name="Watch", request=SayRequest, response=SayRequest, kind=MethodKind.SERVER_STREAMING)
    seen = []

    def seeing(name):
        async def handler(_exchange, ctx):
            seen.append((name, ctx.deadline))

        return handler

    start, become = ClientContext(timeout=2.0).open_stream(watch, seeing("one"))
    first = start(SayRequest(), None)
    become(ClientContext(timeout=5.0), seeing("another"))
    second = start(SayRequest(), None)
    assert (await first.receive(), await second.receive()) == (None, None)
    assert seen == [("one", NOW + 2), ("another", NOW + 5)]


async def test_a_call_is_told_of_in_the_task_that_begins_it():
    watch = MethodSpec(service="a.B", name="Watch", request=SayRequest, response=SayRequest, kind=MethodKind.SERVER_STREAMING)
    told = []

    async def handler(_exchange, ctx):
        assert told == [(ctx, caller)]

    caller = asyncio.current_task()
    context = ClientContext(timeout=2.0, begun=lambda ctx: told.append((ctx, asyncio.current_task())))
    start, _ = context.open_stream(watch, handler)
    assert await start(SayRequest(), None).receive() is None
    told.clear()
    call, _ = context.open(SAY, handler)
    assert await call(SayRequest(), None) is None


async def test_the_server_makes_the_context_current_for_the_handler_and_its_tasks():
    seen: list[Context | None] = []

    async def look():
        seen.append(current())

    async def handler(_request, _ctx):
        await look()
        await asyncio.create_task(look())
        return "done"

    ctx = Context("a/b")
    stack = ServerContext().wrap(SAY, handler)

    async def serve():  # as the server does: the whole stack in the call's own task
        return await stack(SayRequest(), ctx)

    assert await asyncio.create_task(serve()) == "done"
    assert seen == [ctx, ctx]
    assert current() is None
