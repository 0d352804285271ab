"""The page about REST: its commands are run against a service with the methods that it shows."""

import asyncio
import re
from pathlib import Path

from tests.file_service import Files
from tests.library_service import Library
from tests.programs import needed
from towpath import App

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "rest.md").read_text()
COMMANDS = re.findall(r"^\$ (curl .*)\n(.*)", "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)


async def test_its_commands_are_answered_as_it_says(tmp_path: Path) -> None:
    needed("curl")
    (tmp_path / "holiday.mp4").write_bytes(bytes(20_000_000))
    async with App() as app:
        app.add(Library(), Files())
        await app.start("127.0.0.1", 0)
        for command, shown in COMMANDS:
            process = await asyncio.create_subprocess_shell(
                command.replace("curl", "curl -sSf" if "titel" not in command else "curl -sS").replace("127.0.0.1:8080", app.address),
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
            )
            said = (await process.communicate())[0].decode()
            assert process.returncode == 0, command
            assert said.startswith(shown.partition("...")[0].removesuffix("}") if shown.startswith("{") else ""), command
    assert len(COMMANDS) == 4
