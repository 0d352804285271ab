"""A service whose log is as talkative as can be, while what it talks to is gone: no recursion, no standstill, no call that suffers."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.ports import free_port

PATIENCE = 120

SERVER = """
import asyncio
import contextvars
import logging
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService, EchoServiceClient
from towpath import App, blocking, current, run

log = logging.getLogger("shop")
pool = ThreadPoolExecutor(2)


class Exporting(logging.Handler):
    \"\"\"What exporters do wrong: it logs where a record cannot be exported.\"\"\"

    def filter(self, record):  # before the lock of a handler, which would be waited for for ever
        return threading.current_thread().name != "exporting"

    def emit(self, record):
        def export():
            try:
                urllib.request.urlopen("http://127.0.0.1:PORT/v1/logs", timeout=5)
            except OSError as error:
                log.debug("not exported: %s", error, extra={"wrong": object()})
        thread = threading.Thread(target=export, name="exporting")
        thread.start()
        thread.join()


class Echo(EchoService):
    def __init__(self, others):
        self.others = others

    async def say(self, request, ctx):
        loop = asyncio.get_running_loop()
        log.info("in the handler")
        await asyncio.to_thread(log.info, "in to_thread")
        await asyncio.create_task(self.task())
        await loop.run_in_executor(pool, contextvars.copy_context().run, log.info, "in an executor")
        done = asyncio.Event()
        def back():
            log.info("called soon")
            done.set()
        await asyncio.to_thread(loop.call_soon_threadsafe, back)
        await done.wait()
        log.debug("of wrong types %d", "x", extra={"of": object(), "more": {1: object()}})
        return pb.SayResponse(id=request.id)

    async def task(self):
        log.info("in a task")

    @blocking
    def inspect(self, request, ctx):
        log.info("in a thread")
        return pb.InspectResponse()

    async def fail(self, request, ctx):
        raise NotImplementedError

    async def sleep(self, request, ctx):
        raise NotImplementedError


async def main(app: App):
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("shop").addHandler(Exporting())
    app.add(Echo(None))


run(main, config="echo.toml")
"""

CALLER = """
import asyncio, sys
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from towpath import CallOptions, connect

async def main():
    async with connect(sys.argv[1]) as channel:
        client = EchoServiceClient(channel)
        for number in range(3):
            assert (await client.say(pb.SayRequest(id="a"), CallOptions(timeout=120, tenant=f"t{number}"))).id == "a"
            await client.inspect(pb.InspectRequest(), CallOptions(timeout=120, tenant=f"t{number}"))

asyncio.run(main())
"""

PLACES = ("in the handler", "in to_thread", "in a task", "in an executor", "called soon", "in a thread")


def test_each_line_has_its_call_while_the_collector_is_gone(tmp_path: Path) -> None:
    (tmp_path / "echo.toml").write_text('[service]\nname = "echo"\nlisten = "127.0.0.1:0"\n[telemetry.logs]\nlevel = "DEBUG"\n')
    env = {**os.environ, "TOWPATH_LOG_FORMAT": "json", "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    with free_port() as port:
        (tmp_path / "serve.py").write_text(SERVER.replace("PORT", str(port)))
        with subprocess.Popen([sys.executable, "serve.py"], cwd=tmp_path, env=env, stderr=-1, encoding="utf-8") as process:
            assert process.stderr is not None
            try:
                address = next(told for line in process.stderr if " serves " in (told := json.loads(line)["message"])).split()[-1]
                subprocess.run([sys.executable, "-c", CALLER, address], cwd=tmp_path, env=env, check=True, timeout=PATIENCE)
                process.send_signal(signal.SIGTERM)
                lines: list[dict[str, Any]] = [json.loads(line) for line in process.stderr]
                assert process.wait(PATIENCE) == 0
            finally:
                process.kill()
    for place in PLACES:
        found = [line for line in lines if line["message"] == place]
        assert [line["tenant"] for line in found] == ["t0", "t1", "t2"], place
        assert all(line["method"].startswith("echo.v1.EchoService/") for line in found), place
        assert len({line["trace_id"] for line in found}) == 3, place
    assert all(len(line["span_id"]) == 16 for line in lines if "trace_id" in line)
    mistakes = [line for line in lines if line["message"].startswith("of wrong types")]
    assert [line["message"] for line in mistakes] == ["of wrong types %d ('x',) (they could not be formatted: TypeError)"] * 3
    assert all(line["of"].startswith("<object object") for line in mistakes)
    # One for each record of the logger, and none for that one.
    assert len([line for line in lines if line["message"].startswith("not exported")]) == len(
        [line for line in lines if line["logger"] == "shop" and not line["message"].startswith("not exported")]
    )
