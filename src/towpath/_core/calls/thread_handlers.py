"""Handlers that block: a driver without asyncio, a library that computes, code that was there before. They run in threads of their own.

A unary method may be implemented with `def`. With the decorator `@blocking` it has the type that the generated class demands. Without the
decorator the server finds out when it is made, and runs the method in a thread all the same. A process has 40 such threads. A call that
comes while all of them are busy waits for one.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar

from towpath._core.calls.daemon_threads import DaemonThreads

P = ParamSpec("P")
R = TypeVar("R")

THREADS: Final = 40
"""How many blocking handlers run at once, in a process. Starlette allows as many."""


def blocking(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """A coroutine function that runs `function` in a thread. The thread has the caller's contextvars, so that `towpath.current()` is the
    call's context there.

    A call that is cancelled, or whose deadline passes, ends at once and gives up its place in the queue. But a thread that has begun cannot
    be stopped: a function that blocks for long should look at `ctx.remaining()`, and pass it on as a timeout of its own. A function that
    still runs at the end of the process ends with it, wherever it is. Raises TypeError if `function` is asynchronous already, or a
    generator.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{_name(function)} is asynchronous already; leave out @blocking")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{_name(function)} is a generator; a method that streams is written with async def")

    @wraps(function)
    async def threaded(*args: P.args, **kwargs: P.kwargs) -> R:
        work = partial(copy_context().run, partial(_run, function, *args, **kwargs))
        result: Any = await asyncio.get_running_loop().run_in_executor(_threads, work)
        # A function may look plain and still return an awaitable, such as a decorator's function around an asynchronous one.
        return await result if inspect.isawaitable(result) else result

    return threaded


def asynchronous(function: Callable[P, Any]) -> Callable[P, Coroutine[Any, Any, Any]]:
    """`function` itself if it is a coroutine function, else `blocking(function)`."""
    return function if inspect.iscoroutinefunction(function) else blocking(function)


def _run(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:  # a future cannot hold one, so the call would wait for ever
        raise RuntimeError(f"{_name(function)} raised StopIteration") from error


def running() -> int:
    """How many blocking functions run now, those of calls that have ended included."""
    return _threads.running


_threads: Final = DaemonThreads(THREADS, "towpath-blocking")


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
