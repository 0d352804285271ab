"""Handlers that block: a driver without asyncio, a library that computes, code that was there before. They run in threads of their own.

A unary method may be implemented with `def`. Written `@blocking`, it has the type that the generated class demands; without, it is found
out when the server is made, and treated alike. There are 40 threads for the process, and who comes while all are busy waits for one: so
many calls of blocking handlers are under way at once, however many arrive.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial, wraps
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

THREADS: Final = 40
"""How many blocking handlers run at once; what Starlette allows them too."""


def blocking(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Run `function` in a thread whenever the result is called, with the caller's contextvars: `towpath.current()` is the call's context
    there.

    A call that is cancelled, or whose deadline passes, ends at once and gives up its place in the queue; but a thread that has begun cannot
    be stopped, so what blocks for long should look at `ctx.remaining()`, and pass it on as its own timeout. Raises TypeError for what is
    asynchronous already, and for a generator.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{_name(function)} is asynchronous already; leave out @blocking")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{_name(function)} is a generator; a method that streams is written with async def")

    @wraps(function)
    async def threaded(*args: P.args, **kwargs: P.kwargs) -> R:
        work = partial(copy_context().run, partial(_run, function, *args, **kwargs))
        result: Any = await asyncio.get_running_loop().run_in_executor(_threads(), work)
        # What only looked like a plain function, such as a decorator's around an asynchronous one.
        return await result if inspect.isawaitable(result) else result

    return threaded


def asynchronous(function: Callable[P, Any]) -> Callable[P, Coroutine[Any, Any, Any]]:
    """`function` as it is if calling it blocks nobody, else `blocking`."""
    return function if inspect.iscoroutinefunction(function) else blocking(function)


def _run(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:  # no future takes one, so whoever waits would wait for ever
        raise RuntimeError(f"{_name(function)} raised StopIteration") from error


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="towpath-blocking")


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
