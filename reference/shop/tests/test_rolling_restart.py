"""Two replicas of the catalogue are restarted, one after the other, while customers look at products: no call fails."""

import asyncio
import sys
from contextlib import ExitStack

from towpath import CallOptions, connect

from catalogue.v1.catalogue_pb2 import ListProductsRequest
from catalogue.v1.catalogue_towpath import CatalogueServiceClient
from programs import Running, Shop, held_port

CUSTOMERS = 8
CALLS = 50
"""So many are answered before each restart, and after the last one."""


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
    """Customers who look at the products, one call after the other."""

    def __init__(self, client: CatalogueServiceClient) -> None:
        self._client = client
        self._answered = 0
        self._wanted = asyncio.Condition()

    async def look(self) -> None:
        while True:
            await self._client.list_products(ListProductsRequest(), CallOptions(timeout=120))
            async with self._wanted:
                self._answered += 1
                self._wanted.notify_all()

    async def answered(self, more: int) -> None:
        """Wait until `more` calls were answered."""
        async with self._wanted:
            enough = self._answered + more
            await self._wanted.wait_for(lambda: self._answered >= enough)


def test_no_call_fails_while_each_replica_is_restarted(shop: Shop) -> None:
    async def main(replicas: list[Replica]) -> None:
        target = f"static:///{','.join(replica.address for replica in replicas)}"
        async with connect(target) as channel:
            customers = Customers(CatalogueServiceClient(channel))

            async def restart() -> None:
                for replica in replicas:
                    await customers.answered(CALLS)
                    await asyncio.to_thread(replica.restart)
                await customers.answered(CALLS)

            looking = [asyncio.create_task(customers.look()) for _ in range(CUSTOMERS)]
            restarting = asyncio.create_task(restart())
            await asyncio.wait([*looking, restarting], return_when=asyncio.FIRST_COMPLETED)
            failures = [task.exception() for task in looking if task.done()]
            for task in looking:
                task.cancel()
            await restarting
            await asyncio.gather(*looking, return_exceptions=True)
        assert failures == []

    with ExitStack() as stack:
        replicas: list[Replica] = []
        for _ in range(2):
            replicas.append(Replica(shop, stack.enter_context(held_port())))
            stack.callback(replicas[-1].stop)
        asyncio.run(main(replicas))
