"""Each bug in a process of its own, called over 127.0.0.1, and looked at with `towpath blocks`, `towpath tasks` and the log."""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from labs.report import Claim, Finding, Panel, Report, Series
from labs.work.v1.work_pb2 import ReadRequest, WriteRequest
from labs.work.v1.work_towpath import WorkServiceClient
from towpath import CallOptions, RpcError
from towpath.transport import Channel

BUGS: Final = ("blocking", "lock", "deadlock", "leak")

CALLS: Final = 10
"""Calls of either method that are under way together."""

PATIENCE: Final = 60.0
"""Seconds within which a bug has to show. It shows in one or two, unless the machine stands still."""

TIMEOUT: Final = 60.0
"""Seconds that a call may take, so that one that hangs is there to be looked at."""

_ROOT: Final = Path(__file__).parents[3]


@dataclass
class Shop:
    """A running shop."""

    address: str
    admin: str
    process: int
    log: list[str] = field(default_factory=list[str])

    async def told(self, command: str) -> Any:
        """What `towpath COMMAND --json` says of it."""
        arguments = ("-m", "towpath", command, self.admin, "--json")
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        return json.loads(output)


@dataclass(frozen=True)
class Found:
    """What the tools said of one shop."""

    bug: str
    fixed: bool
    root_cause: str
    """The line of code and what it does; empty if nothing was found."""
    asked: int = 1
    """How often the tools were asked."""


@asynccontextmanager
async def shop(bug: str, *, fixed: bool) -> AsyncGenerator[Shop]:
    """Start a shop with the bug, and stop it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "towpath.toml"
        file.write_text(
            '[service]\nname = "shop"\nadmission = "off"\nadmin = "127.0.0.1:0"\ngrace = "0.1s"\n[telemetry]\nleaked_task_after = "1s"\n'
        )
        environment = {**os.environ, "TOWPATH_CONFIG": str(file), "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, sys.path)])}
        arguments = ("-m", "labs.experiments.blocked_loop.shop", bug, *(("fixed",) if fixed else ()))
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment, stderr=asyncio.subprocess.PIPE)
        output: Any = process.stderr
        running = Shop("", "", process.pid)
        try:
            async for line in output:
                text = line.decode()
                running.log.append(text)
                if found := re.search(r" (answers probes|serves \S+) on (\S+)", text):
                    if found[1].startswith("serves"):
                        running.address = found[2]
                        break
                    running.admin = found[2]
            reading = asyncio.create_task(_read(output, running.log))
            yield running
            reading.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _read(stream: asyncio.StreamReader, log: list[str]) -> None:
    while line := await stream.readline():
        log.append(line.decode())


async def examined(bug: str, *, fixed: bool) -> Found:
    """Call a shop until its tools name a cause, or, of one that is `fixed`, until all its calls are done."""
    async with shop(bug, fixed=fixed) as running, Channel(running.address, insecure=True) as channel:
        client, options = WorkServiceClient(channel), CallOptions(timeout=TIMEOUT)

        async def call(number: int) -> None:
            try:
                if number % 2:
                    await client.write(WriteRequest(id=str(number)), options)
                else:
                    await client.read(ReadRequest(id=str(number)), options)
            except RpcError:
                return

        calls = [asyncio.create_task(call(number)) for number in range(2 * CALLS)]
        try:
            if fixed:
                await asyncio.gather(*(calls[::2] if bug == "lock" else calls))  # the bank is down: orders wait, prices do not
                return Found(bug, fixed, await _cause(bug, running))
            asked = 1
            async with asyncio.timeout(PATIENCE):
                while not (cause := await _cause(bug, running)):
                    await client.read(ReadRequest(), options) if bug == "leak" else await asyncio.sleep(0.05)
                    asked += 1
            return Found(bug, fixed, cause, asked)
        except TimeoutError:
            return Found(bug, fixed, "")
        finally:
            for task in calls:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


async def _cause(bug: str, running: Shop) -> str:
    return await _CAUSES[bug](running)


async def _blocking(running: Shop) -> str:
    """The code that blocks, as `towpath blocks` names it."""
    for block in await running.told("blocks"):
        if block["cause"] == "code" and block["ended"] and block["by"]:
            line = block["stack"][0]
            return f"{line['file']}:{line['line']} {line['source']}, in {block['by']['method']}"
    return ""


async def _lock(running: Shop) -> str:
    """The task that has a lock for which others wait, as `towpath tasks` names it, and the line at which it waits."""
    tasks = (await running.told("tasks"))["tasks"]
    holders = {task["holder"] for task in tasks if task["holder"]}
    for task in tasks:
        if task["name"] in holders and not task["holder"]:
            line = task["at"][-1]
            return f"{line['file']}:{line['line']} {line['source']}, with the lock"
    return ""


async def _deadlock(running: Shop) -> str:
    """The first ring that `towpath tasks` finds."""
    rings = (await running.told("tasks"))["deadlocks"]
    return "; ".join(rings[0]) if rings else ""


async def _leak(running: Shop) -> str:
    """What the log says of a task that outlives its call."""
    lines = (line.partition("towpath.tasks: ")[2].strip() for line in running.log)
    return next((line for line in lines if "has ended: it waits" in line), "")


_CAUSES: Final[dict[str, Callable[[Shop], Any]]] = {"blocking": _blocking, "lock": _lock, "deadlock": _deadlock, "leak": _leak}

EXPECTED: Final = {
    "blocking": "time.sleep(CHARGED)",
    "lock": "await self._paid.wait()",
    "deadlock": "async with self._",
    "leak": "await self._paid.wait()",
}
"""What has to be in the cause that is named."""

FIXES: Final = {
    "blocking": "the driver is called in a thread (`@blocking`)",
    "lock": "the lock is released before the bank is waited for",
    "deadlock": "both methods take the locks in one order",
    "leak": "the audit is a `background_task` with a timeout",
}


def experiment(seeds: int) -> Report:
    """Run each bug and each fix, once: what is named does not depend on chance."""
    del seeds
    found = [asyncio.run(examined(bug, fixed=fixed)) for bug in BUGS for fixed in (False, True)]
    return Report(
        title="A loop that stands",
        question="A service hangs, or all of its calls are slow. Which line of code is it?",
        claim=Claim(
            text="asyncio's debug mode tells of a callback that took too long, after it has ended and without the line.",
            source='Python 3.14 documentation, "Developing with asyncio"',
        ),
        setup=f"A service with one of four bugs, in a process of its own, and {2 * CALLS} calls at once over 127.0.0.1. It has no debug "
        "mode and no setting but the time after which a leaked task is reported. It is looked at by `towpath blocks`, `towpath tasks` and "
        "its log. Fixes: " + "; ".join(f"{bug}: {fix}" for bug, fix in FIXES.items()) + ".",
        findings=[finding(each) for each in found],
        panels=[
            Panel(
                title="Until the cause is named",
                x_label=", ".join(f"{index}: {bug}" for index, bug in enumerate(BUGS)),
                y_label="questions",
                series=[Series(name="with the bug", x=range(len(BUGS)), y=[each.asked for each in found if not each.fixed])],
            )
        ],
        figures={f"{each.bug}{' fixed' if each.fixed else ''}": each.root_cause for each in found},
    )


def finding(found: Found) -> Finding:
    """What was found of one shop, beside what has to be."""
    if found.fixed:
        return Finding(what=f"{found.bug}, fixed", expected="nothing", measured=found.root_cause or "nothing", holds=not found.root_cause)
    return Finding(
        what=found.bug,
        expected=EXPECTED[found.bug],
        measured=found.root_cause or "nothing",
        holds=EXPECTED[found.bug] in found.root_cause,
    )
