"""One service of a test: an `App` with the whole stack, at an address that stays."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from towpath._app.application import App
from towpath._app.client import Channel, connect
from towpath._app.decision_callback import DecisionCallback
from towpath._app.life_cycle.main_function import Main
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.sync_client import SyncChannel
from towpath._core.calls.sync_calls import LoopRunner
from towpath._core.errors import SetupError
from towpath._core.service import Layer, Service
from towpath._layers.idempotency.store import IdempotencyStore
from towpath._transport import ChannelOptions
from towpath._transport.address import Address, bind
from towpath.testing._network import Node

Serves = Service | Sequence[Service] | Main[App]
"""What is served: an object of a generated service class, several of them, or the `main` that the service gives to `towpath.run`."""

PORT: Final = 8080
"""The port of a service in a simulation."""

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class Member:
    """One service of a system, with what production would take from elsewhere."""

    serves: Serves
    """What is served."""
    config: ServiceConfig | Path | None = None
    """The settings: values, or a service file, of which no variable of the environment changes anything. None is the defaults."""
    layers: Sequence[Layer] = ()
    """The service's own layers, and `Faults`."""
    idempotency: IdempotencyStore | None = None
    """The store of answers by idempotency key, in place of the configured one."""
    on_decision: DecisionCallback | None = None
    """It is called with each `Decision` of the service's server and channels."""


class Run:
    """A service as it is started and stopped. Made in the loop that it runs in."""

    def __init__(self, name: str, member: Member, node: Node | None) -> None:
        self.name = name
        self.member = member
        self.node = node
        self.loop = asyncio.get_running_loop()
        self.config = ServiceConfig()
        self.app = App()
        self.channel: Channel | None = None
        self.sync_channel: SyncChannel | None = None
        self.socket = node.listen(PORT) if node is not None else bind(Address(_HOST, 0), f"the address of {name}")
        self.port = PORT if node is not None else int(self.socket.getsockname()[1])
        self.address = f"{_HOST if node is None else name}:{self.port}"

    def listen(self) -> None:
        """Have a socket again, at the same address. Raises SetupError if somebody else has it."""
        if self.node is None:
            self.socket = bind(Address(_HOST, self.port), f"the address of {self.name}")
        else:
            self.node.restart()
            self.socket = self.node.listen(PORT)

    async def begin(self, config: ServiceConfig) -> None:
        """Start an application at the socket. Raises SetupError, and what a `main` raises."""
        self.config, member = config, self.member
        app = self.app = App(config, layers=member.layers, idempotency=member.idempotency, on_decision=member.on_decision)
        with self.node.inside() if self.node is not None else nullcontext():
            try:
                await _prepare(app, member.serves)
                if not app.services and not app.mounts:
                    raise SetupError(f"{self.name} has no service; add one with app.add(...) in its main")
                await app.start(sock=self.socket)
            except BaseException:
                await app.close(0)
                raise

    async def end(self) -> None:
        """Stop the application."""
        await self.app.close()

    def close_socket(self) -> None:
        """Close the socket, which belongs to nobody if the application has not started."""
        self.socket.close()

    async def close_channels(self) -> None:
        """Close the channels of the test."""
        async with AsyncExitStack() as steps:
            if self.channel is not None:
                steps.push_async_callback(self.channel.close)
            if self.sync_channel is not None:
                steps.push_async_callback(self.sync_channel.aclose)


async def _prepare(app: App, serves: object) -> None:
    if isinstance(serves, Service):
        app.add(serves)
    elif isinstance(serves, Sequence):
        app.add(*cast("Sequence[Service]", serves))
    elif isinstance(serves, type) and issubclass(serves, Service):
        raise SetupError(f"the class {serves.__name__} is served by an object of it; give {serves.__name__}(...)")
    else:
        await app.setup(cast("Main[App]", serves))


class Served:
    """A service that a test has started."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def name(self) -> str:
        """The name under which the others of a system call it."""
        return self._run.name

    @property
    def address(self) -> str:
        """What clients connect to, `host:port`. It stays when the service is restarted."""
        return self._run.address

    @property
    def app(self) -> App:
        """The application. After `restart` it is another one."""
        return self._run.app

    @property
    def node(self) -> Node:
        """The machine that it runs on in a simulation. Raises RuntimeError outside of one."""
        if self._run.node is None:
            raise RuntimeError(f"{self.name} runs on a port of this machine; a node is what it has in a simulation")
        return self._run.node

    @property
    def channel(self) -> Channel:
        """A channel to the service, for clients in the loop that it runs in. It is closed with the service.

        Raises RuntimeError in any other loop: there, a test has `connect`."""
        run = self._run
        if _running_loop() is not run.loop:
            raise RuntimeError(
                f"{run.name} runs in an event loop of its own; in an `async def` test write `async with served.connect() as channel`, and"
                " in any other one use served.sync_channel"
            )
        if run.channel is None:
            run.channel = self.connect()
        return run.channel

    @property
    def sync_channel(self) -> SyncChannel:
        """A channel to the service, for sync clients, in any thread but that of the loop that the service runs in. It is closed with the
        service."""
        run = self._run
        if run.sync_channel is None:
            runner = LoopRunner(run.loop)
            run.sync_channel = SyncChannel(self.connect, lambda: runner)
        return run.sync_channel

    def connect(
        self, *, config: ServiceConfig | None = None, layers: Sequence[Layer] = (), options: ChannelOptions | None = None
    ) -> Channel:
        """Another channel to the service, with the parameters of `towpath.connect`. Close it, or use it with `async with`."""
        return connect(self.address, config=config, layers=layers, options=options, insecure=self._run.node is not None)

    async def stop(self, grace: float | None = None) -> None:
        """Stop the service as `App.close` does: its address answers no more. Raises RuntimeError in another loop than the service's."""
        self._only_here("stop")
        await self.app.close(grace)

    async def restart(self) -> None:
        """Start the service again, at the address that it had; a `main` is called again. If it still runs it is stopped without grace. In a
        simulation, `node.crash()` before makes its end one without a goodbye. Raises RuntimeError in another loop than the service's,
        SetupError if another process has taken the port, and what the start of a service raises."""
        self._only_here("restart")
        await self.app.close(0)
        self._run.listen()
        await self._run.begin(self._run.config)

    def _only_here(self, what: str) -> None:
        if _running_loop() is not self._run.loop:
            raise RuntimeError(f"{self.name} runs in an event loop of its own; a test that is to {what} it enters it with `async with`")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
