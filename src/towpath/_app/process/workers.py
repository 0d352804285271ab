"""Several worker processes on one port, and the process that keeps them alive.

A Python process uses one core, and `service.workers` is the number of processes. Each has a listening socket of its own at the one address
(SO_REUSEPORT), and the system spreads connections over the sockets. A socket in the file system, or one that this process inherited, is
shared by all workers instead. The supervisor holds the sockets and never accepts. When a worker dies, callers that connect meanwhile wait
in the backlog of its socket until its successor is ready. If the successor dies too, the socket is closed until one is ready, so that a
share of the connections is not left to hang.

Every worker runs the program from its beginning, since a fork would share loops, connections and random state. The first worker starts
alone, and the others once it is ready, so a mistake in the setup is reported once. The supervisor answers probes and scrapers for all
workers (`towpath._app.process.worker_probes`).
"""

import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from towpath._app.application import App
from towpath._app.life_cycle import main_function
from towpath._app.life_cycle.resources import ExitError
from towpath._app.process.child import Child, ending, stop_all
from towpath._app.process.inherited_socket import inherited
from towpath._app.process.inspection.debug_documents import shown
from towpath._app.process.inspection.worker_documents import worker_documents
from towpath._app.process.parent_watch import ParentWatch
from towpath._app.process.signals import StopRequest, stopping
from towpath._app.process.worker_probes import TIMEOUT, State, fetched, probes
from towpath._app.reloading import reread
from towpath._app.settings.service_file import ServiceConfig
from towpath._core import clock
from towpath._core.errors import SetupError
from towpath._telemetry.exposition import Format, blocks, exposition, write_file, written
from towpath._telemetry.merging import merged
from towpath._telemetry.metric_names import WORKER_RESTARTS
from towpath._transport.address import UnixPath, bind, place_of
from towpath._transport.client.connection_backoff import Backoff
from towpath._transport.server.routes import NO_DOCUMENTS, Documents

_PATIENCE: Final = 2.0
"""Seconds beyond settle time and grace that a worker may take to end."""

_SETTLED: Final = 10.0
"""Seconds that a worker has to run for the backoff of its successor to start anew."""

_BACKOFF: Final = Backoff()

log = logging.getLogger("towpath.app")


class WorkerFailed(Exception):
    """A worker ended before it was ready. This process should exit with `status`."""

    def __init__(self, name: str, status: int) -> None:
        self.status = status if status > 0 else 1
        hint = "; its main added no service, and a job needs no workers: set service.workers to 1" if status == 0 else ""
        super().__init__(f"{name} {ending(status)} before it was ready{hint}")


class Listeners:
    """The sockets of the workers: one for each, or one for all."""

    def __init__(self, config: ServiceConfig) -> None:
        self._where = config.listen_where
        self.shared: socket.socket | None = None
        if config.listen_fd is not None:
            self.shared = inherited(config.listen_fd)
        elif isinstance(config.listen, UnixPath) or not hasattr(socket, "SO_REUSEPORT"):
            self.shared = bind(config.listen, self._where)
        self._own: dict[int, socket.socket] = {}
        if self.shared is None:
            # The first bind is without SO_REUSEPORT: with it, a second start of the service would share the port of the first, unnoticed.
            with bind(config.listen, self._where) as probe:
                self.place = place_of(probe)
        else:
            self.place = place_of(self.shared)

    def of(self, worker: int) -> socket.socket:
        """The socket of one worker, which is bound now if it is closed. Raises SetupError."""
        if self.shared is not None:
            return self.shared
        if worker not in self._own:
            self._own[worker] = bind(self.place, self._where, reuse_port=True)
        return self._own[worker]

    def drop(self, worker: int) -> None:
        """Close one worker's socket, so that its connections are refused."""
        listener = self._own.pop(worker, None)
        if listener is not None:
            listener.close()

    def close(self) -> None:
        """Close the supervisor's copies of the sockets. The workers go on accepting at theirs."""
        for worker in list(self._own):
            self.drop(worker)
        if self.shared is not None:
            self.shared.close()


class Worker:
    """One of the worker processes. After the process dies, this has its successor."""

    def __init__(self, index: int, config: ServiceConfig, listeners: Listeners, folder: Path) -> None:
        self.index = index
        self.name = f"worker {index}"
        self.ready = False
        """Whether the process has come to accept calls."""
        self.wants_calls = False
        """Whether it says that it can answer them: the probes of its program may fail."""
        self.restarts = 0
        self.admin = None if config.admin is None else UnixPath(str(folder / f"{index}.sock"))
        self.dump = None if config.metrics_dump is None else folder / f"{index}.prom"
        self.child: Child | None = None
        self.on_change: Callable[[], object] = lambda: None
        self._stale = False
        self._listeners = listeners
        self._since = 0.0

    def metrics(self, form: Format, *, fine: bool) -> str | None:
        """The process's current metrics; None if it does not answer."""
        return None if self.admin is None else fetched(self.admin, f"/metrics{'?buckets=fine' if fine else ''}", form.value)

    async def start(self) -> None:
        """Start the process and wait until it is ready. Raises WorkerFailed, or SetupError if it cannot be started at all."""
        env = {**os.environ, "TOWPATH_WORKER": str(self.index)}
        if self.admin is not None:
            env["TOWPATH_ADMIN"] = str(self.admin)
        if self.dump is not None:
            env["TOWPATH_METRICS_DUMP"] = str(self.dump)
        listener = self._listeners.of(self.index)
        child = self.child = await Child.spawn(self.name, (sys.executable, *sys.orig_argv[1:]), env, listener)
        self._since = clock.now()
        if not await child.ready():
            raise WorkerFailed(self.name, await asyncio.shield(child.exited))
        self.ready = self.wants_calls = True
        child.hear(self._hear)
        self.on_change()
        if self._stale:
            self.reload()

    def _hear(self, ready: bool) -> None:
        if ready != self.wants_calls:
            log.info("%s is %s", self.name, "ready again" if ready else "not ready")
        self.wants_calls = ready
        self.on_change()

    def reload(self) -> None:
        """Make the process read the service file anew, once it is ready: before that the signal would end it."""
        self._stale = not self.ready
        if self.ready and self.child is not None:
            self.child.tell(signal.SIGHUP)

    async def keep(self) -> None:
        """Replace the process whenever it dies; never returns."""
        source = random.Random()
        failures = 0
        while self.child is not None:
            status = await asyncio.shield(self.child.exited)
            await self.child.stop(0)  # and all processes that it started
            failures = 1 if self.ready and clock.now() - self._since >= _SETTLED else failures + 1
            self.ready = self.wants_calls = False
            self.child = None
            self.on_change()
            log.error("%s %s; another one takes its place", self.name, ending(status))
            if failures > 1:
                self._listeners.drop(self.index)
            while self.child is None:
                await asyncio.sleep(_BACKOFF.delay(failures, source))
                self.restarts += 1
                try:
                    await self.start()
                except WorkerFailed:
                    break  # the new child is there; the loop waits for its end
                except SetupError as error:
                    failures += 1
                    log.error("%s cannot be started: %s", self.name, error)  # noqa: TRY400 - a person can mend it, and needs no traceback


class WorkerPool:
    """All workers of a service, and the state of the service as a whole."""

    def __init__(self, config: ServiceConfig, folder: Path, stop_request: StopRequest, beside: App | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._beside = beside
        """What runs beside the workers; None if nothing does."""
        self._tell: Callable[[bool], object] | None = None
        self._told = False
        self.listeners = Listeners(config)
        self.workers = [Worker(index, config, self.listeners, folder) for index in range(config.workers)]
        self._stop_request = stop_request
        self._complete = False
        for worker in self.workers:
            worker.on_change = self._changed
        if beside is not None:
            beside.readiness.on_change.append(lambda _: self._changed())

    @property
    def state(self) -> State:
        """The state of the service. It starts to serve when all of its workers are ready, and serves as long as one of them is and nothing
        that `once` of `run` depends on is missing."""
        if self._stop_request:
            return "stopping"
        if not self._complete or not any(worker.ready for worker in self.workers):
            return "starting"
        missing = self._beside is not None and not self._beside.readiness.ready
        return "unready" if missing or not any(worker.wants_calls for worker in self.workers) else "serving"

    def on_change(self, tell: Callable[[bool], object]) -> None:
        """Call `tell` with True once the service is ready, and whenever that changes."""
        self._tell = tell
        self._changed()

    def _changed(self) -> None:
        ready = self.state == "serving"
        if self._tell is not None and ready != self._told:
            self._told = ready
            self._tell(ready)

    async def start(self) -> None:
        """Start the workers and wait until they are ready. Raises the error of `Worker.start` for the first worker that fails."""
        first, *others = self.workers
        await first.start()
        starting = [asyncio.create_task(worker.start()) for worker in others]
        try:
            await asyncio.gather(*starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.wait(starting)
            raise
        self._complete = True

    async def keep(self) -> None:
        """Replace each worker that dies; never returns."""
        async with asyncio.TaskGroup() as group:
            for worker in self.workers:
                group.create_task(worker.keep())

    def reload(self, _: ServiceConfig) -> None:
        """Make each worker read the service file anew. Each worker checks the file itself."""
        for worker in self.workers:
            worker.reload()

    async def stop(self, patience: float) -> None:
        """Stop all workers at the same time, each within `patience` seconds (see `Child.stop`)."""
        self.listeners.close()
        await stop_all([worker.child for worker in self.workers if worker.child is not None], patience)

    def exposition(self, form: Format, fine: bool) -> Iterator[str]:
        """The metrics of all workers that answer, and how often each was replaced. All workers are asked at once, so one that does not
        answer delays no other."""
        with ThreadPoolExecutor(len(self.workers)) as threads:
            texts = threads.map(partial(Worker.metrics, form=form, fine=fine), self.workers)
            told = _told(zip(self.workers, texts, strict=True))
        yield from self._merged({**told, **self._beside_now(form, fine=fine)}, form)

    def debug_documents(self, config: ServiceConfig) -> Documents:
        """What each worker tells of its tasks and stacks, if the listener may show it."""
        if config.admin is None or not shown(config.telemetry.loop.debug_documents, config.admin):
            return NO_DOCUMENTS
        return worker_documents([(worker.index, worker.admin) for worker in self.workers])

    def last_exposition(self) -> Iterator[str]:
        """The metrics that each worker wrote at its exit, in Prometheus' text format, with all buckets."""
        told = _told((worker, worker.dump.read_text() if worker.dump and worker.dump.is_file() else None) for worker in self.workers)
        if self._beside is not None:
            told["once"] = exposition(self._beside.metrics.registry, fine=True)
        return self._merged(told, Format.TEXT)

    def _beside_now(self, form: Format, *, fine: bool) -> dict[str, str]:
        """The metrics of what runs beside the workers, if anything does. They are read in its loop; this is called in another thread."""
        if self._beside is None:
            return {}
        writing = asyncio.run_coroutine_threadsafe(written(blocks(self._beside.metrics.registry, form, fine=fine)), self._loop)
        try:
            return {"once": writing.result(TIMEOUT).decode()}
        except TimeoutError:
            writing.cancel()
            return {}  # as of a worker that does not answer

    def _merged(self, told: Mapping[str, str], form: Format) -> Iterator[str]:
        """What the workers have told, and how often each was replaced."""
        yield from merged(told)
        yield from blocks(_Restarts(self.workers), form)


class _Restarts(Collector):
    def __init__(self, workers: Iterable[Worker]) -> None:
        self._workers = workers

    def collect(self) -> Iterable[Metric]:
        """The counter `towpath_worker_restarts_total`, by worker."""
        found = CounterMetricFamily(WORKER_RESTARTS.name, WORKER_RESTARTS.help, labels=WORKER_RESTARTS.labels)
        for worker in self._workers:
            found.add_metric([str(worker.index)], worker.restarts)
        return [found]


def _told(texts: Iterable[tuple[Worker, str | None]]) -> dict[str, str]:
    return {str(worker.index): text for worker, text in texts if text is not None}


async def supervise(config: ServiceConfig, read: Callable[[], ServiceConfig], once: main_function.Main[App] | None = None) -> None:
    """Run `config.workers` copies of this program until a stop is requested, and stop them in order. `read` reads the service file anew.
    `once` is set up before the first of them, in this process, and ends after the last.

    Raises SetupError if the address cannot be had, and WorkerFailed if a worker ends before it was ready for the first time. Raises
    WorkEnded for background work of `once` with the policy "stop", and ExitError if a resource of `once` fails at its end.
    """
    loop = asyncio.get_running_loop()
    patience = config.settle + config.grace + _PATIENCE
    app = None if once is None else App(config)
    with contextlib.ExitStack() as stack:
        pool: WorkerPool | None = None

        def reload(read_now: ServiceConfig) -> None:
            if pool is not None:
                pool.reload(read_now)

        stop_request = stack.enter_context(stopping(None if config.source is None else partial(reread, config, read, reload)))
        if app is not None:
            app.background_work.on_stop = stop_request.stop_in_order
        parent: ParentWatch | None = None
        if config.notify_fd is not None:
            lost = partial(loop.call_soon_threadsafe, stop_request.stop_in_order)
            parent = stack.enter_context(ParentWatch(config.notify_fd, lost, patience=patience + _PATIENCE))
        pool = WorkerPool(config, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="towpath-"))), stop_request, app)
        try:
            if config.admin is not None:
                documents = pool.debug_documents(config)
                address = stack.enter_context(probes(config.admin, lambda: pool.state, pool.exposition, documents))
                log.info("%s answers probes on %s", config.name, address)
            if app is not None and once is not None:
                await app.setup(once, serves=False)
                await app.readiness.asked()
            await pool.start()
            log.info("%s: %d workers serve on %s", config.name, config.workers, pool.listeners.place)
            if parent is not None:
                pool.on_change(parent.tell)
            await pool.keep()
        except asyncio.CancelledError:
            if not stop_request:
                raise
        finally:
            try:
                await _stopped(pool, app, patience)
            finally:
                if config.metrics_dump is not None:
                    write_file(config.metrics_dump, pool.last_exposition())
    if app is not None and app.background_work.ended is not None:
        raise app.background_work.ended


async def _stopped(pool: WorkerPool, app: App | None, patience: float) -> None:
    """Stop the workers, then what ran beside them. Where an error is on its way already, a failure of the latter is for the log alone."""
    failing = sys.exception() is not None
    try:
        await pool.stop(patience)
    finally:
        if app is not None:
            try:
                await app.close()
            except ExitError:
                if not failing:
                    raise
