"""The endpoints of a channel: kept as the target resolves, connected, and chosen from."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from towpath._core import chance, clock
from towpath._core.calls.recording import CallRecorder
from towpath._core.context import Context
from towpath._core.decisions import BREAKER, Decision, Signal, unheard
from towpath._core.errors import Code, RpcError, locate
from towpath._core.service import MethodSpec
from towpath._transport.address import Place
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.endpoints.dialer import Dialer
from towpath._transport.client.endpoints.endpoint import Endpoint, State
from towpath._transport.client.endpoints.health_check import HealthCheck
from towpath._transport.client.endpoints.keepalive import TimedLink
from towpath._transport.client.endpoints.resolver import Resolver
from towpath._transport.client.endpoints.waiting_calls import WaitingCalls
from towpath._transport.client.load_balancing.balancer import PICKERS, subset
from towpath._transport.client.load_balancing.endpoint_guard import Guards
from towpath._transport.client.load_balancing.outlier_ejection import Ejector
from towpath._transport.client.options import ChannelOptions

_CLOSE_TIMEOUT: Final = 1.0
"""Seconds that a server is given to read what was written before the channel was closed."""

PANIC: Final = "PANIC"
"""Signal: a call goes where its guard would keep it away, since most endpoints look ill or no other has room."""

_MIN_RESOLVE_PAUSE: Final = 1.0
"""Seconds between two resolutions, whatever happens."""

_ABANDONED: Final[list[object]] = []
"""The endpoints of the parent process. They are kept so that nothing closes their connections, which are the parent's too."""


class Pool:
    """Does nothing until the first call asks for a connection."""

    def __init__(
        self,
        target: str,
        resolver: Resolver,
        dialer: Dialer,
        options: ChannelOptions,
        health: HealthCheck | None,
        *,
        guards: Guards | None = None,
        signal: Signal = unheard,
    ) -> None:
        source = chance.generator()  # who gets the next call is no secret
        self.sole: ClientLink | None = None
        """The connection, where there is but one endpoint: then nobody has to be asked. The call path looks here first."""
        self.endpoints: dict[Place, Endpoint] = {}
        """The endpoints of the last resolution. Those that have left it since are not among them."""
        self.on_connected: Callable[[], object] = _unheard
        """Called when an endpoint takes calls, and none did before."""
        self.recorder: CallRecorder | None = None
        """What records the attempts of the methods that are bound from now on; None if nothing does."""
        self._target = target
        self._resolver = resolver
        self._dialer = dialer
        self._options = options
        self._health = health
        self._guards = guards
        self._signal = signal
        self._ejector = None if options.ejection is None else Ejector(options.ejection, clock.now())
        self._source = source
        self._picker = PICKERS[options.balancer](slow_start=options.slow_start, source=source)
        self._leaving: set[Endpoint] = set()
        self._ready: list[Endpoint] = []
        self._waiting = WaitingCalls()
        self._resolving: asyncio.Task[None] | None = None
        self._resolve_now: asyncio.Event | None = None
        self._fault = ""
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def record(self, recorder: CallRecorder) -> None:
        """Have `recorder` record attempts. It is for channels whose calls have the stack of `towpath.connect`: a call is recorded with
        them."""
        self.recorder = recorder
        self._dialer.link_type = TimedLink

    @property
    def waiting(self) -> int:
        """How many calls wait for a connection that takes them. A call whose turn has come is not among them."""
        return len(self._waiting)

    def available(self, ctx: Context, method: MethodSpec[Any, Any]) -> ClientLink | None:
        """A connection that takes a stream now: the sole endpoint's, else what `pick` finds. Raises RpcError as it does."""
        link = self.sole
        if link is None or link.loop is not asyncio.get_running_loop() or not link.connection.can_open():
            return self.pick(ctx, method)
        return link

    def pick(self, ctx: Context, method: MethodSpec[Any, Any]) -> ClientLink | None:
        """A connection that takes a stream now, or None if there is none yet. Another attempt goes to another endpoint than the one before,
        if one takes it. Raises RpcError: CANCELLED once the pool is closed; and RuntimeError if it belongs to another open loop."""
        if self._closed:
            raise self._unsent(ctx, Code.CANCELLED, f"the channel to {self._target} is closed")
        if self._loop is not asyncio.get_running_loop():
            self._move()
        if self._waiting and self.sole is not None:  # calls that came before this one have found no room
            return None
        return self._pick(ctx, method)

    def _pick(self, ctx: Context, method: MethodSpec[Any, Any]) -> ClientLink | None:
        ejector = self._ejector
        if ejector is not None and len(self.endpoints) > 1 and (now := clock.now()) >= ejector.due:
            self._sweep(ejector, now)
        ready = self._ready
        if not ready:
            return None
        if ctx.attempt:
            others = [endpoint for endpoint in ready if endpoint.name != ctx.peer]
            choice = self._choose(others, ctx, method.full_name, fewer=True) if others else None
            if choice is not None:
                ctx.peer = choice.name
                return choice.room()
        choice = self._choose(ready, ctx, method.full_name)
        if choice is None:
            return None
        ctx.peer = choice.name
        return choice.room()

    async def link_for(self, ctx: Context, method: MethodSpec[Any, Any]) -> ClientLink:
        """What `pick` finds, for a call for which it has just found nothing: waited for within the call's deadline. Raises RpcError as
        `pick` does: UNAVAILABLE also if no endpoint can be reached, unless the call waits for one; DEADLINE_EXCEEDED. A caller that does
        not use the connection has to tell it by `stream_ended`, or the place would stay free while others wait."""
        while True:
            if self.sole is None or not self._waiting:
                self._ensure_connecting()
                self._watch_ends()
            if not (self._ready or ctx.wait_for_ready):
                self._refuse_if_hopeless(ctx)
            try:
                link = await self._waiting.wait(ctx.deadline)
            except TimeoutError:
                reason = self._faults()
                text = f"{ctx.method}: no connection to {self._target} within the deadline" + (f" ({reason})" if reason else "")
                raise self._unsent(ctx, Code.DEADLINE_EXCEEDED, text) from None
            if link is None or self.sole is None or not link.has_room():
                if self._closed:
                    raise self._unsent(ctx, Code.CANCELLED, f"the channel to {self._target} is closed")
                link = self._pick(ctx, method)
            if link is not None:
                return link

    @property
    def unclosed_in(self) -> asyncio.AbstractEventLoop | None:
        """The loop in which there may be connections, until they were shut down; None before the first call."""
        return None if self._closed else self._loop

    def shut_down(self) -> list[Endpoint]:
        """Take no more calls. Calls that wait for a connection end with CANCELLED, and each connection with its last call."""
        self._closed = True
        self.sole = None
        endpoints = [*self.endpoints.values(), *self._leaving]
        self.endpoints.clear()
        self._ready.clear()
        if self._resolving is not None:
            self._resolving.cancel()
        for endpoint in endpoints:
            if endpoint.state is not State.SHUTDOWN:
                endpoint.shut_down()
        self.wake_all()
        return endpoints

    async def close(self) -> None:
        """End every connection; calls that wait for one end with CANCELLED. Raises RuntimeError in another loop than the pool's, if that is
        open."""
        if self._loop is not asyncio.get_running_loop():
            self._move()
        tasks = {task for endpoint in (*self.endpoints.values(), *self._leaving) for task in endpoint.tasks}
        endpoints = self.shut_down()
        if self._resolving is not None:
            tasks.add(self._resolving)
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
        self._refresh_ready()
        if len(self.endpoints) > 1 and endpoint.state is State.IDLE:
            endpoint.connect()  # one alone waits until it is needed; of several each is worth having
        if endpoint.state in (State.IDLE, State.TRANSIENT_FAILURE) and self._resolve_now is not None:
            self._resolve_now.set()
        self.wake_all()

    def wake_one(self, link: ClientLink | None) -> None:
        """A connection may have room for one more call, perhaps `link`: the first that waits looks again."""
        self._waiting.wake_one(link)

    def wake_all(self) -> None:
        """Every call that waits looks again."""
        self._waiting.wake_all()

    # Loops.

    def _move(self) -> None:
        """Belong to the running loop. What was there of a loop that is closed, or was left behind by a fork, begins anew."""
        before, pid = self._loop, os.getpid()
        if before is not None:
            if pid != self._pid:
                _ABANDONED.append([before, *self.endpoints.values(), *self._leaving])
            elif not before.is_closed():
                raise RuntimeError(
                    f"the channel to {self._target} belongs to another event loop, which is still open; make a channel in each loop, close "
                    "it in the loop that used it, or share one among threads with connect_sync"
                )
            self.sole = self._resolving = self._resolve_now = None
            self._ready = []
            self._fault = ""
            for held in (self.endpoints, self._leaving, self._waiting):
                held.clear()
        self._loop, self._pid = asyncio.get_running_loop(), pid

    # Choosing and waiting.

    def _choose(self, among: Sequence[Endpoint], ctx: Context, method: str, *, fewer: bool = False) -> Endpoint | None:
        """One of these that has room and whose guard allows the call. Guards are not heeded where most endpoints look ill, nor where they
        are all that is in the way, unless these are `fewer` than there are."""
        choice = self._one_of(among, ctx)
        has_room = _has_room(choice)
        if has_room and choice.load.allows(method):
            return choice
        if not has_room and len(among) == 1:
            return None
        able = [endpoint for endpoint in among if _has_room(endpoint)]
        if not able:
            return None
        if not self._most_ill(method):
            allowed = [endpoint for endpoint in able if endpoint.load.allows(method)]
            if allowed or fewer:
                return self._one_of(allowed, ctx) if allowed else None
        if not has_room:
            choice = self._one_of(able, ctx)
        if not choice.load.allows(method):
            self._signal(Decision(method, BREAKER, PANIC, False, ctx))
        return choice

    def _one_of(self, among: Sequence[Endpoint], ctx: Context) -> Endpoint:
        return among[0] if len(among) == 1 else self._picker.pick(among, ctx)

    def _most_ill(self, method: str) -> bool:
        """Whether the guards of more than half of the endpoints would keep a call of `method` away."""
        ready = self._ready
        return 2 * sum(endpoint.load.allows(method) for endpoint in ready) < len(ready)

    def _sweep(self, ejector: Ejector, now: float) -> None:
        """Compare the endpoints, as an interval has passed."""
        if ejector.sweep([endpoint.load.tally for endpoint in self.endpoints.values()], now):
            self._refresh_ready()

    def _refresh_ready(self) -> None:
        """Find the endpoints that take calls: those that are ready, without the ejected, unless all of these are ejected."""
        ready = [known for known in self.endpoints.values() if known.state is State.READY]
        connected = bool(ready and not self._ready)
        self._ready = [known for known in ready if known.load.tally.ejected_at is None] or ready
        self.sole = ready[0].link if len(self.endpoints) == 1 and ready else None
        if connected:
            self.on_connected()

    def _watch_ends(self) -> None:
        """Have the end of each stream tell the calls that wait. Only the first that waits has to ask for it: a connection that comes later
        wakes all of them."""
        for endpoint in self._ready:
            for link in (endpoint.link, *endpoint.further.links):
                if link is not None:
                    link.needs_attention = True

    def _ensure_connecting(self) -> None:
        """Begin what has to be done before there can be a connection: resolve the target, connect its endpoints."""
        if self._resolving is None:
            self._resolving = asyncio.get_running_loop().create_task(self._keep_resolved())
        for endpoint in self.endpoints.values():
            endpoint.needed()

    def _refuse_if_hopeless(self, ctx: Context) -> None:
        endpoints = self.endpoints.values()
        if any(endpoint.state is not State.TRANSIENT_FAILURE for endpoint in endpoints) or not (endpoints or self._fault):
            return
        raise self._unsent(ctx, Code.UNAVAILABLE, f"cannot connect to {self._target}: {self._faults()}")

    def _unsent(self, ctx: Context, code: Code, text: str) -> RpcError:
        error = RpcError(code, text)
        error.outward = "a server that this call needs cannot be reached"
        error.unprocessed = True
        locate(error, ctx.method, self._target)
        return error

    def _faults(self) -> str:
        failed = [endpoint for endpoint in self.endpoints.values() if endpoint.fault]
        if len(self.endpoints) == 1:
            return failed[0].fault if failed else ""
        return "; ".join(f"{endpoint.place}: {endpoint.fault}" for endpoint in failed) or self._fault

    # Resolving.

    async def _keep_resolved(self) -> None:
        """Resolve, and again for as long as the answer may change."""
        resolve_now = self._resolve_now = asyncio.Event()
        while True:
            try:
                self._install(await self._resolver.resolve())
                self._fault = ""
            except (OSError, UnicodeError) as error:  # the latter for a name that cannot be one
                # What was known before stays: a name server that fails takes no service with it.
                self._fault = f"the name cannot be resolved ({getattr(error, 'strerror', None) or error})"
            self.wake_all()
            if not self._resolver.changes:
                return
            await asyncio.sleep(_MIN_RESOLVE_PAUSE)
            if not self.endpoints:
                break
            resolve_now.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.resolve_interval):
                    await resolve_now.wait()
        self._fault = ""
        self._resolving = None  # the next call that needs it begins anew
        self.wake_all()

    def _install(self, places: Sequence[Place]) -> None:
        size = self._options.subset_size
        wanted = places if size is None else subset(places, size, self._options.subset_client)
        for place in [place for place in self.endpoints if place not in wanted]:
            endpoint = self.endpoints.pop(place)
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
                guards=self._guards,
                max_connections=options.max_connections,
            )
            for place in wanted
            if place not in self.endpoints
        ]
        self.endpoints.update((endpoint.place, endpoint) for endpoint in fresh)
        self._refresh_ready()
        for endpoint in fresh:
            endpoint.connect()


def _unheard() -> None:
    """Nobody waits for a connection."""


def _has_room(endpoint: Endpoint) -> bool:
    return endpoint.room() is not None
