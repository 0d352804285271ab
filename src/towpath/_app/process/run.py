"""`run`: a service as a process, from its configuration to its last call.

The order is fixed: read the configuration, answer probes, call the program's `main`, listen, say READY=1, serve until told to stop, let
running calls end, leave what `main` entered, write the metrics. A signal stops the process in order at any of these points, and a second
signal at once. The end of the parent process has the same effect as a signal (`towpath._app.process.parent_watch`), and so has an exit in a
task of the program (`towpath._app.process.exit_in_task`). A mistake that a person can mend is printed without a traceback, and the process
exits with status 2."""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from towpath._app.application import App
from towpath._app.decision_callback import DecisionCallback
from towpath._app.event_loop import bound_tls_buffers, new_loop
from towpath._app.life_cycle import main_function
from towpath._app.life_cycle.background_work import WorkEnded
from towpath._app.life_cycle.resources import ExitError
from towpath._app.methods import loaded_methods, methods_of
from towpath._app.process.admin_server import admin, local_admin
from towpath._app.process.exit_in_task import OrderlyExit
from towpath._app.process.forced_exit import ForcedExit
from towpath._app.process.freed_memory import FreedMemory
from towpath._app.process.garbage_collector import GarbageCollector
from towpath._app.process.inherited_socket import inherited
from towpath._app.process.inspection.debug_documents import debug_documents, shown
from towpath._app.process.inspection.loop_watch import watched_loop
from towpath._app.process.parent_watch import ParentWatch
from towpath._app.process.process_log import ProcessLog
from towpath._app.process.recorded import recorded
from towpath._app.process.signals import stopping
from towpath._app.process.span_export import exporting, join_user_spans
from towpath._app.reloading import reread
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._app.settings.telemetry.sampling import sampler_of
from towpath._core.calls.thread_handlers import running
from towpath._core.errors import RpcError, SetupError
from towpath._core.propagation import sampling
from towpath._core.service import Layer
from towpath._telemetry.examples import KeptExamples
from towpath._telemetry.exposition import write_exposition
from towpath._telemetry.loop_monitor.block_report import BlockReport
from towpath._telemetry.runtime_metrics import runtime_metrics
from towpath._transport.open_files import raise_limit
from towpath._transport.server.routes import NO_DOCUMENTS, Documents

Main = main_function.Main[App]
"""A service's program. It adds services and asks for channels, and returns or yields when the application is complete."""

_PATIENCE: Final = 2.0
"""Seconds beyond the grace that a process whose parent is gone may take to stop."""

_END: Final = 3.0
"""Seconds beyond the grace that the end may take: the last words of cancelled handlers, and the closing of channels and stores."""

_OWN: Final = ("TOWPATH_LISTEN_FD", "TOWPATH_NOTIFY_FD", "TOWPATH_WORKER")
"""Variables that are for this process alone, and not for its children."""

_OF_A_WORKER: Final = ("TOWPATH_ADMIN", "TOWPATH_METRICS_DUMP")
"""Variables that a supervisor sets for one worker, and that are not for the worker's children either."""

log = logging.getLogger("towpath.app")


def run(
    main: Main,
    *,
    once: Main | None = None,
    config: str | Path | None = None,
    layers: Sequence[Layer] = (),
    on_decision: DecisionCallback | None = None,
) -> None:
    """Run `main`, serve the services that it added until SIGTERM or SIGINT, or until the terminal is gone, and return. `main` is a
    coroutine function, an async generator function that yields once, or makes an async context manager; what is behind its `yield` runs
    after the last call has ended (`docs/howto/life-cycle.md`). A `main` that returns, adds neither service nor background work and mounts
    nothing is a job: the process ends with it. `once` has the same forms, and is for work of the service as a whole: with several workers
    it runs in the process that keeps them, before the first of them is started, and its end after the last has ended. It adds no services.
    After SIGHUP the service file is read anew (see `towpath._app.reloading`). An invalid file is logged and changes nothing.

    `config` is the service file if TOWPATH_CONFIG does not name one. With neither, `towpath.toml` is read if it exists. `layers` are the
    service's own, as for `App`. `App` calls `on_decision` with each decision, in each worker. The loop is uvloop's if that is installed.
    `run` raises the limit on open files to the hard one. A SetupError ends the process with status 2, and an RpcError that `main` lets
    through with status 1, as do background work with the policy "stop" and a resource that fails at the end."""
    process_log = ProcessLog(os.environ)
    raise_limit()
    try:
        main_function.check(main)
        if once is not None:
            main_function.check(once, "`once` of run()")
        environ = dict(os.environ)
        settings = load(None if config is None else Path(config), environ)
        process_log.take(settings)
        read = partial(load, settings.source, environ)  # the file may be gone by then
        # These variables are for this process: a child would take them for its own.
        for variable in _OWN if settings.worker is None else (*_OWN, *_OF_A_WORKER):
            os.environ.pop(variable, None)
        if settings.workers > 1 and settings.worker is None:
            _supervise(settings, process_log.reading(read), once)
            return
        join_user_spans(settings)
        with recorded(settings) as recorder:
            app = App(settings, layers=layers, on_decision=on_decision)
            if recorder is not None:
                KeptExamples(recorder.writer.kept, recorder.writer.names.__getitem__).add_to(app.metrics)
            bound_tls_buffers()
            forced = ForcedExit(lambda: app.config.settle + app.config.grace + _END)
            with GarbageCollector() as collector, forced, asyncio.Runner(loop_factory=new_loop) as runner:
                leaving = OrderlyExit()
                program = _Program(main, once if settings.worker is None else None)
                reload = None if settings.source is None else partial(reread, settings, read, process_log.taking(app.reload))
                leaving.run(runner, _live(app, program, reload, forced, collector, leaving))
        if left := running():
            log.warning("%s ends while %d blocking handlers still run, whose calls have ended", settings.name, left)
    except SetupError as error:
        _fail(error, 2)
    except (RpcError, WorkEnded, ExitError) as error:
        _fail(error, 1)
    except asyncio.CancelledError:
        _fail("stopped before running calls had ended", 1)
    finally:
        process_log.end()


class _Program(NamedTuple):
    main: Main
    once: Main | None


def _supervise(settings: ServiceConfig, read: Callable[[], ServiceConfig], once: Main | None) -> None:
    from towpath._app.process.workers import WorkerFailed, supervise  # noqa: PLC0415 - most services have one worker, and need none of it

    try:
        asyncio.run(supervise(settings, read, once))
    except WorkerFailed as error:
        _fail(error, error.status)


def _fail(reason: object, status: int) -> NoReturn:
    sys.stderr.write(f"error: {reason}\n")
    sys.exit(status)


async def _live(
    app: App, program: _Program, reload: Callable[[], None] | None, forced: ForcedExit, collector: GarbageCollector, leaving: OrderlyExit
) -> None:
    loop, config = asyncio.get_running_loop(), app.config
    forced.extended = lambda: app.state == "starting" and _responds(loop)
    with contextlib.ExitStack() as stack:
        stop_request = stack.enter_context(stopping(reload, forced))
        leaving.stop = stop_request.stop_in_order
        app.background_work.on_stop = stop_request.stop_in_order
        memory = stack.enter_context(FreedMemory())
        stack.enter_context(runtime_metrics(app.metrics, loop))
        report = stack.enter_context(watched_loop(config.telemetry, app.metrics.registry))
        sock = None if config.listen_fd is None else stack.enter_context(inherited(config.listen_fd))
        parent: ParentWatch | None = None
        if config.notify_fd is not None:
            lost = partial(loop.call_soon_threadsafe, stop_request.stop_in_order)
            parent = stack.enter_context(ParentWatch(config.notify_fd, lost, patience=config.settle + config.grace + _PATIENCE))
        async with contextlib.AsyncExitStack() as probes:
            spans = await probes.enter_async_context(exporting(config, app.metrics.registry))
            try:
                if config.admin is not None:
                    address = await probes.enter_async_context(admin(app, config.admin, _debug_documents(config, report)))
                    log.info("%s answers probes on %s", config.name, address)
                await probes.enter_async_context(local_admin(app, debug_documents(report.blocks.last)))
                sampling.use(_sampler(config))
                if await _set_up(app, program):
                    spans.with_user_spans(config)
                    await app.start(sock=sock)
                    served = (*(service.spec.name for service in app.services), *app.mounts)
                    names = ", ".join(served) or "nothing but its background work"
                    log.info("%s serves %s on %s", config.name, names, app.address)
                    collector.start()
                    memory.start()
                    if parent is not None:
                        app.readiness.on_change.append(parent.tell)
                        parent.tell(app.readiness.ready)
                    await loop.create_future()
            except BaseException as error:
                await _closed(app, quietly=not (stop_request and isinstance(error, asyncio.CancelledError)))
                if not stop_request or not isinstance(error, asyncio.CancelledError):
                    raise
            else:
                await _closed(app)
            finally:
                await spans.close()
                if config.metrics_dump is not None:
                    write_exposition(app.metrics.registry, config.metrics_dump)
    if app.background_work.ended is not None:
        raise app.background_work.ended


def _sampler(config: ServiceConfig) -> sampling.Sampler | None:
    """The sampler of the traces that begin in this process."""
    telemetry = config.telemetry
    methods = [*loaded_methods(), *methods_of(config.contracts, config.source)] if config.contracts else loaded_methods()
    return sampler_of(telemetry.sampling, methods if telemetry.sampling.methods else (), exports=telemetry.otlp.export is not None)


def _debug_documents(config: ServiceConfig, report: BlockReport) -> Documents:
    """The documents that tell of tasks and stacks, if the listener may show them. A worker shows them to its supervisor."""
    if config.admin is None or not shown(config.telemetry.loop.debug_documents, config.admin):
        return NO_DOCUMENTS
    return debug_documents(report.blocks.last)


async def _set_up(app: App, program: _Program) -> bool:
    """Call the program. Returns whether there is anything to serve; there is nothing for a job, which is over then."""
    if program.once is not None:
        await app.setup(program.once, serves=False)
    waits = await app.setup(program.main)
    if app.services or app.mounts or app.background_work:
        return True
    if waits:
        raise SetupError("main yields, and has added no service that could be called meanwhile; call app.add(...) before the yield")
    log.info("%s ends: its main has returned and added no service; a service is added with app.add(...)", app.config.name)
    return False


async def _closed(app: App, *, quietly: bool = False) -> None:
    """Close the application, `quietly` if an error is on its way that says more than one of the end: the log has that one all the same."""
    try:
        await app.close()
    except ExitError:
        if not quietly:
            raise


def _responds(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop turns: then a `main` that was cancelled cleans up, which no grace is meant for."""
    turned = threading.Event()
    with contextlib.suppress(RuntimeError):  # closed
        loop.call_soon_threadsafe(turned.set)
    return turned.wait(_END)
