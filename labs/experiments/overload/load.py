"""The load, in a process of its own: `python -m labs.experiments.overload.load ADDRESS SERVER_PID`, told on standard input what to do.

Each line of input is a step, `RATE SECONDS SKIPPED`: calls come at random at that rate whatever becomes of those before (an open loop),
and each latency counts from when its call was due, so that a late generator does not flatter the server. Those of calls in the first
`SKIPPED` seconds are not kept. A rate of 0 keeps `CLOSED` calls in flight instead, which measures capacity. Each step is answered with one
line of JSON, see `Step`.

The generator is a connection's sans-IO half and a loop around it, without tasks, retries or throttle: it has to make twenty times as many
calls as the server can answer, on a core no faster than the server's, and the server has to get what it was meant to get.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from time import perf_counter
from typing import Final, cast

import psutil

from bench import loop
from labs.work.v1.work_pb2 import ReadRequest
from labs.work.v1.work_towpath import READ
from towpath.wire import DEFAULT_LIMITS, ClientConnection, Field, Section, Stream, Template, head_fields, literal, pack_prefix, request_head

CLOSED: Final = 8
TIMEOUT: Final = 1.0
"""Seconds that a call may take: an answer that comes later is no use to anybody."""

WINDOW: Final = 0.1
"""Seconds."""

_CONNECTIONS: Final = 4
_TRACES: Final = 4096
_PRECISION: Final = 0.002
"""Seconds before a call is due from which on the generator, which has a core to itself, looks at the clock all the time: timers are
late."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What came of one step. `offered` calls were begun in `seconds`; `good` were answered well in time, with these latencies in seconds,
    sorted, without those that were skipped; the last of them came `answering` seconds after the first call, or before `seconds` were over
    and that is `seconds`. `failed` counts the others by gRPC status; `processor` is how many seconds of it the server used; `late` the
    generator's own delay in the worst case. `windows` has for each `WINDOW` of the step how many calls were due in it and how many of them
    were good; `pause` is how long before it the step before had made its last call: until all of that one were over."""

    offered: int
    good: int
    seconds: float
    answering: float
    latencies: list[float]
    failed: dict[str, int]
    processor: float
    late: float
    windows: list[tuple[int, int]]
    pause: float


class Wire(asyncio.Protocol):
    """One connection: bytes between socket and `ClientConnection`."""

    def __init__(self) -> None:
        self.connection = ClientConnection(self, DEFAULT_LIMITS)
        self.ready_to_call = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.connection.begin()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Answers have come."""
        self.connection.receive(data)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        self.connection.lost(f"connection lost: {exc}")

    def flush(self) -> None:
        """Write what waits."""
        out = self.connection.out
        if out:
            self._transport.write(b"".join(out))
            out.clear()

    def close(self) -> None:
        """End it."""
        self._transport.close()

    # What the connection tells.

    def ready(self) -> None:
        """The server's settings are known."""
        if not self.ready_to_call.done():
            self.ready_to_call.set_result(None)

    def going_away(self, reason: str) -> None:
        """No more calls are wanted: those that are made end refused."""

    def pinged(self, payload: bytes) -> None:
        """Nothing was asked."""

    def now(self) -> float:
        """The time in seconds."""
        return perf_counter()

    def failed(self, reason: str) -> None:
        """The server broke the protocol."""
        self._transport.abort()


class Call(Stream):
    """One call: only whether it ended well, and when, is kept."""

    __slots__ = ("_due", "_generator")

    def __init__(self, generator: "Generator", connection: ClientConnection, due: float) -> None:
        Stream.__init__(self, connection)
        self._generator = generator
        self._due = due

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """A head that ends the call says that it failed."""
        if end_stream:
            self._ended(head, extra)

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """The answer's bytes, which nobody reads."""
        self.consumed(len(data))

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The end."""
        self._ended(trailers, extra)

    def reset_received(self, code: int, reason: str) -> None:
        """The server, or the connection, has ended it."""
        self._generator.ended(self._due, f"reset {code}")

    def _ended(self, section: Section, extra: Sequence[Field]) -> None:
        status = next(value for name, value in (*section.fields, *extra) if name == b"grpc-status")
        self._generator.ended(self._due, "" if status == b"0" else status.decode())


class Generator:
    """Makes calls over a few connections in turn, and keeps what came of them."""

    def __init__(self, wires: Sequence[Wire], authority: str, server: psutil.Process) -> None:
        self._wires = cycle(wires)
        self._server = server
        self._head = Template(*request_head(READ.path, b"http", authority.encode(), head_fields(None)))
        message = ReadRequest(id="order-123456").SerializeToString()
        self._body = pack_prefix(0, len(message)) + message
        # Each call has a trace of its own, as a root of a tree has: whom a server spares depends on it.
        timeout = literal(b"grpc-timeout", f"{TIMEOUT:.0f}S".encode())
        self._literals = cycle(
            timeout + literal(b"traceparent", f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00".encode()) for _ in range(_TRACES)
        )
        self._closed_until = 0.0
        self._last_due = perf_counter()
        self._random = random.Random(1)

    async def step(self, rate: float, seconds: float, skipped: float) -> Step:
        """Load the server for `seconds`, and wait for all that was begun."""
        self._good = 0
        self._latencies: list[float] = []
        self._failed: Counter[str] = Counter()
        self._offered = self._open = 0
        self._due: Counter[int] = Counter()
        self._answered: Counter[int] = Counter()
        self._idle = asyncio.Event()
        processor, begun = self._processor(), perf_counter()
        self._last_good = begun
        self._begun, self._kept_from, pause = begun, begun + skipped, begun - self._last_due
        late = await self._at(rate, seconds) if rate else self._keep(CLOSED, seconds)
        self._idle.clear()  # it was set whenever no call was under way
        if self._open:
            await asyncio.wait_for(self._idle.wait(), seconds + 5 * TIMEOUT)
        lasted = seconds if rate else perf_counter() - begun
        return Step(
            offered=self._offered,
            good=self._good,
            seconds=lasted,
            answering=max(lasted, self._last_good - begun),
            latencies=sorted(self._latencies),
            failed=dict(self._failed),
            processor=self._processor() - processor,
            late=late,
            windows=[(self._due[window], self._answered[window]) for window in range(max(self._due) + 1)],
            pause=pause,
        )

    async def _at(self, rate: float, seconds: float) -> float:
        late, draw = 0.0, self._random.expovariate
        due = begun = perf_counter()
        until = begun + seconds
        while due < until:
            now = perf_counter()
            late = max(late, now - due)
            while due <= now and due < until:
                self._call(due)
                due += draw(rate)
            left = due - perf_counter()
            await asyncio.sleep(left - _PRECISION if left > _PRECISION else 0)
        self._closed_until = 0.0
        return late

    def _keep(self, calls: int, seconds: float) -> float:
        self._closed_until = perf_counter() + seconds
        for _ in range(calls):
            self._call(perf_counter())
        return 0.0

    def _call(self, due: float) -> None:
        wire = next(self._wires)
        self._offered += 1
        self._open += 1
        self._last_due = due
        self._due[int((due - self._begun) / WINDOW)] += 1
        wire.connection.request(Call(self, wire.connection, due), self._head, next(self._literals), self._body)
        wire.flush()

    def ended(self, due: float, failure: str) -> None:
        """A call that was due then has ended: well, if `failure` is empty."""
        now = perf_counter()
        if not failure and now - due <= TIMEOUT:
            self._good += 1
            self._last_good = now
            self._answered[int((due - self._begun) / WINDOW)] += 1
            if due >= self._kept_from:
                self._latencies.append(now - due)
        else:
            self._failed[failure or "late"] += 1
        self._open -= 1
        if now < self._closed_until:
            self._call(now)
        elif not self._open:
            self._idle.set()

    def _processor(self) -> float:
        times = self._server.cpu_times()
        return times.user + times.system


async def _main(address: str, pid: int) -> None:
    host, port = address.rsplit(":", 1)
    wires: list[Wire] = []
    for _ in range(_CONNECTIONS):
        _, wire = await asyncio.get_running_loop().create_connection(Wire, host, int(port))
        await wire.ready_to_call
        wires.append(wire)
    generator = Generator(wires, address, psutil.Process(pid))
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        print(json.dumps(asdict(await generator.step(*map(float, line)))), flush=True)
    for wire in wires:
        wire.close()


if __name__ == "__main__":
    loop.run(_main(sys.argv[1], int(sys.argv[2])))
