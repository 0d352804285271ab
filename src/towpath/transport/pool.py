"""The endpoints of a channel: kept as the target resolves, connected, and chosen from."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from towpath.core import chance
from towpath.core.context import Context
from towpath.core.errors import Code, RpcError
from towpath.transport.address import Place
from towpath.transport.balancer import Balancer, subset
from towpath.transport.client_link import ClientLink
from towpath.transport.dialer import Dialer
from towpath.transport.endpoint import Endpoint, State
from towpath.transport.health import HealthCheck
from towpath.transport.options import ChannelOptions
from towpath.transport.resolver import Resolver

_CLOSE_TIMEOUT: Final = 1.0
"""Seconds that a server is given to read what was written before the channel was closed."""

_SOONEST: Final = 1.0
"""Seconds between two resolutions, whatever happens."""


class Pool:
    """Does nothing until the first call asks for a connection."""

    def __init__(self, target: str, resolver: Resolver, dialer: Dialer, options: ChannelOptions, health: HealthCheck | None) -> None:
        source = chance.generator()  # who gets the next call is no secret
        self.sole: ClientLink | None = None
        """The connection, where there is but one endpoint: then nothing has to be chosen, and the call path looks here first."""
        self._target = target
        self._resolver = resolver
        self._dialer = dialer
        self._options = options
        self._health = health
        self._source = source
        self._balancer = Balancer(policy=options.balancer, slow_start=options.slow_start, source=source)
        self._endpoints: dict[Place, Endpoint] = {}
        self._leaving: set[Endpoint] = set()
        self._ready: list[Endpoint] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._resolving: asyncio.Task[None] | None = None
        self._hurry: asyncio.Event | None = None
        self._fault = ""
        self._closed = False

    async def link_for(self, ctx: Context) -> ClientLink:
        """A connection that takes a stream now, within the call's deadline. Raises RpcError: UNAVAILABLE if no endpoint can be reached,
        unless the call waits for one; DEADLINE_EXCEEDED; CANCELLED once the pool is closed."""
        link = self._pick()
        if link is not None:
            return link
        remaining = ctx.remaining()
        try:
            async with asyncio.timeout(None if remaining is None else max(0.0, remaining)):
                while True:
                    self._work()
                    if not ctx.wait_for_ready:
                        self._refuse_if_hopeless()
                    await self._change()
                    link = self._pick()
                    if link is not None:
                        return link
        except TimeoutError:
            reason = self._faults()
            text = f"{ctx.method}: no connection to {self._target} within the deadline" + (f" ({reason})" if reason else "")
            raise RpcError(Code.DEADLINE_EXCEEDED, text) from None

    async def close(self) -> None:
        """End every connection; calls that wait for one end with CANCELLED."""
        self._closed = True
        self.sole = None
        endpoints = [*self._endpoints.values(), *self._leaving]
        self._endpoints.clear()
        self._ready.clear()
        tasks = {task for endpoint in endpoints for task in endpoint.tasks}
        if self._resolving is not None:
            self._resolving.cancel()
            tasks.add(self._resolving)
        for endpoint in endpoints:
            if endpoint.state is not State.SHUTDOWN:
                endpoint.shut_down()
        self.looked_up()
        if tasks:
            await asyncio.wait(tasks)
        links = [link for endpoint in endpoints for link in endpoint.links]
        for link in links:
            link.close()
        if links:
            _, stuck = await asyncio.wait([link.closed for link in links], timeout=_CLOSE_TIMEOUT)
            if stuck:  # the server does not read
                for link in links:
                    link.abort()
                await asyncio.wait(stuck)

    # What endpoints tell.

    def changed(self, endpoint: Endpoint) -> None:
        """The endpoint's state, or its connection, is another one."""
        if self._closed or endpoint.state is State.SHUTDOWN:
            return
        self._ready = [known for known in self._endpoints.values() if known.state is State.READY]
        self.sole = self._ready[0].link if len(self._endpoints) == 1 and self._ready else None
        if len(self._endpoints) > 1 and endpoint.state is State.IDLE:
            endpoint.connect()  # one alone waits until it is needed; of several each is worth having
        if endpoint.state in (State.IDLE, State.TRANSIENT_FAILURE) and self._hurry is not None:
            self._hurry.set()
        self.looked_up()

    def room(self) -> None:
        """A connection may have room for one more call: the next in line looks."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    def looked_up(self) -> None:
        """Everybody who waits looks again."""
        while self._waiters:
            self.room()

    # Choosing and waiting.

    def _pick(self) -> ClientLink | None:
        ready = self._ready
        if self._closed:
            raise RpcError(Code.CANCELLED, f"the channel to {self._target} is closed")
        if not ready:
            return None
        link = self._balancer.pick(ready).link
        if link is not None and link.connection.can_open():
            return link
        free = [endpoint for endpoint in ready if endpoint.link is not None and endpoint.link.connection.can_open()]
        return self._balancer.pick(free).link if free else None

    async def _change(self) -> None:
        """Until something has changed that is worth another look."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        for endpoint in self._ready:
            if endpoint.link is not None:
                endpoint.link.needs_attention = True
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # the place was this call's already: pass it on
                self.room()
            raise

    def _work(self) -> None:
        """Have done what has to be done before there can be a connection."""
        if self._resolving is None:
            self._resolving = asyncio.get_running_loop().create_task(self._keep_resolved())
        for endpoint in self._endpoints.values():
            endpoint.connect()

    def _refuse_if_hopeless(self) -> None:
        endpoints = self._endpoints.values()
        if any(endpoint.state is not State.TRANSIENT_FAILURE for endpoint in endpoints) or not (endpoints or self._fault):
            return
        error = RpcError(Code.UNAVAILABLE, f"cannot connect to {self._target}: {self._faults()}")
        error.unprocessed = True
        raise error

    def _faults(self) -> str:
        failed = [endpoint for endpoint in self._endpoints.values() if endpoint.fault]
        if len(self._endpoints) == 1:
            return failed[0].fault if failed else ""
        return "; ".join(f"{endpoint.place}: {endpoint.fault}" for endpoint in failed) or self._fault

    # Resolving.

    async def _keep_resolved(self) -> None:
        """Resolve, and again for as long as the answer may change."""
        hurry = self._hurry = asyncio.Event()
        while True:
            try:
                self._install(await self._resolver.resolve())
                self._fault = ""
            except (OSError, UnicodeError) as error:  # the latter for a name that cannot be one
                # What was known before stays: a name server that fails takes no service with it.
                self._fault = f"the name cannot be resolved ({getattr(error, 'strerror', None) or error})"
            self.looked_up()
            if not self._resolver.changes:
                return
            await asyncio.sleep(_SOONEST)
            if not self._endpoints:
                break
            hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.resolve_interval):
                    await hurry.wait()
        self._fault = ""
        self._resolving = None  # the next call that needs it begins anew
        self.looked_up()

    def _install(self, places: Sequence[Place]) -> None:
        size = self._options.subset_size
        wanted = places if size is None else subset(places, size, self._options.subset_client)
        for place in [place for place in self._endpoints if place not in wanted]:
            endpoint = self._endpoints.pop(place)
            self._leaving.add(endpoint)
            endpoint.shut_down()
        self._leaving = {endpoint for endpoint in self._leaving if endpoint.links or endpoint.tasks}
        weighed = len(wanted) > 1 or self._resolver.changes
        options = self._options
        fresh = [
            Endpoint(
                place,
                self,
                self._dialer,
                backoff=options.backoff,
                max_age=options.max_age,
                source=self._source,
                weighed=weighed,
                health=self._health,
            )
            for place in wanted
            if place not in self._endpoints
        ]
        self._endpoints.update((endpoint.place, endpoint) for endpoint in fresh)
        self._ready = [known for known in self._endpoints.values() if known.state is State.READY]
        self.sole = self._ready[0].link if len(self._endpoints) == 1 and self._ready else None
        for endpoint in fresh:
            endpoint.connect()
