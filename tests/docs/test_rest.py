"""The page about REST: its commands are run against a service with the methods that it shows."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import LibraryServiceClient

from tests.echo_service import PATIENCE
from tests.file_service import Files
from tests.library_service import Library
from tests.programs import needed
from towpath import App, CallOptions, Context, RpcError
from towpath._core.context import Reply
from towpath._transport import Channel

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "rest.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^\$ (curl .*)\n(.*)", "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)


async def test_its_commands_are_answered_as_it_says(tmp_path: Path) -> None:
    needed("curl")
    async with App() as app:
        app.add(Library(), Files())
        await app.start("127.0.0.1", 0)
        for command, shown in COMMANDS:
            (tmp_path / "holiday.mp4").write_bytes(bytes(20_000_000))  # a download writes it
            process = await asyncio.create_subprocess_shell(
                command.replace("curl", "curl -sSf" if "titel" not in command else "curl -sS").replace("127.0.0.1:8080", app.address),
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
            )
            said = (await process.communicate())[0].decode()
            assert process.returncode == 0, command
            assert said.startswith(shown.partition("...")[0].removesuffix("}") if shown.startswith("{") else ""), command
    assert len(COMMANDS) == 5


async def test_its_handlers_know_of_versions() -> None:
    names: dict[str, Any] = {name: getattr(pb, name) for name in ("GetBookRequest", "GetBookResponse", "UpdateBookRequest")}
    names |= {"Context": Context, "LibraryService": Library, "UpdateBookResponse": pb.UpdateBookResponse}
    exec("".join(PYTHON), names)  # the page's own code

    class Books(names["Books"]):
        async def find(self, name: str) -> Any:
            return SimpleNamespace(revision="7", message=pb.Book(name=name))

        async def write(self, request: pb.UpdateBookRequest, book: Any) -> pb.UpdateBookResponse:
            return pb.UpdateBookResponse(request=request)

    async with App() as app:
        app.add(Books())
        await app.start("127.0.0.1", 0)
        async with Channel(app.address) as channel:
            client, reply = LibraryServiceClient(channel), Reply()
            await client.get_book(pb.GetBookRequest(), CallOptions(timeout=PATIENCE, reply=reply))
            assert list(reply.headers) == [("etag", '"7"'), ("cache-control", "private, max-age=60")]
            await client.update_book(pb.UpdateBookRequest(), CallOptions(timeout=PATIENCE, metadata=[("if-match", '"7"')]))
            with pytest.raises(RpcError, match="read it again first"):
                await client.update_book(pb.UpdateBookRequest(), CallOptions(timeout=PATIENCE, metadata=[("if-match", '"6"')]))
