"""A server of the experiment, in a process of its own: `python -m labs.experiments.ordinary_days.serve SIDE PORT`.

SIDE is one of `SIDES`; PORT is 0 for a free one. The process prints `ready HOST:PORT` once 127.0.0.1 accepts connections. With policies it
is run by `towpath.run`, as services are. SIGTERM ends it as a deployment does: calls under way may finish. It ends at once when its
standard input closes, so that it cannot outlive the run that started it.
"""

import asyncio
import os
import signal
import socket
import sys
import threading

from bench.processes import loop
from labs.experiments.do_no_harm.sides import BARE, NOTHING_SET, STACK, Scripted
from labs.experiments.overload.burning import burn
from towpath import App, run


async def work(text: str) -> str:
    """Do what `text` says: `burn=SECONDS` of the processor, `sleep=SECONDS`, divided by commas. The rest is padding."""
    for step in text.partition(" ")[0].split(","):
        what, _, seconds = step.partition("=")
        if what == "burn":
            burn(float(seconds))
        elif what == "sleep":
            await asyncio.sleep(float(seconds))
    return ""


def _serve_stack(sock: socket.socket) -> None:
    async def main(app: App) -> None:
        app.add(Scripted(work, work))
        _say_ready(sock)

    os.environ["TOWPATH_LISTEN_FD"] = str(sock.fileno())
    run(main)


def _serve_bare(sock: socket.socket) -> None:
    async def main() -> None:
        ending = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
        serving = await BARE.serve(sock, Scripted(work, work), NOTHING_SET)
        _say_ready(sock)
        await ending.wait()
        await serving.close()

    loop.run(main())


def _say_ready(sock: socket.socket) -> None:
    host, port = sock.getsockname()
    print(f"ready {host}:{port}", flush=True)


def end_with_parent() -> None:
    """End this process when its standard input closes."""
    threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 4096):
        continue
    os._exit(0)  # a thread cannot end the process in another way, and there is nothing to save


if __name__ == "__main__":
    end_with_parent()
    {STACK.name: _serve_stack, BARE.name: _serve_bare}[sys.argv[1]](socket.create_server(("127.0.0.1", int(sys.argv[2]))))
