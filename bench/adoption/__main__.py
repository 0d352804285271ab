"""`python -m bench.adoption`: what a request costs a mounted application, and a servicer of grpcio's, on towpath and where it comes from.

The figure is the processor's time that the whole server process takes for a request, with the kernel's. Other programs on the machine
change it far less than they change a throughput. h2load is the client over HTTP/1.1, and grpc.aio the one over gRPC; servers take turns.

Exit status: 0; 1 if a server could not be measured; 2 for a wrong argument.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from time import clock_gettime
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.adoption.serve import GRPCIO, NATIVE, PLAIN, TOWPATH, UVICORN
from bench.peers import PEERS
from bench.places import BUILD, LOGS
from bench.processes.children import PeerError, child, completed, cores, python_environment, ready
from bench.stubs import prepare

CASES: Final = {
    **dict.fromkeys(("empty", "starlette", "fastapi", "django"), (UVICORN, PLAIN, TOWPATH)),
    "grpc": (GRPCIO, NATIVE, TOWPATH),
}
"""The servers of each application. The first is what the others are compared with."""

_CONNECTIONS: Final = 64
_STUBS: Final = {TOWPATH: "grpcio", GRPCIO: "grpcio", NATIVE: "towpath"}
_LIMIT: Final = 120.0
"""Seconds that one run of h2load may take."""


@dataclass
class Server:
    """A server that runs, and what was measured of it, request by request."""

    name: str
    address: str
    pid: int
    microseconds: list[float] = field(default_factory=list[float])
    rates: list[float] = field(default_factory=list[float])


def _cpu_seconds(pid: int) -> float:
    """What all threads of a process have used, with the kernel's part, and those that have ended."""
    return clock_gettime(~pid << 3 | 2)  # the clock that clock_getcpuclockid(3) gives, which Python does not have


def _arguments(application: str, address: str, requests: int, *, vary: bool) -> list[str]:
    if application == "grpc":
        return [sys.executable, "-m", "bench.adoption.call", address, str(requests)]
    arguments = ["h2load", "-n", str(requests), "--h1", "-c", str(_CONNECTIONS)]
    if not vary:
        return [*arguments, f"http://{address}/"]
    file = BUILD / "paths.txt"
    file.write_text("".join(f"http://{address}/?n={number}\n" for number in range(requests)))
    return [*arguments, "-i", str(file)]


async def _load(server: Server, application: str, requests: int, *, vary: bool) -> None:
    arguments = _arguments(application, server.address, requests, vary=vary)
    before = _cpu_seconds(server.pid)
    report = await completed(
        arguments, environment=python_environment("grpcio"), log=LOGS / "adoption.client.log", limit=_LIMIT, core=cores()[1]
    )
    spent = _cpu_seconds(server.pid) - before
    text = report.decode()
    found = re.search(r"status codes: (\d+) 2xx", text)
    rate = re.search(r"([\d.]+) req/s", text)
    if found is None or rate is None or int(found[1]) != requests:
        raise PeerError(
            f"{server.name} did not answer all of {application}: {text.strip().splitlines()[-1] if text.strip() else 'nothing'}"
        )
    server.microseconds.append(spent / requests * 1e6)
    server.rates.append(float(rate[1]))


@asynccontextmanager
async def _running(application: str) -> AsyncIterator[list[Server]]:
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        for name in CASES[application]:
            log = LOGS / f"adoption.{application}.{name.replace(' ', '-')}.log"
            argv = [sys.executable, "-m", "bench.adoption.serve", name, application]
            environment = python_environment(_STUBS.get(name, ""))
            process = await stack.enter_async_context(child(argv, core=cores()[0], environment=environment, log=log))
            servers.append(Server(name, await ready(process, log), process.pid))
        yield servers


async def _measured(application: str, requests: int, rounds: int, *, vary: bool) -> list[Server]:
    async with _running(application) as servers:
        for server in servers:
            await _load(server, application, requests, vary=vary)
            server.microseconds.clear()
            server.rates.clear()
        for number in range(rounds):
            turn = number % len(servers)
            for server in servers[turn:] + servers[:turn]:
                await _load(server, application, requests, vary=vary)
        return servers


def _row(application: str, servers: list[Server], *, vary: bool) -> list[list[str]]:
    first = servers[0]
    rows: list[list[str]] = []
    for server in servers:
        ratios = [own / other for own, other in zip(server.microseconds, first.microseconds, strict=True)]
        what = "new paths" if vary else "one path" if application != "grpc" else "one method"
        figures = [f"{median(ratios):.2f}", f"{min(server.microseconds) / min(first.microseconds):.2f}"]
        rows.append([application, what, server.name, *figures, f"{median(server.rates) / median(first.rates):.2f}"])
    return rows


async def _run(options: argparse.Namespace, console: Console) -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    if "grpc" in options.only:
        for short in ("grpcio", "stack"):
            await prepare(next(peer for peer in PEERS if peer.short == short))
    table = Table("application", "asks for", "server", "CPU", "least CPU", "rate", title="of the first server of each application")
    failed = False
    for application in options.only:
        for vary in (False, True) if application != "grpc" else (False,):
            try:
                servers = await _measured(application, options.requests, options.rounds, vary=vary)
            except PeerError as error:
                failed = True
                console.print(f"{application}: {error}", markup=False)
                break
            for row in _row(application, servers, vary=vary):
                table.add_row(*row)
    console.print(table)
    return int(failed)


def main() -> int:
    """Parse, measure, print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.adoption", description="applications of other servers on towpath")
    parser.add_argument("--requests", type=int, default=4000, help="requests of each measurement (default: 4000)")
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each server (default: 9)")
    parser.add_argument("--only", type=_cases, default=tuple(CASES), metavar="NAME,...", help=f"of {', '.join(CASES)}")
    options = parser.parse_args()
    if options.requests < _CONNECTIONS or options.rounds < 1:
        parser.error(f"give {_CONNECTIONS} requests or more, and 1 round or more")
    return asyncio.run(_run(options, Console(highlight=False)))


def _cases(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    strangers = [name for name in names if name not in CASES]
    if strangers:
        raise argparse.ArgumentTypeError(f"no application {', '.join(strangers)}; choose from {', '.join(CASES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
