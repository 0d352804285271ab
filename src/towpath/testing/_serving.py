"""Services of a test, started as production starts them: each an `App` with the whole stack, on a free port, or on a node of a simulation.

A system's services find one another by the names under which they call one another: each has all of the others among its targets. What a
test is not to depend on is different from production: TLS is off, the environment is not read, there is one process, and outside of
simulations it stops without settling.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar, cast

from towpath._app.client import Channel
from towpath._app.decision_callback import DecisionCallback
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._app.settings.suggest import suggestion
from towpath._app.settings.targets import ConfiguredTarget, normal_name
from towpath._app.sync_client import SyncChannel
from towpath._core.errors import SetupError
from towpath._core.service import Layer
from towpath._layers.idempotency.store import IdempotencyStore
from towpath.testing._loop import VirtualLoop
from towpath.testing._loop_thread import LoopThread
from towpath.testing._network import Network
from towpath.testing._served import Member, Run, Served, Serves

T = TypeVar("T")


class System(Mapping[str, Served]):
    """Services that a test has started together, by their names."""

    def __init__(self, members: Mapping[str, Served]) -> None:
        self._members = members

    def __getitem__(self, name: str) -> Served:
        """The service `name`. Raises KeyError that lists the names there are."""
        if name not in self._members:
            raise KeyError(f"there is no service {name!r}; {suggestion(name, self._members, kind='services')}")
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def channel(self, name: str) -> Channel:
        """A channel to the service `name` (see `Served.channel`)."""
        return self[name].channel

    def sync_channel(self, name: str) -> SyncChannel:
        """A channel to the service `name` for sync clients (see `Served.sync_channel`)."""
        return self[name].sync_channel


class Serving(AbstractAsyncContextManager[T], Generic[T]):
    """What `serving` and `serving_system` return. `async with` serves in the running loop, and `with` in a loop and a thread of its own."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._entered: AbstractAsyncContextManager[T] | None = None
        self._thread: LoopThread[T] | None = None

    async def __aenter__(self) -> T:
        self._once()
        entered = self._entered = self._make()
        return await entered.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._entered is not None:
            entered, self._entered = self._entered, None
            await entered.__aexit__(kind, error, traceback)

    def __enter__(self) -> T:
        self._once()
        thread = LoopThread(self._make)
        value = thread.enter()
        self._thread = thread
        return value

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            thread, self._thread = self._thread, None
            thread.leave()

    def _once(self) -> None:
        if self._entered is not None or self._thread is not None:
            raise RuntimeError("this is served already; call serving(...) for each `with`")


def serving(
    serves: Serves,
    *,
    name: str = "service",
    config: ServiceConfig | Path | None = None,
    layers: Sequence[Layer] = (),
    idempotency: IdempotencyStore | None = None,
    on_decision: DecisionCallback | None = None,
) -> Serving[Served]:
    """Serve one service with production's stack, on a free port of 127.0.0.1, or in a simulation on the node `name`. The parameters are
    those of `Member`. At the end of the `with` block its own channels
    are closed with their calls, and calls over others have the configured grace.

    `async with` serves in the loop of the test, and `with` in another one, in a thread. Entering raises what the start of the service
    raises: SetupError, and any error of its `main`."""

    @asynccontextmanager
    async def served() -> AsyncGenerator[Served]:
        member = Member(serves, config, layers, idempotency, on_decision)
        async with _started({name: member}) as system:
            yield system[name]

    return Serving(served)


def serving_system(members: Mapping[str, Serves | Member] | None = None, /, **named: Serves | Member) -> Serving[System]:
    """Serve several services, each with production's stack: on free ports of 127.0.0.1, or in a simulation on nodes of their names. Each
    has all of them among its targets, by their names, with the options that its settings have for the target.

    A service is a `Member`, or what a member serves; fakes stand in for services that the test is not about. They are started in the order
    of the names and stopped in the reverse order. Names that are no identifiers are given in a mapping. Entering raises SetupError without
    members, for two names that differ only in case, `-` or `_`, and what the start of a service raises; those that have started are stopped
    then."""
    given = {**(members or {}), **named}

    @asynccontextmanager
    async def system() -> AsyncGenerator[System]:
        if not given:
            raise SetupError("serving_system was given no service; give each by its name: serving_system(catalog=FakeCatalogService())")
        normal = [normal_name(name) for name in given]
        if len(set(normal)) < len(normal):
            raise SetupError(f"serving_system was given {', '.join(given)}; two of these differ only in case, '-' or '_'")
        async with _started({name: one if isinstance(one, Member) else Member(one) for name, one in given.items()}) as started:
            yield started

    return Serving(system)


@asynccontextmanager
async def _started(members: Mapping[str, Member]) -> AsyncGenerator[System]:
    loop = asyncio.get_running_loop()
    network = cast("Network", loop.wires) if isinstance(loop, VirtualLoop) else None
    async with AsyncExitStack() as stack:
        runs: dict[str, Run] = {}
        for name, member in members.items():
            node = None if network is None else network.nodes.get(name) or network.node(name)
            if node is not None and not node.up:  # an earlier block has crashed it
                node.restart()
            run = runs[name] = Run(name, member, node)
            stack.callback(run.close_socket)
        addresses = {name: run.address for name, run in runs.items()}
        for run in runs.values():
            await run.begin(_config(run.member, addresses, simulated=network is not None))
            stack.push_async_callback(run.end)
        for run in runs.values():
            stack.push_async_callback(run.close_channels)
        yield System({name: Served(run) for name, run in runs.items()})


def _config(member: Member, addresses: Mapping[str, str], *, simulated: bool) -> ServiceConfig:
    """The settings of `member`, as far as a test has them."""
    given: object = ServiceConfig() if member.config is None else member.config
    if isinstance(given, str):
        raise SetupError(f"config is the text {given!r}; give Path({given!r}) for a service file, or a ServiceConfig")
    config = load(given, {}) if isinstance(given, Path) else given
    targets = dict(config.targets)
    for name, address in addresses.items():
        target = targets.get(normal_name(name))
        targets[normal_name(name)] = replace(target, address=address) if isinstance(target, ConfiguredTarget) else address
    config = replace(config, targets=targets, tls=None, client_tls=None, workers=1, worker=None, listen_fd=None, notify_fd=None)
    return replace(config, insecure=True) if simulated else replace(config, settle=0.0)
