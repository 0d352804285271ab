"""Who is measured, and how each one's processes are started."""

import sys
from dataclasses import dataclass
from typing import Final

from bench import suites
from bench.golang import CLIENT, SERVER, go_environment
from bench.processes.children import python_environment
from bench.suites import Suite

BARE: Final = "towpath bare"
STACK: Final = "towpath stack"
ADAPTER: Final = "grpcio adapter"
MOUNTED: Final = "FastAPI mounted"
GRPCIO: Final = "grpcio.aio"
GRPC_GO: Final = "grpc-go"

SERVER_STREAM: Final = "stream"
BIDI_STREAM: Final = "bidi"
LARGE: Final = "large"
JSON: Final = "json"
TLS: Final = "tls"
"""How peers of the other suites are told apart."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`suite` is the name, in `bench.suites`, of what it is measured in; `short` is its name on the command line; `module` the one of
    `bench.stacks`, or empty for grpc-go; `stubs` the folder of the generated code that it imports; `imports` what an application imports
    to use it; `http2` whether it keeps HTTP/2 connections, and is to be measured with idle ones."""

    name: str
    short: str
    module: str
    stubs: str
    imports: str
    http2: bool = False
    suite: str = "UNARY"

    @property
    def work(self) -> Suite:
        """What is measured."""
        found: Suite = getattr(suites, self.suite)
        return found

    def server(self) -> tuple[list[str], dict[str, str]]:
        """Command line and environment of its server."""
        if not self.module:
            return [str(SERVER)], go_environment()
        return [sys.executable, "-m", "bench.processes.serve", self.module], python_environment(self.stubs)

    def client(self, address: str, seconds: float) -> tuple[list[str], dict[str, str]]:
        """Command line and environment of the client that measures windows of `seconds` against `address`."""
        if not self.module:
            return [str(CLIENT), address, str(seconds)], go_environment()
        argv = [sys.executable, "-m", "bench.processes.drive", self.module, self.suite, address, str(seconds)]
        return argv, python_environment(self.stubs)


PEERS: Final = (
    Peer(name=GRPCIO, short="grpcio", module="grpcio_aio", stubs="grpcio", imports="grpc.aio", http2=True),
    Peer(name="grpclib", short="grpclib", module="grpclib", stubs="grpclib", imports="grpclib.client, grpclib.server", http2=True),
    Peer(
        name="connectrpc",
        short="connectrpc",
        module="connectrpc",
        stubs="connectrpc",
        imports="connectrpc.client, connectrpc.server, uvicorn",
    ),
    Peer(name="FastAPI/aiohttp", short="fastapi", module="fastapi", stubs="", imports="fastapi, uvicorn, aiohttp"),
    Peer(name=GRPC_GO, short="grpc-go", module="", stubs="", imports="", http2=True),
    Peer(name=BARE, short="bare", module="towpath_bare", stubs="towpath", imports="towpath", http2=True),
    Peer(name=STACK, short="stack", module="towpath_stack", stubs="towpath", imports="towpath", http2=True),
    Peer(name=ADAPTER, short="grpcio-adapter", module="grpcio_adapter", stubs="grpcio", imports="", http2=True),
    *(
        Peer(name=f"{name}, {work}", short=f"{short}-{work}", module=module, stubs=stubs, imports="", suite=suite)
        for suite, work in (("SERVER_STREAMING", SERVER_STREAM), ("BIDI_STREAMING", BIDI_STREAM), ("LARGE", LARGE))
        for name, short, module, stubs in ((GRPCIO, "grpcio", "grpcio_streams", "grpcio"), (BARE, "bare", "towpath_streams", "towpath"))
    ),
    Peer(name=f"FastAPI, {JSON}", short=f"fastapi-{JSON}", module="fastapi_get", stubs="", imports="", suite="JSON_GET"),
    Peer(name=f"{MOUNTED}, {JSON}", short=f"mounted-{JSON}", module="fastapi_mounted", stubs="", imports="", suite="JSON_GET"),
    Peer(name=f"{STACK}, {JSON}", short=f"stack-{JSON}", module="towpath_rest", stubs="towpath", imports="", suite="JSON_GET"),
    Peer(name=f"{BARE}, {TLS}", short=f"bare-{TLS}", module="towpath_tls", stubs="towpath", imports="", suite="TLS"),
)


def chosen(names: str) -> tuple[Peer, ...]:
    """The peers whose short names `names` lists, separated by commas, in the order of `PEERS`; raises ValueError naming a stranger."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    strangers = wanted - {peer.short for peer in PEERS}
    if strangers or not wanted:
        raise ValueError(f"no peer {', '.join(sorted(strangers)) or 'given'}; choose from {', '.join(peer.short for peer in PEERS)}")
    return tuple(peer for peer in PEERS if peer.short in wanted)
