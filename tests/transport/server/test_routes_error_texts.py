"""The texts of refusals: whatever a request holds, its answer is small and prints nothing but characters."""

import asyncio
import http.client
import json
from contextlib import closing
from typing import Any

import grpc
import pytest
from echo.v1 import echo_pb2 as pb

from tests.echo_service import PATIENCE, Echo, serving
from tests.library_service import Library
from towpath._transport import Server

EVIL = "\x1b[2J\r\n2026-11-28 ERROR forged\u202e\x9b"
LONG = "k" * 9_000
SAY = "/echo.v1.EchoService/Say"
BOOKS = "/v1/shelves/1/books"


def object_with(name: str) -> bytes:
    return json.dumps({name: 1, "n": "x"}).encode()


def path_of(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


ASKED = {
    "unknown path": ("GET", f"/{LONG}", b"", {}),
    "unknown path, escaped": ("GET", f"/v2/{path_of(EVIL)}", b"", {}),
    "unknown service": ("POST", f"/{LONG}.A/{LONG[:4000]}", b"{}", {}),
    "unknown method": ("POST", f"/echo.v1.EchoService/{LONG}", b"{}", {}),
    "unknown method of a path": ("DELETE", "/v1/books", b"", {}),
    "unknown field": ("POST", BOOKS, object_with(LONG * 300), {}),
    "unknown field, controls": ("POST", BOOKS, object_with(EVIL), {}),
    "value": ("POST", SAY, json.dumps({"n": EVIL * 1000}).encode(), {}),
    "deep names": ("POST", SAY, b'{"tags":' * 90 + b"1" + b"}" * 90, {}),
    "query": ("GET", f"{BOOKS}?{LONG}=1", b"", {}),
    "query, controls": ("GET", f"{BOOKS}?{path_of(EVIL)}=1", b"", {}),
    "query, value": ("GET", f"{BOOKS}?page_size={path_of(EVIL)}", b"", {}),
    "content type": ("POST", BOOKS, b"{}", {"content-type": f"x/{LONG}"}),
    "encoding": ("POST", SAY, b"{}", {"content-encoding": LONG}),
    "timeout": ("POST", SAY, b"{}", {"connect-timeout-ms": "9" * 9_000}),
    "tenant": ("POST", SAY, b"{}", {"towpath-tenant": LONG}),
    "key": ("POST", SAY, b"{}", {"idempotency-key": LONG}),
}


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    return [value] if isinstance(value, str) else []


def ask(server: Server, method: str, path: str, body: bytes, fields: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    with closing(http.client.HTTPConnection(server.address, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, {"content-type": "application/json", **fields})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_a_refusal_is_small_and_printable(asked: tuple[str, str, bytes, dict[str, str]]) -> None:
    server = Server([Echo(), Library()])
    await server.start("127.0.0.1", 0)
    try:
        status, fields, body = await asyncio.to_thread(ask, server, *asked)
    finally:
        await server.close(0)
    assert 400 <= status < 600
    assert len(body) + sum(len(name) + len(value) for name, value in fields) < 4_000
    said = texts(json.loads(body)) if body else []
    assert [text for text in said if not text.isprintable()] == []


async def test_grpcio_is_told_as_little() -> None:
    async with serving(Echo()) as server, grpc.aio.insecure_channel(server.address) as channel:
        for path, fields in (
            (f"/echo.v1.EchoService/{LONG}", ()),
            (f"/{LONG}/Say", ()),
            (SAY, (("towpath-tenant", LONG),)),
            (SAY, (("idempotency-key", LONG),)),
        ):
            say: Any = channel.unary_unary(path, request_serializer=pb.SayRequest.SerializeToString)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await say(pb.SayRequest(), metadata=fields, timeout=PATIENCE)
            text = caught.value.details() or ""
            assert text.isprintable()
            assert len(text) < 1_100
