"""A target's layers by their import paths: what a name may stand for, and one sentence for each mistake."""

import sys
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo
from towpath import App, CallOptions, SetupError
from towpath._app.named_layers import named_layers
from towpath.settings import load

MODULE = """
class Tag:
    role = "tag"
    made = 0

    def __init__(self, value="class"):
        type(self).made += 1
        self.value = value

    def wrap(self, method, following):
        async def handle(request, ctx):
            return await following(request, ctx.replace(metadata=[*ctx.metadata, ("tag", self.value)]))

        return handle


class Needy(Tag):
    def __init__(self, value):
        super().__init__(value)


def make():
    return Tag("function")


def nothing():
    return None


ready = Tag("object")
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"layers_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


async def test_a_class_a_function_and_an_object_are_layers_of_the_target(module: str, tmp_path: Path) -> None:
    async with App() as server:
        server.add(Echo())
        await server.start("127.0.0.1", 0)
        layers = f'["{module}:Tag", "{module}:make", "{module}:ready"]'
        (tmp_path / "towpath.toml").write_text(f'[targets.echo]\naddress = "{server.address}"\nlayers = {layers}\n')
        async with App(load(tmp_path / "towpath.toml", {})) as app:
            client = EchoServiceClient(app.channel("echo"))
            answer = await client.inspect(pb.InspectRequest(), CallOptions(timeout=PATIENCE))
    assert [entry.value for entry in answer.metadata if entry.key == "tag"] == ["class", "function", "object"]


async def test_each_target_has_a_layer_of_its_own(module: str) -> None:
    first, second = (named_layers([f"{module}:Tag"], "t.layers") for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("{}_x:Tag", r"towpath.toml: targets.a.layers\[0\]: \S+_x cannot be imported: No module named '\S+'; is its package installed\?"),
        ("{}:Tga", r"towpath.toml: targets.a.layers\[0\]: \S+ has no 'Tga'; did you mean 'Tag'"),
        ("{}:Needy", r"\S+:Needy cannot be made without arguments: .*; name a function of your own that takes none and returns the layer"),
        ("{}:nothing", r"towpath.toml: targets.a.layers\[0\] is None, which is no layer; a layer has `role`"),
        ("{}:number", r"towpath.toml: targets.a.layers\[0\] is 3, which is no layer"),
    ],
)
async def test_a_mistake_is_one_sentence_when_the_channel_is_asked_for(path: str, sentence: str, module: str, tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(f'[targets.a]\naddress = "127.0.0.1:1"\nlayers = ["{path.format(module)}"]\n')
    async with App(load(tmp_path / "towpath.toml", {})) as app:
        with pytest.raises(SetupError, match=sentence):
            app.channel("a")
