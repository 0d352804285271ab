"""The exporter: what the ring has of sampled calls goes to a collector, in batches, and no call ever waits for it.

Two things go on beside each other. A timer looks into the ring, and puts spans into a bounded queue. One task sends a batch after the
other, and waits where a collector is slow, gone, or asks for a pause. What comes meanwhile waits in the queue, then in the ring, and is
dropped and counted after that. The exporter's own requests are no calls: nothing records them.
"""

import asyncio
import contextlib
import logging
from collections import deque
from itertools import count
from typing import Final

from prometheus_client import CollectorRegistry

from towpath._core import chance, clock
from towpath._telemetry.flight_recorder.ring import Writer
from towpath._telemetry.flight_recorder.row import NUMBERS
from towpath._telemetry.otlp.export_metrics import QUEUE_FULL, REJECTED, SHUTDOWN, ExportMetrics, add
from towpath._telemetry.otlp.options import ExportOptions
from towpath._telemetry.otlp.ring_reader import RingReader
from towpath._telemetry.otlp.sender import ExportError, Sender
from towpath._telemetry.otlp.spans import SpanWriter, request, scope_spans

_LONGEST_LOOK: Final = 0.5
"""Seconds between two looks into a ring in which little happens."""
_SHORTEST_LOOK: Final = 0.02
_PART: Final = 8
"""A look comes before so small a part of the ring is written anew, at the pace of the last look."""
_LARGEST_REQUEST: Final = 3 << 20
"""Bytes of a request. Collectors take 4 MiB."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a batch is sent again, at first and at the most. Each pause is twice the one before, and random between half and all."""
_LONGEST_ASKED: Final = 86_400.0
"""Seconds for which a collector may ask for a pause."""
_JITTER_BITS: Final = 16

log = logging.getLogger("towpath.telemetry")


class _Other(bytes):
    """A span with a scope of its own."""

    __slots__ = ()


class SpanExporter:
    """Sends the spans of this process with `sender`. `resource` is the process as OTLP has it, `version` towpath's.

    `start` it in the loop whose thread writes the ring, and `close` it there.
    """

    def __init__(
        self,
        ring: Writer,
        spans: SpanWriter,
        sender: Sender,
        options: ExportOptions,
        *,
        resource: bytes,
        version: str,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._queue: Final[deque[bytes]] = deque()
        self.metrics: Final = ExportMetrics(registry, options.queue, self._queue.__len__)
        self._ring: Final = ring
        self._reader: Final = RingReader(ring, spans, self.metrics, kept=options.kept)
        self._sender: Final = sender
        self._options: Final = options
        self._resource: Final = resource
        self._scope: Final = scope_spans(version)
        self._oldest = 0.0
        """When the queue got its first span, in seconds of the clock."""
        self._added: Final[deque[bytes]] = deque()
        self._overflow: Final = count()
        self._overflowed = 0
        self._looked = (clock.now(), ring.number)
        self._timer: asyncio.Handle | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready: Final = asyncio.Event()
        self._closing: Final = asyncio.Event()
        self._failing = False
        self._dropped_before = 0
        self._rejecting = False

    def start(self) -> None:
        """Begin to look into the ring."""
        self._task = asyncio.get_running_loop().create_task(self._send_all(), name="towpath-span-export")
        self._look()

    async def close(self, seconds: float) -> None:
        """Send what there is, for at most so many seconds, and end. What is not sent by then is counted as dropped. A second one does
        nothing."""
        if self._closing.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        self._closing.set()
        try:
            if self._task is not None and seconds > 0:
                await asyncio.wait({self._task}, timeout=seconds)
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})
            await self._sender.close()
            if left := len(self._queue) + self._reader.skip():
                add(self.metrics.processed, SHUTDOWN, left)
                self._queue.clear()
            if self._failing:
                log.warning("spans could not be sent to %s at the end: %d were dropped", self._options.endpoint, self._dropped())

    def flush(self) -> None:
        """Send what there is, without waiting for more to go with it."""
        self._take_all()
        self._ready.set()

    def add(self, scope_spans: bytes) -> None:
        """Export a span of another scope, such as a user's. It may be called in any thread."""
        if len(self._added) < self._options.queue:
            self._added.append(scope_spans)
        else:
            next(self._overflow)  # in C, so that no thread comes between

    def _take_added(self) -> None:
        """Put what was added into the queue, and count what had no room."""
        while self._added:
            self._put(_Other(self._added.popleft()))
        dropped = next(self._overflow) - self._overflowed
        self._overflowed += dropped + 1
        if dropped:
            add(self.metrics.processed, QUEUE_FULL, dropped)

    def _take_all(self) -> None:
        """Take what the queue has room for."""
        self._take_added()
        while self._reader.take(self._room, self._put):
            pass
        if self._reader.held and self._room > 0:
            self._reader.release(self._put, every=True)

    @property
    def _room(self) -> int:
        return self._options.queue - len(self._queue)

    def _put(self, span: bytes) -> None:
        if not self._queue:
            self._oldest = clock.now()
        if len(self._queue) < self._options.queue:
            self._queue.append(span)
        else:  # a first attempt that was held back comes as one more
            add(self.metrics.processed, QUEUE_FULL, 1)

    def _look(self) -> None:
        """Take what there is time for, and come again."""
        self._take_added()
        loop = asyncio.get_running_loop()
        if self._reader.take(self._room, self._put):
            self._timer = loop.call_soon(self._look)
        else:
            self._reader.release(self._put)
            self._timer = loop.call_later(self._pause(), self._look)
        if len(self._queue) >= self._options.batch or (self._queue and clock.now() - self._oldest >= self._options.delay):
            self._ready.set()

    def _pause(self) -> float:
        """Seconds until the next look: at the pace of the last ones, that is when a part of the ring was written anew."""
        (before, number), now = self._looked, clock.now()
        written = (self._ring.number - number) % NUMBERS
        self._looked = now, self._ring.number
        pause = (now - before) * self._reader.rows / _PART / written if written else _LONGEST_LOOK
        return min(max(_SHORTEST_LOOK, pause), _LONGEST_LOOK, self._options.delay)

    async def _send_all(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue or self._is_left():
                if not await self._deliver(self._next_batch()) and self._closing.is_set():
                    return
            if self._closing.is_set():
                return

    def _is_left(self) -> bool:
        """Whether, at the end, there was more in the ring than the queue had room for."""
        if self._closing.is_set():
            self._take_all()
        return bool(self._queue)

    def _next_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while self._queue and len(batch) < self._options.batch and size < _LARGEST_REQUEST:
            batch.append(self._queue.popleft())
            size += len(batch[-1])
        return batch

    def _request(self, batch: list[bytes]) -> bytes:
        own = [span for span in batch if not isinstance(span, _Other)]
        return request(self._resource, self._scope, own, (span for span in batch if isinstance(span, _Other)))

    async def _deliver(self, batch: list[bytes]) -> bool:
        """Send a batch until the collector has taken it or must not get it again. Returns whether it took it."""
        metrics, body, pause = self.metrics, self._request(batch), _FIRST_PAUSE
        add(metrics.processed, "", len(batch))
        metrics.in_flight, lost = len(batch), SHUTDOWN
        try:
            while True:
                was_last = self._closing.is_set()
                try:
                    answer = await self._sender.send(body, self._options.timeout)
                except ExportError as error:
                    lost = error.error_type
                    self._failed(error)
                    if not error.is_retryable or was_last:
                        return False
                    asked = error.after
                except Exception as error:
                    lost = type(error).__name__
                    log.exception("spans are not sent: the sender failed")
                    return False
                else:
                    rejected = max(0, min(answer.rejected, len(batch)))
                    lost = ""
                    add(metrics.exported, "", len(batch) - rejected)
                    if rejected:
                        add(metrics.exported, REJECTED, rejected)
                    self._succeeded(rejected, len(batch), answer.message)
                    return True
                wait = pause / 2 * (1 + chance.bits(_JITTER_BITS) / (1 << _JITTER_BITS)) if asked is None else min(asked, _LONGEST_ASKED)
                pause = min(pause * 2, _LONGEST_PAUSE)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._closing.wait()
                    if asked is not None:  # the end comes before the collector wants to hear of this process again
                        return False
        finally:
            metrics.in_flight = 0
            if lost:
                add(metrics.exported, lost, len(batch))

    def _failed(self, error: ExportError) -> None:
        if not self._failing:
            self._failing, self._dropped_before = True, self.metrics.dropped
            log.warning(
                "spans cannot be sent to %s: %s; up to %d wait for it, and no call does",
                self._options.endpoint,
                error,
                self._options.queue,
            )

    def _succeeded(self, rejected: int, of: int, message: str) -> None:
        if self._failing:
            self._failing = False
            log.info("spans are sent to %s again; %d were dropped", self._options.endpoint, self._dropped())
        if (rejected or message) and not self._rejecting:
            log.warning("%s does not keep %d of %d spans: %s", self._options.endpoint, rejected, of, message or "it says no reason")
        elif self._rejecting and not (rejected or message):
            log.info("%s keeps all spans again", self._options.endpoint)
        self._rejecting = bool(rejected or message)

    def _dropped(self) -> int:
        """How many spans were dropped since the collector did not take them."""
        return self.metrics.dropped - self._dropped_before
