"""@connectrpc/connect-node as the other end: its packages installed once per lock, and its clients and server run by node."""

import asyncio
import fcntl
import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from echo.v1 import echo_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2
from stream.v1 import stream_pb2

from tests.echo_service import PATIENCE
from tests.programs import needed

_HERE = Path(__file__).parent / "connect_node"
_MODULES = _HERE / "node_modules"
_INSTALL = ("ci", "--no-audit", "--no-fund", "--loglevel=error")


def install() -> None:
    """Have npm install what the lock names, unless it has. Without npm the test is skipped, but in CI it fails."""
    npm = needed("npm")
    with (_HERE / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        stamp = _MODULES / f".installed-{hashlib.sha256(lock.read()).hexdigest()[:16]}"
        if not stamp.exists():
            subprocess.run([npm, *_INSTALL], cwd=_HERE, check=True, timeout=300)  # its arguments stand above
            stamp.touch()


def write_descriptors(path: Path) -> Path:
    """The tests' contracts and the details of errors, each file behind those that it imports, for the scripts to load."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for imported in file.dependencies:
            add(imported)
        files[file.name] = file

    for module in (echo_pb2, stream_pb2, error_details_pb2):
        add(module.DESCRIPTOR)
    found = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(found.file.add())
    path.write_bytes(found.SerializeToString())
    return path


async def client_report(descriptors: Path, address: str, *way: str, late: float) -> dict[str, Any]:
    """What came of the calls of `client.mjs`. `way` is the protocol, the version of HTTP and the compression; the call that is to be late
    has so many seconds."""
    arguments = (_HERE / "client.mjs", descriptors, f"http://{address}", *way, f"{late * 1000:.0f}")
    process = await asyncio.create_subprocess_exec("node", *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0
    return json.loads(output)


class NodeServer:
    """A running `server.mjs`."""

    def __init__(self, address: str, lines: asyncio.StreamReader) -> None:
        self.address = address
        self.seen: Counter[str] = Counter()
        """How many calls waited to be cancelled (`waiting`), and how many were (`cancelled`)."""
        self._lines = lines

    async def listen(self) -> None:
        """Count in `seen` what the server tells, until it ends."""
        async for line in self._lines:
            self.seen[line.decode().strip()] += 1


@asynccontextmanager
async def node_serving(descriptors: Path) -> AsyncIterator[NodeServer]:
    """connect-node's server on a free port."""
    process = await asyncio.create_subprocess_exec(
        "node", _HERE / "server.mjs", descriptors, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            port = int(await process.stdout.readline())
        server = NodeServer(f"127.0.0.1:{port}", process.stdout)
        listening = asyncio.create_task(server.listen())
        try:
            yield server
        finally:
            process.stdin.close()
            async with asyncio.timeout(PATIENCE):
                await listening  # which ends with the server's output
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
