"""The calls that were under way while the loop did not turn: which of them did it, and which waited."""

import asyncio
import gc
from collections.abc import Sequence
from contextvars import Context as ContextVars
from typing import Any, NamedTuple

from towpath._core import context
from towpath._core.context import Context
from towpath._telemetry.loop_monitor.block import MAX_VICTIMS, Victim

Calls = Sequence[tuple["asyncio.Task[None] | None", Context]]


class Waiting(NamedTuple):
    """The calls that waited."""

    number: int
    first: tuple[Victim, ...]


def call_of(task: "asyncio.Task[Any]") -> Context | None:
    """The call that `task` works for; None if it works for none. It may be asked in any thread."""
    get_context = getattr(task, "get_context", None)
    if get_context is not None:
        return context.current_in(get_context())
    # Python 3.11 has no way to ask.
    found = next((each for each in gc.get_referents(task) if isinstance(each, ContextVars)), None)
    return None if found is None else context.current_in(found)


def culprit(running: object, calls: Calls) -> tuple[Context | None, str]:
    """The call that the task `running` works for, and the task's name; None and an empty name for what is no task."""
    if not asyncio.isfuture(running):
        return None, ""
    task: Any = running
    ctx = next((ctx for each, ctx in calls if each is task), None) or call_of(task)
    return ctx, task.get_name()


def victims(calls: Calls, by: Context | None) -> Waiting:
    """The calls that waited for `by`."""
    waiting = [ctx for _, ctx in calls if ctx is not by]
    return Waiting(len(waiting), tuple(told(ctx) for ctx in waiting[:MAX_VICTIMS]))


def told(ctx: Context) -> Victim:
    """What a report says of a call. It gives a call without a trace none, since it may be asked in any thread."""
    trace = ctx.cached_trace
    trace_id = trace.trace_id if trace is not None else ctx.raw_traceparent[3:35].decode("ascii", "replace")
    return Victim(method=ctx.method, trace_id=trace_id, request_id=ctx.given_request_id or trace_id)
