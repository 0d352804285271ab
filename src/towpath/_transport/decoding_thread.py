"""Messages that take long to read are read in a thread, one after the other, while the loop goes on with everything else.

It is one thread for all loops of a process: reading is Python's work, so a second thread would only take turns with the first one, and
hold the memory of two messages at once. Small messages are read where they come, because going to a thread and back takes 0.1 ms.

A message of many small fields is read in slices (`towpath._wire.small_fields`), and the thread sleeps for a while behind each. A loop takes
the interpreter anew for each socket that it looks at, and would wait for the whole of a slice each time: other messages went through at a
quarter of their rate, and the longest gap of the loop was twice as long (measured).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from towpath._core.calls.daemon_threads import DaemonThreads
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, deadline_exceeded
from towpath._wire.codec import PROTO
from towpath._wire.elements import count_elements, needs_count

T = TypeVar("T")

THREAD: Final = DaemonThreads(1, "towpath-decoding")

_PAUSE: Final = 0.002
"""Seconds between two slices of a message that others have for themselves; a slice takes 5 ms at the most."""


def _let_others_run() -> None:
    time.sleep(_PAUSE)


PROTO.pause = _let_others_run


async def read_apart(read: Callable[[], T], ctx: Context) -> T:
    """What `read` returns, which runs in the thread unless the deadline of the call has passed by then. Raises what `read` raises, and
    RpcError (DEADLINE_EXCEEDED). A cancelled call does not wait for it, and takes it off the thread's queue."""

    def work() -> T:
        if ctx.expired():
            raise deadline_exceeded(ctx.method)
        return read()

    return await asyncio.get_running_loop().run_in_executor(THREAD, work)


async def check_apart(message_type: type[Message], raw: bytes, limit: int, ctx: Context) -> None:
    """`towpath._wire.elements.check_elements`, in the thread where it takes long. Raises RpcError."""
    if needs_count(message_type, raw, limit):
        await read_apart(lambda: count_elements(message_type, raw, limit), ctx)


def decoded(response_type: type[Message], answer: bytes) -> Message:
    """The message whose bytes are `answer`. Raises RpcError for bytes of no such message."""
    try:
        return response_type.FromString(answer)
    except DecodeError as error:
        raise RpcError(Code.INTERNAL, f"the answer is not a {response_type.DESCRIPTOR.full_name}: {error}") from None
