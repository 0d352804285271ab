"""The page about browsers: its table is a service file, and its request is answered as it says."""

import asyncio
import re
from pathlib import Path

from tests.library_service import Library
from tests.programs import needed
from towpath import App
from towpath.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "browser.md").read_text()
TABLE = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
COMMAND, *LINES = re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)[0].splitlines()


async def test_its_request_is_answered_as_it_says(tmp_path: Path) -> None:
    needed("curl")
    (tmp_path / "towpath.toml").write_text(TABLE)
    async with App(load(tmp_path / "towpath.toml", {})) as app:
        app.add(Library())
        await app.start("127.0.0.1", 0)
        process = await asyncio.create_subprocess_shell(
            COMMAND.replace("curl", "curl -sS").replace("127.0.0.1:8080", app.address), stdout=asyncio.subprocess.PIPE
        )
        said = (await process.communicate())[0].decode().splitlines()
    assert {line for line in LINES if line != "..."} <= set(said)
