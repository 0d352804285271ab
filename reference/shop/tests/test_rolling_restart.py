"""Two replicas of the catalogue are restarted, one after the other, while customers look at products: no call fails.

As an orchestrator does, the test goes on to the next replica once the one before takes its share of the calls again.
"""

import asyncio
import sys
from collections import Counter
from contextlib import ExitStack
from typing import Any

from towpath import CallOptions, Context, connect
from towpath.layers import Handler

from catalogue.v1.catalogue_pb2 import ListProductsRequest
from catalogue.v1.catalogue_towpath import CatalogueServiceClient
from programs import Running, Shop, held_port

CUSTOMERS = 8
CALLS = 50
"""So many does each replica answer before each restart, and after the last one."""


class Replica:
    """A process of the catalogue, and the next one at the same address."""

    def __init__(self, shop: Shop, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._shop = shop
        self.start()

    def start(self) -> None:
        folder = self._shop.folder / "catalogue"
        self._program = Running([sys.executable, "-m", "catalogue"], folder, PYTHONPATH=str(folder / "src"), TOWPATH_LISTEN=self.address)
        self._program.line("serves catalogue")

    def stop(self) -> None:
        assert self._program.stop() == 0

    def restart(self) -> None:
        self.stop()
        self.start()


class Customers:
    """Customers who look at the products, one call after the other. It is a layer around their calls, which sees who answers."""

    role = "customers"

    def __init__(self) -> None:
        self._answers = Counter[str]()
        self._answered = asyncio.Condition()

    def wrap(self, _: Any, following: Handler) -> Handler:
        """Count each answer for the replica that gave it."""

        async def handle(request: Any, ctx: Context) -> Any:
            response = await following(request, ctx)
            async with self._answered:
                self._answers[ctx.peer] += 1
                self._answered.notify_all()
            return response

        return handle

    async def look(self, client: CatalogueServiceClient) -> None:
        """Look at the products for ever."""
        while True:
            await client.list_products(ListProductsRequest(), CallOptions(timeout=120))

    async def answered(self, replicas: list[Replica]) -> None:
        """Wait until each of `replicas` has answered `CALLS` calls from now on."""
        async with self._answered:
            enough = {replica.address: self._answers[replica.address] + CALLS for replica in replicas}
            await self._answered.wait_for(lambda: all(self._answers[address] >= count for address, count in enough.items()))


def test_no_call_fails_while_each_replica_is_restarted(shop: Shop) -> None:
    async def main(replicas: list[Replica]) -> None:
        target = f"static:///{','.join(replica.address for replica in replicas)}"
        customers = Customers()
        async with connect(target, layers=[customers]) as channel, asyncio.TaskGroup() as group:  # a call that fails ends all of it
            client = CatalogueServiceClient(channel)
            looking = [group.create_task(customers.look(client)) for _ in range(CUSTOMERS)]
            for replica in replicas:
                await customers.answered(replicas)
                await asyncio.to_thread(replica.restart)
            await customers.answered(replicas)
            for task in looking:
                task.cancel()

    with ExitStack() as stack:
        replicas: list[Replica] = []
        for _ in range(2):
            replicas.append(Replica(shop, stack.enter_context(held_port())))
            stack.callback(replicas[-1].stop)
        asyncio.run(main(replicas))
