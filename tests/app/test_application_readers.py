"""Who may read the contracts of a server: by reflection, and as an OpenAPI document over both HTTPs."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import grpc
import grpc.aio
import pytest

from tests.echo_service import PATIENCE
from tests.library_service import Library
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._app.application import App
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._app.settings.trust import trust_of
from towpath._core.errors import SetupError
from towpath._wire.grpc.standard import REFLECTION
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

Fields = dict[str, str]
INSIDE: Fields = {"x-forwarded-for": "10.1.2.3, 192.168.0.1"}
OUTSIDE: tuple[Fields, ...] = ({"x-forwarded-for": "203.0.113.7"}, {"forwarded": "for=unknown"}, {"x-real-ip": "2001:db8::1"})
ELSEWHERE = "203.0.113.0/24"


@asynccontextmanager
async def serving(trust: str | None = None, *, readers: bool | Literal["trusted"] = "trusted") -> AsyncGenerator[str]:
    async with App(ServiceConfig(trust=trust_of(trust, "here"), reflection=readers, openapi=readers)) as app:
        app.add(Library())
        await app.start()
        yield app.address


async def reflected(address: str, version: str, fields: Fields) -> tuple[grpc.StatusCode, str]:
    """The status of a question for the services, and its text."""
    types = REFLECTION[version]
    channel: Any
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=types["ServerReflectionRequest"].SerializeToString,
            response_deserializer=types["ServerReflectionResponse"].FromString,
        )(iter([types["ServerReflectionRequest"](list_services="*")]), metadata=tuple(fields.items()), timeout=PATIENCE)
        try:
            async for answer in call:
                assert answer.list_services_response.service
        except grpc.aio.AioRpcError:
            pass
        return await call.code(), await call.details()


def _fetched(url: str, fields: Fields) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=fields), timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def described(address: str, fields: Fields) -> tuple[int, Any]:
    """The status of the OpenAPI document over HTTP/1.1, and its JSON."""
    return await asyncio.to_thread(_fetched, f"http://{address}/openapi.json", fields)


async def status_over_http2(peer: RawPeer, stream_id: int, fields: Fields, method: bytes = b"GET") -> bytes:
    """The status of the OpenAPI document over HTTP/2. All fields are sent so that no table of HPACK gets them."""
    extra = [(name.encode(), value.encode()) for name, value in fields.items()]
    head = request_head(b"", (b":method", method), (b":path", b"/openapi.json"), *extra)
    peer.send(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, head)
    return peer.fields(await peer.until(frames.HEADERS, stream_id))[b":status"]


@pytest.mark.parametrize("version", list(REFLECTION))
async def test_by_default_neighbours_may_ask_and_strangers_behind_a_proxy_may_not(version: str) -> None:
    async with serving() as address:
        for fields in ({}, INSIDE):
            assert (await reflected(address, version, fields))[0] is grpc.StatusCode.OK
            assert (await described(address, fields))[0] == 200
        for fields in OUTSIDE:
            code, text = await reflected(address, version, fields)
            assert code is grpc.StatusCode.PERMISSION_DENIED
            assert "service.reflection = true" in text
            status, error = await described(address, fields)
            assert (status, error["code"]) == (403, "permission_denied")
            assert "service.openapi = true" in error["message"]


async def test_one_connection_of_a_proxy_brings_calls_of_both() -> None:
    async with serving() as address, raw_client(address) as peer:
        statuses = [await status_over_http2(peer, 2 * at + 1, fields) for at, fields in enumerate(({}, OUTSIDE[0], INSIDE, OUTSIDE[2], {}))]
        assert statuses == [b"200", b"403", b"200", b"403", b"200"]
        assert await status_over_http2(peer, 11, OUTSIDE[0], b"HEAD") == b"403"


@pytest.mark.parametrize("trust", ["none", ELSEWHERE])
async def test_whom_the_server_does_not_trust_reads_nothing(trust: str) -> None:
    async with serving(trust) as address:
        assert (await reflected(address, "v1", {}))[0] is grpc.StatusCode.PERMISSION_DENIED
        assert (await described(address, {}))[0] == 403
        async with raw_client(address) as peer:
            assert await status_over_http2(peer, 1, {}) == b"403"


@pytest.mark.parametrize("trust", ["none", "all", ELSEWHERE])
async def test_contracts_that_are_published_are_for_all(trust: str) -> None:
    async with serving(trust, readers=True) as address:
        for fields in ({}, *OUTSIDE):
            assert (await reflected(address, "v1", fields))[0] is grpc.StatusCode.OK
            assert (await described(address, fields))[0] == 200


async def test_a_document_that_nobody_may_read_is_not_there() -> None:
    async with serving("all", readers=False) as address:
        assert (await described(address, {}))[0] == 404


@pytest.mark.parametrize("setting", ["reflection", "openapi"])
@pytest.mark.parametrize(("written", "read"), [('"trusted"', "trusted"), ("true", True), ("false", False)])
def test_who_may_read_is_a_setting(tmp_path: Path, setting: str, written: str, read: object) -> None:
    path = tmp_path / "towpath.toml"
    path.write_text(f"[service]\n{setting} = {written}\n", encoding="utf-8")
    assert getattr(load(path, {}), setting) == read
    assert getattr(ServiceConfig(), setting) == "trusted"


@pytest.mark.parametrize("setting", ["reflection", "openapi"])
@pytest.mark.parametrize("written", ['"all"', "1", '["trusted"]'])
def test_another_word_is_refused(tmp_path: Path, setting: str, written: str) -> None:
    path = tmp_path / "towpath.toml"
    path.write_text(f"[service]\n{setting} = {written}\n", encoding="utf-8")
    with pytest.raises(SetupError, match=rf"towpath.toml: service.{setting}"):
        load(path, {})
