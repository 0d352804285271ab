"""The processes that `towpath top` looks at: those of this user on this machine, or those whose admin addresses it was given."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self

from towpath._admin.gen.towpath.admin.v1 import admin_pb2 as pb
from towpath._admin.gen.towpath.admin.v1.admin_towpath import AdminServiceClient
from towpath._app.admin.local_sockets import local_processes, processes_named
from towpath._cli.top.figures import MEMORY, Look
from towpath._core import clock
from towpath._core.call_options import CallOptions
from towpath._core.errors import RpcError
from towpath._telemetry.metric_names import ADMISSION_IN_FLIGHT, DECISIONS, LOOP_DELAY, SERVER_DURATION
from towpath._transport import Channel

PATIENCE: Final = CallOptions(timeout=2.0)
"""How long a process may take to answer."""

WANTED: Final = (SERVER_DURATION.name, DECISIONS.name, ADMISSION_IN_FLIGHT.name, LOOP_DELAY.name, MEMORY)
"""The beginnings of the metrics that are asked for."""


_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


class Processes:
    """Asks processes for their figures. Use it in an `async with` block, which closes its connections."""

    def __init__(self, addresses: Sequence[str], *, insecure: bool = False) -> None:
        """`addresses` are admin addresses, `host:port` or `unix:path`, or names of services or ids of processes of this user; none stands
        for all processes of this user. These are looked for anew each time."""
        self._addresses = tuple(addresses)
        self._insecure = insecure
        self._channels: dict[str, Channel] = {}
        self._stack = AsyncExitStack()
        self.silent: dict[str, str] = {}
        """What each address that did not answer last time failed with."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def looks(self) -> dict[str, Look]:
        """What each process that answers says now, by its address. `silent` has the others."""
        self.silent = {}
        addresses = list(dict.fromkeys(self._found()))
        found = await asyncio.gather(*(self._look(address) for address in addresses))
        return {address: look for address, look in zip(addresses, found, strict=True) if look is not None}

    def _found(self) -> Iterator[str]:
        """The addresses of the processes. A name that no process has is `silent`."""
        if not self._addresses:
            yield from (f"unix:{path}" for path in local_processes())
        for given in self._addresses:
            if not _NAME.fullmatch(given):
                yield given
                continue
            paths = processes_named(given)
            yield from (f"unix:{path}" for path in paths)
            if not paths:
                self.silent[given] = "no service of this user with this name, or process with this id, runs here"

    async def _look(self, address: str) -> Look | None:
        try:
            client = AdminServiceClient(await self._channel(address))
            process, metrics = await asyncio.gather(
                client.get_process(pb.GetProcessRequest(), PATIENCE),
                client.list_metrics(pb.ListMetricsRequest(prefixes=WANTED), PATIENCE),
            )
        except RpcError as error:
            self.silent[address] = error.message
            return None
        return Look(at=clock.now(), process=process, metrics={metric.name: metric for metric in metrics.metrics})

    async def _channel(self, address: str) -> Channel:
        channel = self._channels.get(address)
        if channel is None:
            made = Channel(address, insecure=self._insecure)
            channel = self._channels[address] = await self._stack.enter_async_context(made)
        return channel
