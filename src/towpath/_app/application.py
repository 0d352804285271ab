"""`App`: the services of one process, the channels that they call through, and the server that serves them.

In production `towpath.run` makes the `App` from configuration, and decides when it starts and stops. A test makes an `App` itself, starts
it on a free port and gets exactly the stack that production has. An `App` reads neither files nor environment: its maker does.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any, Literal, Self, TypeVar, cast

from prometheus_client import CollectorRegistry

from towpath._app.client import Channel
from towpath._app.configured_server import configured_server, listening_socket
from towpath._app.decision_callback import DecisionCallback, with_callback
from towpath._app.forward import is_forwarded
from towpath._app.life_cycle import main_function
from towpath._app.life_cycle.background_work import BackgroundWork, OnEnd, Restart, Work
from towpath._app.life_cycle.readiness import DEFAULT_EVERY, DEFAULT_TIMEOUT, Probe, Readiness
from towpath._app.life_cycle.resources import LAST_WORDS, Resources
from towpath._app.methods import check_targets, configured_methods
from towpath._app.mounted_applications import MountedApplications
from towpath._app.named_layers import named_layers
from towpath._app.reloading import taken_over
from towpath._app.server_stack import ServerStack
from towpath._app.settings.idempotency_store import OpenableStore, check_keys, store_of
from towpath._app.settings.own.own_settings import tell_unread
from towpath._app.settings.quotas_and_bulkheads import rate_store_of
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.targets import ConfiguredTarget
from towpath._app.standard.health import Health, ServingStatus
from towpath._app.sync_client import SyncChannel
from towpath._core import clock
from towpath._core.background import count_applications, finish_background_tasks
from towpath._core.calls.sync_calls import LoopRunner
from towpath._core.errors import SetupError
from towpath._core.service import Layer, MethodSpec, Service
from towpath._layers.idempotency.store import IdempotencyStore
from towpath._layers.own_layers import checked_layers
from towpath._layers.quota import RateStore
from towpath._telemetry.flight_recorder.process_recorder import of_process
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Server
from towpath._transport.server.mounts.mount import AsgiApp, LifespanMode, MaxBody

T = TypeVar("T")


class App:
    """Add services, ask for channels, start, close. An application belongs to the loop that starts it, and `async with` closes it.

    `config` defaults to a configuration without targets and settings. `registry` defaults to a new one, so that two applications in one
    process count apart. `metrics` has it. `layers` are the service's own layers, the first of them outermost. They stand between the
    default stack and the handlers. `idempotency` is the store that keeps answers by idempotency key; by default `service.idempotency` names
    it. The application opens and closes the store.

    `on_decision` is called with each `Decision` of this server and of its channels (`docs/howto/log-rejected-calls.md`). It must be a plain
    function, and quick. An exception that it raises is logged and fails no call. Raises SetupError if it is async, and for one of `layers`
    that is no layer.
    """

    def __init__(
        self,
        config: ServiceConfig | None = None,
        *,
        registry: CollectorRegistry | None = None,
        layers: Sequence[Layer] = (),
        idempotency: IdempotencyStore | None = None,
        on_decision: DecisionCallback | None = None,
    ) -> None:
        self.config = config or ServiceConfig()
        if idempotency is None:
            idempotency = store_of(self.config.idempotency, self.config.idempotency_where, self.config.idempotency_memory)
        self._store = idempotency
        self._rates = rate_store_of(self.config.quota_store, self.config.quota_store_where)
        self.metrics = CallMetrics(registry, by=self.config.telemetry.metrics.by, max_series=self.config.telemetry.metrics.series)
        self._signal = with_callback(self.metrics.decisions, on_decision)
        own = checked_layers(layers, "layers")
        self._stack = ServerStack(self.metrics, own=own, store=self._store, rates=self._rates, signal=self._signal, recorder=of_process())
        self.health: Health | None = None
        """The service `grpc.health.v1.Health`, once the application has started."""
        self.state: Literal["starting", "serving", "stopping"] = "starting"
        """Whether the application is ready for calls: it is so while "serving"."""
        self._services: list[Service] = []
        self._mounted = MountedApplications()
        self._channels: dict[ConfiguredTarget, Channel] = {}
        self._server: Server | None = None
        self._opened: list[OpenableStore] = []
        self._names_checked = False
        self.readiness = Readiness(self.metrics.registry)
        """What the service depends on, and whether all of it is there (see `ready`)."""
        self.background_work = BackgroundWork(self.metrics.registry, self.readiness.fail)
        """The work that goes on beside the calls (see `background`)."""
        self.readiness.on_change.append(self._tell_health)
        self._resources = Resources()
        self._serves_here = True
        self._own: dict[type, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that were added, in order."""
        return tuple(self._services)

    @property
    def address(self) -> str:
        """`host:port` or `unix:path` as bound; empty before `start`."""
        return self._server.address if self._server is not None else ""

    def add(self, *services: Service) -> None:
        """Serve `services` too. Raises RuntimeError once the application has started, since a server's methods are fixed then, and
        SetupError for anything but objects of generated service classes."""
        if self._server is not None:
            raise RuntimeError("the application has started; add every service before")
        for service in services:
            given = cast("object", service)
            if isinstance(given, type):
                raise SetupError(f"app.add was given the class {given.__name__}; give an object of it: app.add({given.__name__}())")
            if not isinstance(given, Service):
                raise SetupError(f"app.add was given an object of {type(given).__name__}; give objects of generated service classes")
        if not self._serves_here:
            raise SetupError("app.add was called in `once`, which runs beside the workers; add services in main")
        self._services.extend(services)

    def add_layers(self, *layers: Layer) -> None:
        """Put the service's own `layers` around its handlers, inside those that the application has already. It is for layers that need
        settings or resources. Raises RuntimeError once the application has started, and SetupError for what is no layer."""
        if self._server is not None:
            raise RuntimeError("the application has started; add every layer before")
        if not self._serves_here:
            raise SetupError("app.add_layers was called in `once`, which runs beside the workers; add layers in main")
        self._stack.add_own(checked_layers(layers, "app.add_layers"))

    async def setup(self, main: main_function.Main[Self], *, serves: bool = True) -> bool:
        """Call `main` with this application, as `run` does: a coroutine function, an async generator function that yields once, or a
        function or class that makes an async context manager. What is behind the `yield`, and `__aexit__`, run when the application closes,
        after the last call has ended. Returns whether `main` has such an end. Without `serves`, `main` may add no service.

        Raises what `main` raises, and SetupError for a `main` of another form."""
        main_function.check(main, "app.setup()")
        self._serves_here = serves
        try:
            manager = await main_function.begin(main, self)
        finally:
            self._serves_here = True
        if manager is None:
            return False
        self._resources.add(getattr(main, "__name__", "main"), manager)
        return True

    async def enter(self, manager: AbstractAsyncContextManager[T] | AbstractContextManager[T]) -> T:
        """Enter a context manager, such as a pool of connections, and return what it gives. It is left when the application closes, after
        the last call and all background work have ended. What was entered last is left first. Raises SetupError for what is no context
        manager, and what entering it raises."""
        return await self._resources.enter(manager)

    def background(
        self, work: Work, *, name: str | None = None, on_end: OnEnd = "unready", restart: Restart = "never"
    ) -> "asyncio.Task[Any]":
        """Run the coroutine `work` beside the calls until the application closes. It is cancelled then, after the last call, and before
        resources are left. Work that ends before is logged, counted in `towpath_background_deaths_total`, and `on_end` says what follows:
        "unready" makes the service not ready for good, "stop" stops the process in order with status 1, "log" does no more. With `restart`
        "on_failure" `work` is a function, and what raises is begun anew first, up to five times in a row, after 1 to 16 s. Its calls belong
        to no other call. `name` is that of the function by default. Raises SetupError for what is no coroutine. See `background_task`."""
        return self.background_work.start(work, name, on_end, restart)

    def ready(self, name: str, probe: Probe, *, every: float = DEFAULT_EVERY, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Ask the async function `probe` now and then `every` so many seconds whether what it asks for is there. While it raises, returns
        False, or takes longer than `timeout` seconds, the service is not ready: `/readyz` answers 503 with `name`, `grpc.health`
        NOT_SERVING, and a supervisor is told. Calls are served all the same. Each change is logged once.

        Raises SetupError for a probe that cannot be asked, a name that is taken, and RuntimeError once the application has started."""
        if self._server is not None:
            raise RuntimeError("the application has started; name every probe before")
        self.readiness.add(name, probe, every, timeout)

    @property
    def mounts(self) -> tuple[str, ...]:
        """The paths at which applications were mounted, in order."""
        return self._mounted.names

    def mount(self, prefix: str, app: AsgiApp, *, max_body: MaxBody = "message_limit", lifespan: LifespanMode = "auto") -> None:
        """Serve an ASGI application, such as FastAPI's, Starlette's or Django's, on the same port over HTTP/1.1 and HTTP/2. It gets the
        path `prefix` and all paths below; at "/" it gets every path that no service has. `docs/howto/mount-an-asgi-app.md` has an example.

        `max_body` is how many bytes the body of a request may have. It defaults to the service's message limit, and None allows any number.
        The application is started before the server listens, and ended after the last call, by its lifespan; with the `lifespan` "off" it
        hears of neither. `start` raises SetupError if the application does not start, or if a service has a path below `prefix`.

        Raises SetupError for what is no application, or no path for one, and RuntimeError once this application has started."""
        if self._server is not None:
            raise RuntimeError("the application has started; mount every other one before")
        if not self._serves_here:
            raise SetupError("app.mount was called in `once`, which runs beside the workers; mount applications in main")
        self._mounted.add(prefix, app, max_body=max_body, lifespan=lifespan)

    def settings_of(self, into: type[T]) -> T:
        """The service's own settings, `[settings]` of the service file and the variables TOWPATH_SETTINGS_<NAME>, as an object of the class
        `into`: a frozen `msgspec.Struct` or a frozen dataclass. It is made once for each class.

        Raises SetupError that names file and field, or the variable, for a value that does not fit, a key that the class does not have, and
        a field without a default that neither file nor environment set."""
        if into not in self._own:
            self._own[into] = self.config.own.read(into)
        return self._own[into]

    async def store(self) -> IdempotencyStore | None:
        """The open store of answers by idempotency key; None if idempotency is off. A handler may have its effects in the store's
        transactions, so that effect and answer are written together (`docs/howto/idempotency.md`). Raises SetupError if the store cannot be
        opened."""
        await self._open_stores()
        return self._store

    def channel(self, name: str) -> Channel:
        """The channel to the target with the logical name `name`, made on first use and closed with the application.

        Raises SetupError that lists the known targets if `name` is not one, for a name in `[[methodConfig]]` that no method has, and for a
        layer of the target's `layers` that cannot be had.
        """
        target = self.config.target(name)
        channel = self._channels.get(target)
        if channel is None:
            self._check_names()
            channel = self._channels[target] = Channel(
                target.address,
                config=self.config,
                metrics=self.metrics,
                tls=self.config.client_tls,
                insecure=self.config.insecure,
                options=target.options,
                resilience=target.resilience,
                limits=target.limits,
                signal=self._signal,
                layers=named_layers(target.layers, target.layers_where),
            )
        return channel

    def sync_channel(self, name: str) -> SyncChannel:
        """The channel to the target with the logical name `name`, for generated sync clients in handlers that run in threads. The current
        loop makes the calls, over the connections of `channel`. They inherit the context of the call that is being handled. Raises
        SetupError as `channel` does."""
        channel, runner = self.channel(name), LoopRunner(asyncio.get_running_loop())
        return SyncChannel(lambda: channel, lambda: runner)

    async def start(self, host: str | None = None, port: int | None = None, *, sock: socket.socket | None = None) -> None:
        """Listen and serve. `sock` is a listening socket, which the application then owns. Without it the server listens on `host` and
        `port`, and each of them defaults to the configured one.

        `grpc.health.v1` is served too. Unless the configuration switches them off, so are `grpc.reflection` and, for contracts with
        bindings of `google.api.http`, the OpenAPI document at `/openapi.json`: to callers that the server trusts, or to all if the
        configuration says so. A service of the application that has the name of one of these is served in its place.

        With probes of `ready` this waits until each was asked once. Where this is cancelled or raises, nothing listens, and `close` ends
        the rest.

        Raises SetupError if the address cannot be had, if a service was added twice, if the configuration names a method that none of the
        services has, or if a contract declares keys and no store keeps the answers for all workers.
        """
        if self._server is not None:
            raise RuntimeError("the application has started already; make another one")
        try:
            self._check_names()
            self._check_keys()
            if not self._own and self.config.worker in (None, 0):
                tell_unread(self.config.own, self.config.source)
            health = Health(service.spec.name for service in self._services)
            layers = self._stack.layers(self.config, self._methods())
            server = configured_server(
                self.config,
                self._services,
                health,
                methods=self._methods(),
                layers=layers,
                mounts=self._mounted.mounts,
                signal=self._signal,
            )
            await self._open_stores()
            await self._mounted.start()
            await self.readiness.asked()
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        sock = sock or listening_socket(self.config, host, port)
        self._server = server
        await server.start(sock=sock, tls=self.config.tls, insecure=self.config.insecure)
        self.health = health
        health.set_ready(self.readiness.ready)
        health.set_all(ServingStatus.SERVING)
        self.state = "serving"
        count_applications(1)

    def _tell_health(self, ready: bool) -> None:
        if self.health is not None:
            self.health.set_ready(ready)

    def reload(self, config: ServiceConfig) -> None:
        """Take over the settings of `config` that can change while calls are under way (see `towpath._app.reloading`). They hold for calls
        that begin from now on, those of existing clients included. Raises SetupError for a setting that cannot hold here, and then nothing
        has changed."""
        configured_methods(config)
        settings = taken_over(self.config, config)
        for channel in self._channels.values():
            channel.check(settings.methods)
        if self._server is not None:
            self._server.recompose(self._stack.layers(settings, self._methods()))
        for channel in self._channels.values():
            channel.reload(settings.methods)
        self.config = settings

    def _check_names(self) -> None:
        """Check that the methods exist which `[[methodConfig]]` names. This is done once, so that the log has each warning once."""
        if not self._names_checked:
            configured_methods(self.config)
            check_targets(self.config)
            self._names_checked = True

    def _check_keys(self) -> None:
        config = self.config
        own = [method for service in self._services if not is_forwarded(service) for method in service.spec.methods]
        first = config.worker in (None, 0)
        check_keys(self._store, own, config.idempotency_where, workers=config.workers, tells=first)

    def _methods(self) -> Iterator[MethodSpec[Any, Any]]:
        """The methods that a service file may name."""
        for service in self._services:
            yield from service.spec.methods

    async def _open_stores(self) -> None:
        for store in self._stores():
            if store not in self._opened:
                await store.open()
                self._opened.append(store)

    def _stores(self) -> Iterator[OpenableStore]:
        """The stores that are opened and closed with the application."""
        stores: tuple[IdempotencyStore | RateStore | None, ...] = self._store, self._rates
        yield from (store for store in stores if isinstance(store, OpenableStore))

    async def close(self, grace: float | None = None) -> None:
        """Stop without losing a call. The server reports NOT_SERVING, serves calls for the configured settle time, stops accepting, and
        lets calls under way finish, then the background tasks of the loop (`towpath.background_task`), unless another application serves in
        it. Then the applications end that were mounted, background work is cancelled (`background`), and resources are left, the last one
        first (`enter`, `setup`). Then the channels are closed, since all of these may need them until their end.

        After `grace` seconds (default: the configured grace) calls and tasks that still run are cancelled. They are cancelled at once if
        this coroutine is cancelled. What is left of the grace is for resources, and half a second at least. With a grace of 0 there is no
        waiting, and no settle time. Raises RuntimeError, once all is closed, if a resource raised or took longer.
        """
        grace = self.config.grace if grace is None else grace
        wanted = self.state == "serving"
        last = not count_applications(-1 if wanted else 0)
        if self.health is not None:
            self.health.shut_down()
        self.state = "stopping"
        due = clock.now() + grace
        try:
            if self._server is not None:
                try:
                    if wanted and grace:
                        await asyncio.sleep(self.config.settle)
                except asyncio.CancelledError:
                    await self._server.close(0)
                    raise
                due = clock.now() + grace
                await self._server.close(grace)
            if last:
                await finish_background_tasks(max(0.0, due - clock.now()))
        except asyncio.CancelledError:
            due = clock.now()
            raise
        finally:
            await self._leave(due, last=last)

    async def _leave(self, due: float, *, last: bool) -> None:
        """End what goes on beside the calls, leave the resources, by `due` or within a moment, and close what all of these need. Each step
        is taken, also where one before it fails or is cancelled."""
        async with AsyncExitStack() as steps:  # the last one is taken first
            for store in self._stores():
                steps.push_async_callback(store.close)
            steps.push_async_callback(self._close_channels)
            steps.push_async_callback(lambda: self._resources.leave(max(LAST_WORDS, due - clock.now())))
            steps.push_async_callback(self.readiness.close)
            steps.push_async_callback(lambda: self.background_work.close(max(LAST_WORDS, due - clock.now())))
            steps.push_async_callback(lambda: self._mounted.stop(max(0.0, due - clock.now())))
            if last:
                steps.push_async_callback(finish_background_tasks, 0.0)  # where this was cancelled, some are left

    async def _close_channels(self) -> None:
        channels, self._channels = self._channels, {}
        async with AsyncExitStack() as steps:
            for channel in channels.values():
                steps.push_async_callback(channel.close)
