"""A load of a hundred thousand calls from nghttp2's own client, none of which may fail."""

import asyncio
import re
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb

from tests.echo_service import Echo, serving
from tests.programs import needed
from towpath._wire.grpc.framing import frame

CALLS = 100_000


@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_calls_none_failed(tmp_path: Path) -> None:
    h2load = needed("h2load", "nghttp2-client")
    body = tmp_path / "say.bin"
    body.write_bytes(frame(pb.SayRequest(id="load", n=1, tags=["a", "b"], payload=bytes(64)).SerializeToString()))
    echo = Echo()
    async with serving(echo) as server:
        url = f"http://{server.address}/echo.v1.EchoService/Say"
        headers = ("-H", "content-type: application/grpc", "-H", "te: trailers")
        process = await asyncio.create_subprocess_exec(
            h2load,
            f"-n{CALLS}",
            "-c4",
            "-m32",
            "-d",
            str(body),
            *headers,
            url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
    report = output.decode()
    assert process.returncode == 0, report
    assert f"{CALLS} total, {CALLS} started, {CALLS} done, {CALLS} succeeded, 0 failed, 0 errored, 0 timeout" in report, report
    assert re.search(rf"{CALLS} 2xx, 0 3xx, 0 4xx, 0 5xx", report), report
    # An HTTP status of 200 says little in gRPC: the handler saw every call, and said yes.
    assert echo.seen["say"] == CALLS
