"""One endpoint of a channel: one connection that takes calls, replaced when it gets old, and made anew with backoff when it cannot be had.
Further ones are made while that one is full.

The states are gRPC's (https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md).
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Final, Protocol

from towpath._core import clock
from towpath._transport.address import Place
from towpath._transport.client.connection_backoff import Backoff
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.endpoints.further_connections import FurtherConnections
from towpath._transport.client.endpoints.health_check import HealthCheck, HealthWatch
from towpath._transport.client.load_balancing.endpoint_guard import GuardedLoad, Guards
from towpath._transport.client.load_balancing.load import Load
from towpath._transport.connection_age import jittered_age

_SETTLED: Final = 1.0
"""Seconds after which the end of a connection is no failure to connect, even if it carried no call."""


class State(Enum):
    """What an endpoint is good for."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    TRANSIENT_FAILURE = "transient failure"
    SHUTDOWN = "shutdown"


_TRANSITIONS: Final = {
    State.IDLE: {State.CONNECTING, State.SHUTDOWN},
    State.CONNECTING: {State.READY, State.TRANSIENT_FAILURE, State.SHUTDOWN},
    State.READY: {State.IDLE, State.TRANSIENT_FAILURE, State.SHUTDOWN},
    State.TRANSIENT_FAILURE: {State.IDLE, State.READY, State.SHUTDOWN},
    State.SHUTDOWN: set[State](),
}


class Unreachable(Exception):
    """A connection could not be made; the text says why."""


class _Dialer(Protocol):
    """Makes connections."""

    async def dial(self, place: Place, endpoint: "Endpoint") -> ClientLink:
        """A connection that is ready. Raises Unreachable."""
        ...


class _Pool(Protocol):
    """The channel's endpoints, as one of them sees them."""

    def changed(self, endpoint: "Endpoint") -> None:
        """The endpoint's state, or its connection, is another one."""
        ...

    def wake_one(self, link: ClientLink | None) -> None:
        """A connection may have room for one more call, perhaps `link`: the first that waits looks again."""
        ...

    def wake_all(self) -> None:
        """Every call that waits looks again."""
        ...


class Endpoint:
    """Not connected until `connect` is called. `weighed` says whether there are others, so that its load matters. With `health` it is
    ready only while the server says so; what failed then is the server, and the connection is kept. `guards` make what is asked before
    each call goes here, if there are others."""

    def __init__(
        self,
        place: Place,
        pool: _Pool,
        dialer: _Dialer,
        *,
        backoff: Backoff,
        max_age: float | None,
        source: random.Random,
        weighed: bool,
        health: HealthCheck | None,
        guards: Guards | None,
        max_connections: int = 1,
    ) -> None:
        self.place = place
        self.name = str(place)
        self.load = GuardedLoad(guards(self.name)) if weighed and guards is not None else Load()
        self.state = State.IDLE
        self.link: ClientLink | None = None
        """What takes calls, while the state is READY."""
        self.further = FurtherConnections(max_connections - 1, max_age, source, self._dial_further, pool.wake_all)
        """What takes those for which `link` has no room."""
        self.fault = ""
        """Why the last attempt failed."""
        self.links: dict[ClientLink, None] = {}
        """Every connection, those too that only finish what they have."""
        self._pool = pool
        self._dialer = dialer
        self._backoff = backoff
        self._max_age = max_age
        self._source = source
        self._weighed = weighed
        self._health = health
        self._watch: HealthWatch | None = None
        self._failures = 0
        self._soonest = 0.0
        self._opened = 0.0
        self.tasks: set[asyncio.Task[None]] = set()
        """Attempts to connect that are under way."""
        self._timer: asyncio.TimerHandle | None = None

    def connect(self) -> None:
        """Begin to connect if nothing else is under way; a failure is waited out first."""
        if self.state is State.IDLE:
            self._begin(self._connect())
            self._advance(State.CONNECTING)

    def needed(self) -> None:
        """As `connect`, for a call that no endpoint takes: a failure is waited out no longer than `Backoff.needed` says, or calls would
        still fail for the rest of a long pause once the server is back. Where the attempt took longer than that before it failed, the pause
        is as long as the attempt, since nothing but waiting would come of more of them. Where the server takes no more streams on this
        connection, another one is made."""
        link = self.link
        if self.state is State.READY and link is not None and not link.connection.can_open() and self.further.wanted(link):
            self._begin(self.further.add(self._keep))
        if self.state is State.TRANSIENT_FAILURE and self.link is None and clock.now() >= self._soonest:
            if self._timer is not None:
                self._timer.cancel()
            self._recover()
        self.connect()

    def shut_down(self) -> None:
        """Take no more calls, for good; those under way may finish."""
        for task in self.tasks:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._stop_watching()
        link, self.link = self.link, None
        self._advance(State.SHUTDOWN)
        self.further.finish()
        if link is not None:
            link.finish()

    def room(self) -> ClientLink | None:
        """A connection that takes a stream now."""
        link = self.link
        if link is None or link.connection.can_open():
            return link
        return self.further.room()

    async def _dial_further(self) -> ClientLink | None:
        try:
            return await self._dialer.dial(self.place, self)
        except Unreachable:
            return None

    def _keep(self, link: ClientLink) -> bool:
        """Use `link` as well, unless the first one was lost in the meantime."""
        if self.state is not State.READY:
            return False
        if self._weighed:
            link.load = self.load
        asyncio.get_running_loop().call_soon(self._pool.wake_all)
        return True

    async def _connect(self) -> None:
        began = clock.now()
        try:
            link = await self._dialer.dial(self.place, self)
        except Unreachable as error:
            self._failed(str(error), clock.now() - began)
            return
        self._use(link)
        if self._health is None:
            self._on_health("")

    def _use(self, link: ClientLink) -> None:
        self.link = link
        self._opened = clock.now()
        self._stop_watching()
        if self._health is not None:
            self._watch = self._health.watch(link, self._on_health)
        if self._weighed:
            link.load = self.load
        if self._max_age is not None:
            self._after(jittered_age(self._max_age, self._source), self._grow_old)

    def _on_health(self, fault: str) -> None:
        """The server wants calls, or why it does not."""
        self.fault = fault
        state = State.TRANSIENT_FAILURE if fault else State.READY
        if self.state is not state:
            self.load.since = clock.now()
            self._advance(state)

    def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()

    def _failed(self, reason: str, took: float) -> None:
        self._failures += 1
        self._soonest = clock.now() + max(took, self._backoff.needed(self._source))
        self._after(self._backoff.delay(self._failures, self._source), self._recover)
        self._on_health(reason)

    def _recover(self) -> None:
        self._advance(State.IDLE)

    def _grow_old(self) -> None:
        self._begin(self._replace())

    async def _replace(self) -> None:
        """Connect anew, and let the connection that is in use end with its calls."""
        old = self.link
        try:
            link = await self._dialer.dial(self.place, self)
        except Unreachable:
            if self.link is not None:  # it still works, and what could not be had now may be had later
                self._after(self._backoff.most, self._grow_old)
            return
        if self.link is not old or old is None:
            link.finish()  # lost in the meantime: whoever took care of that has begun to connect
            return
        self._use(link)
        self._pool.changed(self)
        old.finish()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _after(self, delay: float, what: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, what)

    def _advance(self, state: State) -> None:
        if state not in _TRANSITIONS[self.state]:
            raise RuntimeError(f"{self.place}: {self.state.name} -> {state.name} is illegal")
        self.state = state
        self._pool.changed(self)

    # What its connections tell.

    def retire(self, link: ClientLink) -> None:
        """Send no new calls over `link`."""
        self.further.remove(link)
        if self.link is not link:
            return
        self.link = None
        if self._timer is not None:
            self._timer.cancel()
        if self.further.links and self.state is State.READY:
            self._use(self.further.links.pop(0))
            self._pool.changed(self)
            return
        used = link.connection.opened() > (0 if self._watch is None else self._watch.begun)
        self._stop_watching()
        if self.state is not State.CONNECTING and (not self._weighed or used or clock.now() - self._opened >= _SETTLED):
            self._failures = 0
            self._advance(State.IDLE)
        else:
            # One of several connects on its own: to a server that lets everybody in and sends them away it would do so without a pause.
            self._failed(link.fault or "the connection was closed", clock.now() - self._opened)

    def replace(self, link: ClientLink) -> None:
        """`link` seems dead: connect anew, and send no new calls over it once that is done."""
        if self.link is link:
            self._grow_old()
        elif link in self.further.links:
            self.further.remove(link)
            link.finish()

    def forget(self, link: ClientLink) -> None:
        """`link` has ended."""
        self.retire(link)
        self.links.pop(link, None)

    def wake_one(self, link: ClientLink) -> None:
        """A call over `link` has ended: one that waits may take its place."""
        self._pool.wake_one(link)

    def wake_all(self) -> None:
        """The server's settings have changed: every call that waits looks again."""
        self._pool.wake_all()
