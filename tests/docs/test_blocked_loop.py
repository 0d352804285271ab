"""The commands of the guide are given for a service that hangs."""

import asyncio
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from labs.experiments.blocked_loop.diagnosis import Shop, shop
from labs.work.v1.work_pb2 import ReadRequest, WriteRequest
from labs.work.v1.work_towpath import WorkServiceClient
from tests.docs.blocks import ROOT, blocks
from towpath.settings import load
from towpath.transport import Channel

PAGE = "docs/howto/blocked-loop.md"
BLOCKS = blocks(PAGE, (ROOT / PAGE).read_text())
COMMANDS = [part for block in BLOCKS if block.kind == "console" for part in block.parts]
(SETTINGS,) = (block.parts[0] for block in BLOCKS if block.kind == "toml")


async def given(command: str, running: Shop, folder: Path) -> tuple[int, str]:
    """The status of a command of the page, and what it prints, of this service instead of the page's."""
    words = shlex.split(
        command.replace("127.0.0.1:9090", running.admin).replace("4711", str(running.process)).replace("--seconds 10", "--seconds 1")
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *words,
        cwd=folder,
        env={**os.environ, "PATH": ""},  # without py-spy
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_the_commands_say_what_the_page_shows(tmp_path: Path) -> None:
    blocks_of, blocks_of_process, tasks, profile, profile_of_process = COMMANDS
    async with shop("deadlock", fixed=False) as running, Channel(running.address, insecure=True) as channel:
        client = WorkServiceClient(channel)
        calls: list[asyncio.Task[Any]] = [
            asyncio.create_task(client.read(ReadRequest())),
            asyncio.create_task(client.write(WriteRequest())),
        ]
        while "DEADLOCK of 2 tasks:" not in (told := (await given(tasks, running, tmp_path))[1]):
            assert not any(call.done() for call in calls)
        assert "waits for a Lock that" in told
        status, told = await given(profile, running, tmp_path)
        assert (status, told.partition(":")[0]) == (0, "flame.html")
        assert "<svg" in (tmp_path / "flame.html").read_text()
        status, told = await given(profile_of_process, running, tmp_path)
        if not Path(sys.executable).with_name("py-spy").exists():
            assert (status, "py-spy is not installed" in told) == (2, True)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    async with shop("blocking", fixed=False) as running, Channel(running.address, insecure=True) as channel:
        while "time.sleep(CHARGED)" not in (await given(blocks_of, running, tmp_path))[1]:
            await WorkServiceClient(channel).write(WriteRequest())
        status, told = await given(blocks_of_process, running, tmp_path)
        assert (status, "time.sleep(CHARGED)" in told) == (0, True)


def test_the_settings_of_the_page_are_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(SETTINGS)
    assert load(tmp_path / "towpath.toml", {}).telemetry.loop == load(None, {}).telemetry.loop
