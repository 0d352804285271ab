"""Where an application may be mounted, and which paths it then gets."""

from typing import Any

import pytest

from tests.asgi_apps import answer, curl
from tests.echo_service import Echo
from tests.library_service import Library
from towpath import App, SetupError


async def tells_place(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await answer(send, f"{scope['root_path']}|{scope['path']}".encode())


@pytest.mark.parametrize(
    ("prefix", "app", "options", "reason"),
    [
        ("admin", tells_place, {}, 'begin it with a slash, as "/admin"'),
        (7, tells_place, {}, "the first argument is the path of the application"),
        (b"/admin", tells_place, {}, "the first argument is the path of the application"),
        ("/a//b", tells_place, {}, "'' cannot be a part of the path"),
        ("/a/../b", tells_place, {}, "'..' cannot be a part of the path"),
        ("/a b", tells_place, {}, "'a b' cannot be a part of the path"),
        ("/a%2Fb", tells_place, {}, "'a%2Fb' cannot be a part of the path"),
        ("/a?b", tells_place, {}, "'a?b' cannot be a part of the path"),
        ("/ä", tells_place, {}, "'ä' cannot be a part of the path"),
        ("/admin", None, {}, 'mount("/admin", ...): None is no ASGI application'),
        ("/admin", "module:app", {}, "'module:app' is no ASGI application"),
        ("/admin", App, {}, "the class App is no ASGI application; give the object that a server such as uvicorn is given"),
        ("/admin", tells_place, {"max_body": -1}, 'max_body is -1; give bytes, None for any number, or "message_limit"'),
        ("/admin", tells_place, {"max_body": True}, "max_body is True"),
        ("/admin", tells_place, {"max_body": "4 MiB"}, "max_body is '4 MiB'"),
        ("/admin", tells_place, {"lifespan": "on"}, 'lifespan is \'on\'; choose "auto" or "off"'),
    ],
)
def test_what_cannot_be_mounted_is_refused(prefix: Any, app: Any, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SetupError) as refused:
        App().mount(prefix, app, **options)
    assert reason in str(refused.value)


@pytest.mark.parametrize(("first", "second"), [("/admin", "/admin"), ("/admin", "/admin/"), ("/", "/")])
def test_a_path_has_one_application(first: str, second: str) -> None:
    app = App()
    app.mount(first, tells_place)
    with pytest.raises(SetupError, match="another application is mounted there"):
        app.mount(second, tells_place)
    assert app.mounts == (first,)


async def test_nothing_is_mounted_once_the_server_serves() -> None:
    async with App() as app:
        await app.start("127.0.0.1", 0)
        with pytest.raises(RuntimeError, match="has started"):
            app.mount("/admin", tells_place)


async def test_the_longest_prefix_has_the_path() -> None:
    async with App() as app:
        app.mount("/admin", tells_place)
        app.mount("/admin/api/", tells_place)
        await app.start("127.0.0.1", 0)
        places = {
            path: (await curl(app, path))[2].decode()
            for path in ("/admin", "/admin/", "/admin/x%20y?q=/z", "/admin/api", "/admin/api/v1", "/admin/apis")
        }
    assert places == {
        "/admin": "/admin|/admin",
        "/admin/": "/admin|/admin/",
        "/admin/x%20y?q=/z": "/admin|/admin/x y",
        "/admin/api": "/admin/api|/admin/api",
        "/admin/api/v1": "/admin/api|/admin/api/v1",
        "/admin/apis": "/admin|/admin/apis",
    }


async def test_what_only_begins_like_the_prefix_is_not_the_applications() -> None:
    async with App() as app:
        app.mount("/admin", tells_place)
        await app.start("127.0.0.1", 0)
        for path in ("/administrator", "/adm", "/admin%2Fx", "/", "/Admin"):
            assert (await curl(app, path))[0] == 404


async def test_an_application_at_the_root_gets_what_the_contract_leaves() -> None:
    async with App() as app:
        app.add(Library(), Echo())
        app.mount("/", tells_place)
        await app.start("127.0.0.1", 0)
        assert (await curl(app, "/"))[2] == b"|/"
        assert (await curl(app, "/v1/nothing/here"))[2] == b"|/v1/nothing/here"
        assert (await curl(app, "/elsewhere", "-d", "x", "-H", "content-type: application/json"))[2] == b"|/elsewhere"
        assert (await curl(app, "/a:b%FF"))[0] == 200
        # Of the contract: bindings, methods, documents, and what only gRPC could mean. A binding's path with another method is left.
        status, headers, _ = await curl(app, "/v1/shelves/1/books/2")
        assert (status, headers["etag"]) == (200, '"1"')
        assert (await curl(app, "/v1/shelves/1/books/2", "-I"))[1]["etag"] == '"1"'
        assert "GET" in (await curl(app, "/v1/shelves/1/books/2", "-X", "OPTIONS"))[1]["allow"]
        assert (await curl(app, "/v1/shelves/1/books/2", "-X", "PUT"))[2] == b"|/v1/shelves/1/books/2"
        assert (await curl(app, "/elsewhere", "-X", "OPTIONS"))[2] == b"|/elsewhere"
        assert b"openapi" in (await curl(app, "/openapi.json"))[2]
        status, _, body = await curl(app, "/echo.v1.EchoService/Say", "-d", '{"n": 4}', "-H", "content-type: application/json")
        assert (status, body) == (200, b'{"n":"4"}')
        status, headers, _ = await curl(
            app, "/no.Service/Method", "-d", "", "-H", "content-type: application/grpc", "--http2-prior-knowledge"
        )
        assert headers["grpc-status"] == "12"


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("/v1", "GET /v1/{name=shelves/*/books/*} of library.v1.LibraryService/GetBook could be a path of the application at /v1"),
        ("/v1/shelves/7", "could be a path of the application at /v1/shelves/7; mount that elsewhere"),
        ("/v1/archive/old/new", "GET /v1/archive/{path=**} of library.v1.LibraryService/ReadArchive could be"),
        ("/library.v1.LibraryService", "the server itself serves /library.v1.LibraryService/"),
        ("/openapi.json", "the server itself serves /openapi.json, below the application mounted at /openapi.json; move one"),
    ],
)
async def test_a_path_that_the_contract_wants_too_stops_the_start(prefix: str, reason: str) -> None:
    async with App() as app:
        app.add(Library())
        app.mount(prefix, tells_place)
        with pytest.raises(SetupError) as refused:
            await app.start("127.0.0.1", 0)
    assert reason in str(refused.value)


async def test_a_prefix_beside_the_contract_is_free() -> None:
    async with App() as app:
        app.add(Library())
        app.mount("/v1/shelf", tells_place)
        app.mount("/v2", tells_place)
        await app.start("127.0.0.1", 0)
        assert (await curl(app, "/v1/shelf/x"))[2] == b"/v1/shelf|/v1/shelf/x"
