"""A service process for the tests of supervision: the variable ACT says how it behaves. `python -m tests.app.actor`.

serve     an Echo
relay     an Echo that asks the target `echo`
chatty    an Echo that prints half lines, junk and a very long line first
dies      prints last words and exits with status 3
unfit     fails with a SetupError
asks      calls the target `echo` before it serves
hangs     never becomes ready
job       adds no service
stubborn  an Echo that ignores SIGTERM
blocked   an Echo that blocks its loop when it is asked to `Say`
spins     an Echo that computes in its loop when it is asked to `Say`
threads   an Echo that blocks a thread for blocking handlers when it is asked to `Say`
executor  an Echo that blocks a thread of asyncio's when it is asked to `Say`
endures   an Echo that ignores its cancellation when it is asked to `Say`
tidies    a job that takes its time to clean up
exits     an Echo of which `Say` calls sys.exit
leaves    an Echo of which `Say` starts a task that calls sys.exit
interrupts the same, with KeyboardInterrupt
who       an Echo of which `Say` answers with the process's id
starts    the same, and tells which of its own variables a process that it starts would inherit
fragile   an Echo like it, of which worker 1 exits with status 3 while there is a file `broken`
parent    an Echo with a child process of its own, which ignores SIGTERM
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from echo.v1.echo_pb2 import SayRequest, SayResponse
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo, Relay
from towpath import App, Context, SetupError, blocking, run

ACT = os.environ.get("ACT", "serve")
GRANDCHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('grandchild', flush=True); time.sleep(3600)"


class Blocked(Echo):
    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        print("blocking", flush=True)
        time.sleep(3600)  # noqa: ASYNC251 - a handler that does what none should
        return SayResponse()


class Spins(Echo):
    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        print("blocking", flush=True)
        while True:
            pass


class Threads(Echo):
    @blocking
    def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        print("blocking", flush=True)
        time.sleep(3600)
        return SayResponse()


class Executor(Echo):
    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        print("blocking", flush=True)
        await asyncio.to_thread(time.sleep, 3600)
        return SayResponse()


class Endures(Echo):
    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        print("blocking", flush=True)
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)


BLOCKING = {"blocked": Blocked, "spins": Spins, "threads": Threads, "executor": Executor, "endures": Endures}


class Exits(Echo):
    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        sys.exit(3)


class Leaves(Echo):
    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        await asyncio.gather(asyncio.create_task(give_up()))
        return SayResponse()


async def give_up() -> None:
    if ACT == "interrupts":
        raise KeyboardInterrupt
    sys.exit(3)


class Who(Echo):
    async def say(self, request: SayRequest, ctx: Context) -> SayResponse:
        return SayResponse(n=os.getpid())


def wait_for_file() -> None:
    while not Path("tidied").exists():
        time.sleep(0.05)


def broken() -> bool:
    return Path("broken").exists()


async def main(app: App) -> None:
    match ACT:
        case "relay":
            app.add(Relay(EchoServiceClient(app.channel("echo"))))
        case "chatty":
            sys.stdout.buffer.write(b"half a line")
            sys.stdout.buffer.flush()
            sys.stdout.buffer.write(b" and its end\n\xff\x1b[2J\n" + b"x" * 20_000 + b"\n")
            print("to stderr", file=sys.stderr)
            app.add(Echo())
        case "dies":
            print("last words", flush=True)
            sys.exit(3)
        case "unfit":
            raise SetupError("data.bin is damaged; import it again")
        case "asks":
            await EchoServiceClient(app.channel("echo")).say(SayRequest())
        case "hangs":
            print("thinking", flush=True)
            await asyncio.get_running_loop().create_future()
        case "job":
            print("done")
        case "stubborn":
            app.add(Echo())
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "blocked" | "spins" | "threads" | "executor" | "endures":
            app.add(BLOCKING[ACT]())
        case "tidies":
            try:
                print("working", flush=True)
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.to_thread(wait_for_file)
        case "exits":
            app.add(Exits())
        case "leaves" | "interrupts":
            app.add(Leaves())
        case "starts":
            own = [name for name in ("LISTEN_FD", "NOTIFY_FD", "WORKER", "ADMIN", "METRICS_DUMP") if f"TOWPATH_{name}" in os.environ]
            print(f"worker {app.config.worker} would hand on {own}", file=sys.stderr, flush=True)
            app.add(Who())
        case "who":
            app.add(Who())
        case "fragile":
            if app.config.worker == 1 and broken():
                sys.exit(3)
            app.add(Who())
        case "parent":
            child = subprocess.Popen([sys.executable, "-c", GRANDCHILD])  # noqa: ASYNC220 - outlives this on purpose
            print(f"grandchild is {child.pid}", flush=True)
            app.add(Echo())
        case _:
            app.add(Echo())


if __name__ == "__main__":
    run(main)
