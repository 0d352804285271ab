"""The load generator, in a process of its own: `python -m labs.experiments.overload.load ADDRESS SERVER_PID`. It reads steps from standard
input.

Each line of input is a step, `RATE SECONDS SKIPPED`. Calls come at random at that rate, whether earlier ones have ended or not (an open
loop). A latency counts from the time at which its call was due, so that a late generator does not flatter the server. Latencies of calls in
the first `SKIPPED` seconds are not kept. A rate of 0 keeps `CLOSED` calls in flight instead, which measures capacity. Each step is answered
with one line of JSON, a `Step`.

The generator is a sans-IO connection and a loop around it, without tasks, retries or throttle. It has to make twenty times as many calls as
the server can answer, on a core no faster than the server's, and none of them may be late.
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

from bench.processes import loop
from labs.work.v1.work_pb2 import ReadRequest
from labs.work.v1.work_towpath import READ
from towpath.wire import DEFAULT_LIMITS, ClientConnection, Field, Section, Stream, Template, head_fields, literal, pack_prefix, request_head

CLOSED: Final = 8
"""Calls in flight in a closed loop."""

TIMEOUT: Final = 1.0
"""Seconds that a call may take. An answer that comes later does not count as good."""

WINDOW: Final = 0.1
"""Seconds in each of the windows into which a step is divided."""

_CONNECTIONS: Final = 4
_TRACES: Final = 4096
"""Distinct traces that the calls have in turn."""

_PRECISION: Final = 0.002
"""Seconds before a call is due at which the generator stops to sleep and watches the clock, since timers are late. It has a core to
itself."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The result of one step."""

    offered: int
    """Calls that were begun."""
    good: int
    """Calls that succeeded in time."""
    seconds: float
    """Seconds for which calls were begun; in a closed loop, until the last of them ended."""
    answering: float
    """Seconds until the last good answer, but at least `seconds`."""
    latencies: list[float]
    """Seconds that good calls took, sorted, without those of the skipped time."""
    failed: dict[str, int]
    """Calls that were not good, by gRPC status."""
    processor: float
    """Seconds of the processor that the server used."""
    late: float
    """The largest delay of the generator itself, in seconds."""
    windows: list[tuple[int, int]]
    """For each `WINDOW` of the step, the calls that were due in it and those of them that were good."""
    pause: float
    """Seconds from the last call of the step before to the beginning of this step. All calls of that step ended meanwhile."""


class Wire(asyncio.Protocol):
    """One connection: bytes between socket and `ClientConnection`."""

    def __init__(self) -> None:
        self.connection = ClientConnection(self, DEFAULT_LIMITS)
        self.ready_to_call = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self.connection.begin()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Answers have come."""
        self.connection.receive(data)
        while self.connection.behind:  # there is nobody else whose turn it could be
            self.connection.go_on()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        self.connection.lost(f"connection lost: {exc}")

    def flush(self) -> None:
        """Write the connection's `out`."""
        out = self.connection.out
        if out:
            self._transport.write(b"".join(out))
            out.clear()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    # What the connection tells.

    def ready(self) -> None:
        """The server's settings are known."""
        if not self.ready_to_call.done():
            self.ready_to_call.set_result(None)

    def going_away(self, reason: str) -> None:
        """The server wants no more calls. A call that is made all the same ends with REFUSED_STREAM."""

    def pinged(self, payload: bytes) -> None:
        """Ignore the answer to a ping: this generator sends none."""

    def now(self) -> float:
        """The time in seconds."""
        return perf_counter()

    def failed(self, reason: str) -> None:
        """The server broke the protocol."""
        self._transport.abort()


class Call(Stream):
    """One call. Of its end only the status and the time are kept."""

    __slots__ = ("_due", "_generator")

    def __init__(self, generator: "Generator", connection: ClientConnection, due: float) -> None:
        Stream.__init__(self, connection)
        self._generator = generator
        self._due = due

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """A head that ends the call has the status of its failure."""
        if end_stream:
            self._ended(head, extra)

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """Drop the bytes of the answer."""
        self.consumed(len(data))

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The call has ended, with a status."""
        self._ended(trailers, extra)

    def reset_received(self, code: int, reason: str) -> None:
        """The server has reset the stream, or the connection was lost."""
        self._generator.ended(self._due, f"reset {code}")

    def _ended(self, section: Section, extra: Sequence[Field]) -> None:
        status = next(value for name, value in (*section.fields, *extra) if name == b"grpc-status")
        self._generator.ended(self._due, "" if status == b"0" else status.decode())


class Generator:
    """Makes calls over a few connections in turn, and counts their ends."""

    def __init__(self, wires: Sequence[Wire], authority: str, server: psutil.Process) -> None:
        self._wires = cycle(wires)
        self._server = server
        self._head = Template(*request_head(READ.path, b"http", authority.encode(), head_fields(None)))
        message = ReadRequest(id="order-123456").SerializeToString()
        self._body = pack_prefix(0, len(message)) + message
        # Each call has a trace of its own, as a call at the root has: an overloaded server chooses by the trace what it rejects.
        timeout = literal(b"grpc-timeout", f"{TIMEOUT:.0f}S".encode())
        self._literals = cycle(
            timeout + literal(b"traceparent", f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00".encode()) for _ in range(_TRACES)
        )
        self._closed_until = 0.0
        self._last_due = perf_counter()
        self._random = random.Random(1)

    async def step(self, rate: float, seconds: float, skipped: float) -> Step:
        """Load the server for `seconds`, and wait for all calls."""
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
        """Count the end of a call that was due at `due`. An empty `failure` is a success."""
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
