"""Layers that `main` adds, such as those that need settings."""

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo
from towpath import App, CallOptions, SetupError, connect
from towpath.settings import MethodConfig, ServiceConfig


class Tag:
    role = "tag"

    def __init__(self, word: str, seen: list[str]) -> None:
        self._word, self._seen = word, seen

    def wrap(self, method, following):
        async def handle(request, ctx):
            self._seen.append(f"{self._word} {method.name}")
            return await following(request, ctx)

        return handle


async def test_layers_that_main_adds_are_inside_those_that_there_are_and_outlive_a_reload():
    seen: list[str] = []

    async def main(app: App) -> None:
        app.add(Echo())
        app.add_layers(Tag("second", seen), Tag("third", seen))
        app.add_layers(Tag("fourth", seen))

    async with App(layers=[Tag("first", seen)]) as app:
        await app.setup(main)
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE))
            once = ["first Say", "second Say", "third Say", "fourth Say"]
            assert seen == once
            app.reload(ServiceConfig(methods=(MethodConfig(names=(("", ""),), timeout=PATIENCE, source="test"),)))
            await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE))
            assert seen == once + once


async def test_what_is_no_layer_is_one_sentence():
    async with App() as app:
        with pytest.raises(SetupError, match=r"^app\.add_layers\[0\] is the class Tag; give an object of it, such as Tag\(\)$"):
            app.add_layers(Tag)
        with pytest.raises(SetupError, match=r"^app\.add_layers\[1\] is \[\], which is no layer"):
            app.add_layers(Tag("x", []), [])
        app.add_layers()


async def test_layers_come_before_the_start():
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        with pytest.raises(RuntimeError, match=r"^the application has started; add every layer before$"):
            app.add_layers(Tag("late", []))


async def test_once_adds_no_layers():
    async def once(app: App) -> None:
        app.add_layers(Tag("once", []))

    async with App() as app:
        with pytest.raises(SetupError, match=r"^app\.add_layers was called in `once`, which runs beside the workers; add layers in main$"):
            await app.setup(once, serves=False)
