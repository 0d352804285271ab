"""A simulated network: nodes with names, links between them, and everything that can go wrong with either.

The context tells which node a connection comes from. Code inside a node (`Node.inside`, `Node.start`, and everything that its servers
start) connects from there, so servers and channels run on the network as they are. The network does not simulate TLS, UDP, routes that
differ by size, and congestion between connections; bandwidth is each connection's own.
"""

import asyncio
import contextvars
import errno
import socket
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar, cast

from towpath._layers.admission.loop_lag import simulated_lag
from towpath.testing._cpu import Cpu
from towpath.testing._link import LinkOptions
from towpath.testing._stream import End

T = TypeVar("T")

Tap = Callable[[float, str, str, bytes], None]
"""Hears of bytes as they arrive: the time, the names of the nodes from and to, and the bytes."""

_here: contextvars.ContextVar["Node"] = contextvars.ContextVar("towpath_simulated_node")


class Way:
    """One direction between two nodes."""

    def __init__(self, network: "Network", source: "Node", target: "Node") -> None:
        self.options = network.options
        self.blocked = False
        self.ends: dict[End, None] = {}
        """The sending ends of its connections."""
        self.unblocked: asyncio.Event = asyncio.Event()
        self.unblocked.set()
        self._network = network
        self._source = source
        self._target = target

    def delay(self) -> float | None:
        """Seconds that the next segment takes; None if it never comes through."""
        delay = self.options.delay(self._network.random)
        return None if delay is None else delay + self._source.lag + self._target.lag

    def passed(self, data: bytes) -> None:
        """These bytes have arrived."""
        if self._network.tap is not None:
            self._network.tap(asyncio.get_running_loop().time(), self._source.name, self._target.name, data)

    def block(self) -> None:
        """Hold back arriving bytes."""
        self.blocked = True
        self.unblocked.clear()

    def unblock(self) -> None:
        """Let the bytes through, in the order in which they were sent."""
        self.blocked = False
        self.unblocked.set()
        for end in list(self.ends):
            asyncio.get_running_loop().call_soon(end.pump, context=end.peer.context)


class Node:
    """A machine: a name, an address, a processor. Made by `Network.node`.

    `lag` (seconds, 0) is added to everything that comes and goes, as by a slow network card. `cpu.speed` slows down its work.
    """

    def __init__(self, network: "Network", name: str, address: str, cpu: Cpu) -> None:
        self.name = name
        """The name, to which it resolves."""
        self.address = address
        """The IP address."""
        self.cpu = cpu
        """The processor."""
        self.lag = 0.0
        self.up = True
        """Whether it runs: it does not between `crash` and `restart`."""
        self.ends: dict[End, None] = {}
        """The ends of its open connections."""
        self.listening: dict[int, Listening] = {}
        """The listening sockets by their ports."""
        self._network = network
        self._tasks: dict[asyncio.Task[Any], None] = {}

    @contextmanager
    def inside(self) -> Generator[None]:
        """Code in the `with` block connects from this node."""
        here, lag = _here.set(self), simulated_lag.set(self.cpu.lag)
        try:
            yield
        finally:
            simulated_lag.reset(lag)
            _here.reset(here)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` on this node; a crash cancels it."""
        with self.inside():
            task = asyncio.create_task(work, name=f"{self.name}: {getattr(work, '__qualname__', work)}")
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def listen(self, port: int) -> socket.socket:
        """A listening socket for `Server.start(sock=...)`. Raises OSError if the node listens there already."""
        if port in self.listening:
            raise OSError(errno.EADDRINUSE, f"{self.name}:{port} is in use")
        return cast("socket.socket", Listener(self, port))  # it has as much of a socket's shape as servers look at

    async def work(self, seconds: float) -> None:
        """Spend `seconds` of this node's processor."""
        await self.cpu.work(seconds)

    def crash(self) -> None:
        """End the process: its connections are reset, its ports are closed, and all work of `start` is cancelled."""
        self.up = False
        for listening in list(self.listening.values()):
            listening.close()
        for end in list(self.ends):
            end.crash()
        for task in list(self._tasks):
            task.cancel()

    def restart(self) -> None:
        """The node is there again and runs nothing: listen and start anew."""
        self.up = True


class Listener:
    """As much of a listening socket as servers look at."""

    family = socket.AF_INET

    def __init__(self, node: Node, port: int) -> None:
        self.node = node
        self.port = port

    def getsockname(self) -> tuple[str, int]:
        """The address and the port."""
        return self.node.address, self.port

    def listen(self, backlog: int) -> None:
        """Does nothing: no connection waits to be accepted."""

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Does nothing: the network says when an end is gone."""

    def close(self) -> None:
        """Does nothing: no real socket is open."""


class Listening(asyncio.AbstractServer):
    """A server that accepts."""

    def __init__(self, listener: Listener, factory: Callable[[], Any]) -> None:
        self.factory = factory
        with listener.node.inside():
            self.context = contextvars.copy_context()
        self._listener = listener
        listener.node.listening[listener.port] = self

    async def start_serving(self) -> None:
        """Does nothing: it accepts from the beginning."""

    def close(self) -> None:
        """Accept no connection any more; open connections stay."""
        if self.is_serving():
            del self._listener.node.listening[self._listener.port]

    def is_serving(self) -> bool:
        """Whether it accepts."""
        return self._listener.node.listening.get(self._listener.port) is self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the server runs in."""
        return asyncio.get_running_loop()

    async def wait_closed(self) -> None:
        """Returns at once."""


class Network:
    """Nodes and the links between them. `options` hold for every link that `link` has not changed. `random` draws latency and loss."""

    def __init__(self, random: Random, options: LinkOptions | None = None) -> None:
        self.random = random
        self.options = options or LinkOptions()
        self.tap: Tap | None = None
        """A function that sees each segment on its way; None for none."""
        self.nodes: dict[str, Node] = {}
        """The machines by their names, `outside` among them."""
        self._by_address: dict[str, Node] = {}
        self._names: dict[str, list[Node]] = {}
        self._ways: dict[tuple[Node, Node], Way] = {}
        self._ports = 32768
        self.outside = self.node("outside")
        """The node from which code outside of all nodes connects."""

    def node(self, name: str, *, cpu: Cpu | None = None) -> Node:
        """A new machine. Raises ValueError if the name is taken."""
        if name in self._names:
            raise ValueError(f"there is a node called {name} already")
        number = len(self.nodes) + 1
        node = Node(self, name, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", cpu or Cpu())
        self.nodes[name] = self._by_address[node.address] = node
        self._names[name] = [node]
        return node

    def name(self, name: str, nodes: Iterable[Node]) -> None:
        """Have `name` resolve to all of `nodes`, as a headless service does. Call it again to change that."""
        if name in self.nodes:
            raise ValueError(f"{name} is a node")
        self._names[name] = list(nodes)

    def link(self, one: Node, other: Node, options: LinkOptions) -> None:
        """Replace the link between two nodes, both ways; open connections feel it too."""
        self.way(one, other).options = self.way(other, one).options = options

    def partition(self, some: Iterable[Node], others: Iterable[Node] | None = None) -> None:
        """Hold back everything between `some` and `others` (default: all other nodes), until `heal`."""
        for way in self._between(some, others):
            way.block()

    def heal(self) -> None:
        """End every partition; the bytes that were held back arrive."""
        for way in self._ways.values():
            if way.blocked:
                way.unblock()

    def reset(self, some: Iterable[Node], others: Iterable[Node] | None = None) -> None:
        """Reset the connections between `some` and `others`, at both ends."""
        for way in self._between(some, others):
            for end in list(way.ends):
                end.drop(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _between(self, some: Iterable[Node], others: Iterable[Node] | None) -> list[Way]:
        ones = list(some)
        rest = [node for node in self.nodes.values() if node not in ones] if others is None else list(others)
        return [way for one in ones for other in rest for way in (self.way(one, other), self.way(other, one))]

    def way(self, source: Node, target: Node) -> Way:
        """The one direction from `source` to `target`."""
        way = self._ways.get((source, target))
        if way is None:
            way = self._ways[source, target] = Way(self, source, target)
        return way

    # Called by the loop.

    def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """The addresses of a name. Raises socket.gaierror if there is none."""
        if host in self._by_address:
            return [(host, port)]
        nodes = self._names.get(host)
        if not nodes:
            raise socket.gaierror(socket.EAI_NONAME, f"no simulated node is called {host}")
        return [(node.address, port) for node in nodes]

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """Connect from the node that this code runs on, after a partition has ended. Raises ConnectionRefusedError where no server listens,
        and TimeoutError where nothing comes through."""
        source, target = _here.get(self.outside), self._by_address[self.resolve(host, port)[0][0]]
        there, back = self.way(source, target), self.way(target, source)
        for way in (there, back):
            delay = way.delay()
            if delay is None:
                raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")
            await asyncio.sleep(delay)
            while way.blocked:
                await way.unblocked.wait()
        listening = target.listening.get(port)
        if listening is None or not target.up:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self._ports = 32768 + (self._ports - 32767) % 28232  # Linux's range, all nodes in turn
        loop = asyncio.get_running_loop()
        local, remote = (source.address, self._ports), (target.address, port)
        near, far = End(loop, there, local, remote), listening.context.run(End, loop, back, remote, local)
        near.peer, far.peer = far, near
        for end, way, node in ((near, there, source), (far, back, target)):
            way.ends[end] = node.ends[end] = None
            end.on_lost = _forgetting(end, way, node)
        protocol = factory()
        for end, made in ((far, far.context.run(listening.factory)), (near, protocol)):
            end.set_protocol(made)
            end.context.run(made.connection_made, end)
        return near, protocol

    async def listen(self, factory: Callable[[], Any], sock: Any) -> Listening:
        """Accept at `sock`. Raises TypeError unless `Node.listen` made it."""
        if not isinstance(sock, Listener):
            raise TypeError("a simulated server listens on a simulated socket: start(sock=node.listen(8080), insecure=True)")
        return Listening(sock, factory)


def _forgetting(end: End, way: Way, node: Node) -> Callable[[], None]:
    def forget() -> None:
        node.ends.pop(end, None)
        if not way.blocked:  # its bytes are held back, and come through when the partition heals
            way.ends.pop(end, None)

    return forget
