"""`sys.exit()` in a task that a handler has started: the process ends, but not before the calls of everybody else.

asyncio lets SystemExit and KeyboardInterrupt of any task leave the loop at once, and then cancels all that runs. The exit may be meant: a
library may give up its process to have it restarted. So it is not swallowed. But it is told in the log, the loop is run on until the
service has stopped in order, and the process exits with the status that was asked for.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from traceback import walk_tb
from typing import Any, Final

_COROUTINES: Final = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR

log = logging.getLogger("towpath.app")


class OrderlyExit:
    """Runs one coroutine to its end, also where another task or a callback of the loop raises SystemExit or KeyboardInterrupt."""

    def __init__(self) -> None:
        self.stop: Callable[[], None] | None = None
        """Asks the coroutine to end. Before the coroutine has set it, an exit ends the loop at once."""
        self._task: asyncio.Task[Any] | None = None

    def run(self, runner: asyncio.Runner, main: Coroutine[Any, Any, None]) -> None:
        """Run `main`. Raises what `main` raises; else the first exit, once `main` has ended."""
        try:
            runner.run(self._noted(main))
        except (SystemExit, KeyboardInterrupt) as error:
            task, stop = self._task, self.stop
            if task is None or task.done() or stop is None:
                raise
            _tell(error)
            stop()
            self._finish(runner.get_loop(), task)
            raise

    async def _noted(self, main: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.current_task()
        await main

    def _finish(self, loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]") -> None:
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                _tell(error)
            except asyncio.CancelledError:
                log.warning("stopped before running calls had ended")
            except Exception:
                log.exception("the end of the service failed")


def _tell(error: BaseException) -> None:
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    begun = next((frame for frame in frames if frame.f_code.co_flags & _COROUTINES), None)
    where = "a callback of the event loop" if begun is None else f"the task of {begun.f_code.co_qualname}"
    log.critical("%s raised %r: the service stops in order, and its process exits", where, error, exc_info=error)
