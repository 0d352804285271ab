"""The forms that a service's `main` may have, and one sentence for each that it may not.

A coroutine function prepares the application and returns. An asynchronous generator prepares it, yields once, and goes on behind its
`yield` after the last call has ended. A function decorated with `contextlib.asynccontextmanager`, or a class with `__aenter__` and
`__aexit__`, is called with the application and entered, and left after the last call.

The part behind the `yield` runs whatever ended the service, without an exception: it needs no `try`. An exception of the service is told
to the caller of `run`, and a resource of `main` has to be given back all the same.
"""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeVar, cast

from towpath._core.errors import SetupError

A = TypeVar("A")

Main = Callable[[A], Awaitable[None] | AsyncIterator[None] | AbstractAsyncContextManager[Any]]
"""A function of an application, in one of the forms above."""

Manager = AbstractAsyncContextManager[Any]


def check(main: object, place: str = "run()") -> None:
    """Raises SetupError, which says what to write, for a `main` that cannot be called with an application. `place` took it."""
    if inspect.iscoroutine(main):
        main.close()
        raise SetupError(f"{place} was given a coroutine, the result of {_name(main)}(...); give the function: {_name(main)}")
    if inspect.isasyncgen(main):
        raise SetupError(f"{place} was given a generator, the result of {_name(main)}(...); give the function: {_name(main)}")
    if not callable(main):
        raise SetupError(f"{place} was given {_kind(main)}; give a function `async def main(app)`")
    if isinstance(main, type) and not hasattr(main, "__aexit__"):
        raise SetupError(f"{place} was given the class {_name(main)}, which has no __aenter__; give a function `async def main(app)`")
    try:
        inspect.signature(main).bind(None)
    except TypeError:
        raise SetupError(f"{_name(main)} cannot be called with the application alone; write `{_name(main)}(app)`") from None
    except ValueError:  # compiled code without a signature: the call will tell
        return


async def begin(main: Main[A], app: A) -> Manager | None:
    """Call `main` and await or enter what it returns. Returns what has to be left at the end, which is None for a coroutine.

    Raises what `main` raises, and SetupError if it has none of the forms. A `main` that is cancelled cleans up before this returns.
    """
    result: Any = main(app)
    manager: Manager
    if isinstance(result, AbstractAsyncContextManager):
        manager = cast("Manager", result)
    elif inspect.isawaitable(result):
        await result
        return None
    elif inspect.isasyncgen(result):
        manager = _Generated(cast("AsyncGenerator[None]", result), _name(main))
    else:
        raise SetupError(_why(main, result))
    await manager.__aenter__()
    return manager


class _Generated(AbstractAsyncContextManager[None]):
    """An asynchronous generator that yields once. `contextlib.asynccontextmanager` makes such a thing too, but throws exceptions into it,
    and its errors do not say what is wrong with a `main`."""

    def __init__(self, generator: AsyncGenerator[None], name: str) -> None:
        self._generator = generator
        self._name = name

    async def __aenter__(self) -> None:
        try:
            await anext(self._generator)
        except StopAsyncIteration:
            raise SetupError(
                f"{self._name} ended before it came to its `yield`; yield once, when the application is complete, or leave the yield out"
            ) from None

    async def __aexit__(self, *_: object) -> None:
        try:
            await anext(self._generator)
        except StopAsyncIteration:
            return
        await self._generator.aclose()
        raise SetupError(f"{self._name} yields a second time; yield once, when the application is complete")


def _why(main: object, result: object) -> str:
    name = _name(main)
    if inspect.isgenerator(result):
        result.close()
        return f"{name} is a plain generator; write `async def {name}(app)`"
    if isinstance(result, AbstractContextManager):
        return f"{name} makes a plain context manager; use contextlib.asynccontextmanager and `async def {name}(app)`"
    return f"{name} is a plain function, and returned {_kind(result)}; write `async def {name}(app)`"


def _name(main: object) -> str:
    wrapped = getattr(main, "func", main)  # of a partial
    return str(getattr(wrapped, "__name__", type(main).__name__))


def _kind(value: object) -> str:
    return "None" if value is None else f"an object of {type(value).__name__}"
