"""What a mounted application is told of a path does not depend on which paths the connection has asked for before."""

import asyncio
import json
from typing import Any

import pytest

from tests.asgi_apps import answer, dialled, mounting, only_http
from towpath import App
from towpath._app.settings.server_options import ServerOptions
from towpath._app.settings.service_file import ServiceConfig
from towpath._wire.cors import CorsOptions

FIELDS = b"Host: x\r\nCookie: a=1\r\nX-Own: 2 \r\n"
PATHS = [b"/admin", b"/admin/a?n=1", b"/admin/%C3%A9%2Fx", b"/admin/a?n=2", b"/other", b"/admin/a?n=1", b"/openapi.json", b"/admin?"]


@only_http
async def tells(scope: Any, receive: Any, send: Any) -> None:
    shown = {name: value for name, value in scope.items() if name not in ("client", "state")}
    await answer(send, json.dumps(shown, default=lambda value: value.decode()).encode())


async def ask(app: App, requests: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Status lines and bodies of requests that one connection makes, one after the other."""
    answers: list[tuple[bytes, bytes]] = []
    async with dialled(app) as (reader, writer):
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = b"" if request.startswith(b"HEAD") else await reader.readexactly(length)
            answers.append((head.partition(b"\r\n")[0], body))
    return answers


@pytest.mark.parametrize("prefix", ["/admin", "/"])
@pytest.mark.parametrize("cors", [False, True])
async def test_a_path_is_told_alike_on_a_new_connection_and_behind_others(prefix: str, cors: bool) -> None:
    config = ServiceConfig(server=ServerOptions(cors=CorsOptions(origins=("https://a.example",)))) if cors else None
    async with mounting(tells, prefix, config) as app:
        requests = [b"%s %s HTTP/1.1\r\n%s\r\n" % (method, path, FIELDS) for path in PATHS for method in (b"GET", b"HEAD", b"DELETE")]
        together = await ask(app, requests)
        alone = [(await ask(app, [request]))[0] for request in requests]
    assert together == alone
    found = json.loads(together[6][1])
    assert (found["path"], found["raw_path"], found["query_string"]) == ("/admin/é/x", "/admin/%C3%A9%2Fx", "")
    assert ["x-own", "2"] in found["headers"]


async def test_what_an_application_changes_in_a_scope_is_changed_for_nobody_else() -> None:
    @only_http
    async def spoils(scope: Any, receive: Any, send: Any) -> None:
        seen.append((len(scope["headers"]), scope.get("own"), dict(scope["asgi"])))
        scope["headers"].clear()
        scope["asgi"].clear()
        scope["own"] = 1
        await answer(send)

    seen: list[Any] = []
    async with mounting(spoils) as app:
        await ask(app, [b"GET %s HTTP/1.1\r\n%s\r\n" % (path, FIELDS) for path in (b"/admin", b"/admin", b"/admin/b")])
    assert seen == [(3, None, {"version": "3.0", "spec_version": "2.3"})] * 3


async def test_connections_tell_of_their_own_clients() -> None:
    @only_http
    async def who(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, str(scope["client"][1]).encode())

    async with mounting(who) as app, dialled(app) as (reader, writer), dialled(app) as (other, to_other):
        for source, target in ((reader, writer), (other, to_other), (reader, writer)):
            target.write(b"GET /admin HTTP/1.1\r\n%s\r\n" % FIELDS)
            head = await source.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            port = target.get_extra_info("sockname")[1]
            assert int(await asyncio.wait_for(source.readexactly(length), 60)) == port
