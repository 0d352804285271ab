"""A shop with one of four bugs that every asyncio service has had, and with its fix: `python -m labs.experiments.blocked_loop.shop BUG`.

The bug is one of `blocking`, `lock`, `deadlock` and `leak`. With `fixed` behind it the shop has the fix instead.
"""

import asyncio
import sys
import time

import towpath
from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import WorkService
from towpath import App, Context, blocking

CHARGED = 0.2
"""Seconds that the bank's driver, which knows no asyncio, takes to charge a card."""


class Shop(WorkService):
    """`read` asks for a price, and `write` orders."""

    def __init__(self, bug: str, *, fixed: bool) -> None:
        self._bug = bug
        self._fixed = fixed
        self._stock = asyncio.Lock()
        self._ledger = asyncio.Lock()
        self._paid = asyncio.Event()
        """Whether the bank has answered, which is down."""
        self._started: set[asyncio.Task[None]] = set()

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        """A price."""
        if self._bug == "deadlock" and not self._fixed:
            await self._ledger_then_stock()
        elif self._bug in ("lock", "deadlock"):
            async with self._stock:
                await asyncio.sleep(0)
        return ReadResponse(id=request.id)

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        """An order."""
        if self._bug == "blocking":
            await (charge_in_a_thread() if self._fixed else charge())
        elif self._bug == "lock":
            await (self._order() if self._fixed else self._order_with_lock())
        elif self._bug == "deadlock":
            await self._stock_then_ledger()
        elif self._fixed:
            towpath.background_task(self._audit(), timeout=0.5)
        else:
            self._leak()
        return WriteResponse(id=request.id)

    async def _order_with_lock(self) -> None:
        async with self._stock:
            await self._paid.wait()  # everybody waits for the bank, since the lock is held meanwhile

    async def _order(self) -> None:
        async with self._stock:
            await asyncio.sleep(0)  # only the stock is changed inside
        await self._paid.wait()

    async def _stock_then_ledger(self) -> None:
        async with self._stock:
            await asyncio.sleep(0.01)
            async with self._ledger:
                await asyncio.sleep(0)

    async def _ledger_then_stock(self) -> None:
        async with self._ledger:
            await asyncio.sleep(0.01)
            async with self._stock:
                await asyncio.sleep(0)

    def _leak(self) -> None:
        task = asyncio.create_task(self._audit(), name="audit")
        self._started.add(task)  # or it might be collected; nobody ever ends it
        task.add_done_callback(self._started.discard)

    async def _audit(self) -> None:
        await self._paid.wait()


async def charge() -> None:
    """Charge a card, and stop every other call meanwhile."""
    time.sleep(CHARGED)  # noqa: ASYNC251 - the bug


@blocking
def charge_in_a_thread() -> None:
    """Charge a card, beside the other calls."""
    time.sleep(CHARGED)


async def main(app: App) -> None:
    """The program."""
    app.add(Shop(sys.argv[1], fixed="fixed" in sys.argv[2:]))


if __name__ == "__main__":
    towpath.run(main)
