"""Fallbacks in the service file: what they mean, what cannot be meant, and what wins."""

from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient
from stream.v1.stream_towpath import REPEAT

from tests.echo_service import Echo
from towpath import App, Code, RpcError, connect
from towpath._app.settings.fallback import source_of
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._contracts.policy import MethodConfig
from towpath._core.errors import SetupError
from towpath._core.policies import FallbackPolicy
from towpath._layers.fallback import FixedAnswer, LastAnswer
from towpath._telemetry.metrics import CallMetrics

NOBODY = "127.0.0.1:1"
GIVEN = "fallback = { value = { id = 'given', n = 7 } }"


def read(folder: Path, fallback: str) -> ServiceConfig:
    path = folder / "towpath.toml"
    path.write_text(f"[[methodConfig]]\nname = [{{ service = 'echo.v1.EchoService', method = 'Say' }}]\ntimeout = '1s'\n{fallback}\n")
    return load(path, {})


def only(config: ServiceConfig) -> MethodConfig:
    (method,) = config.methods
    return method


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("{}", FallbackPolicy()),
        ("{ maxAge = '5s', size = 10 }", FallbackPolicy(max_age=5.0, size=10)),
        ("{ value = {} }", FallbackPolicy(value=b"{}")),
        ("{ value = { text = 'x' }, skip = true }", FallbackPolicy(value=b'{"text":"x"}', skip=True)),
    ],
)
def test_a_fallback_is_read(tmp_path, text, policy):
    assert only(read(tmp_path, f"fallback = {text}")).fallback == policy
    assert only(read(tmp_path, "")).fallback is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ skip = true }", r"methodConfig\[0\]\.fallback\.skip: needs a value"),
        ("{ value = {}, maxAge = '1s' }", r"fallback: has a value, and a maxAge or size"),
        ("{ value = {}, size = 1 }", r"fallback: has a value, and a maxAge or size"),
        ("{ maxAge = 'long' }", r"fallback\.maxAge: "),
        ("{ size = 0 }", r"fallback: size of a fallback is 0; give 1 or more"),
        ("{ maxAge = '0s' }", r"maxAge"),
        ("{ value = 'x' }", r"methodConfig\[0\]\.fallback\.value: expected"),
        ("{ values = {} }", r"unknown key methodConfig.*did you mean 'value'"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path, text, said):
    with pytest.raises(SetupError, match=said):
        read(tmp_path, f"fallback = {text}")


def test_it_becomes_what_the_layer_knows():
    assert source_of(SAY, FallbackPolicy(max_age=5.0, size=10), "f") == LastAnswer(max_age=5.0, size=10)
    fixed = source_of(SAY, FallbackPolicy(value=b'{"text":"x"}', skip=True), "f")
    assert fixed == FixedAnswer(response=pb.SayResponse(text="x"), skip=True)


def test_a_value_that_is_no_response_and_a_stream_are_refused_by_name():
    with pytest.raises(SetupError, match=r"f\.fallback\.value: echo\.v1\.EchoService/Say answers with a echo\.v1\.SayResponse.*nope"):
        source_of(SAY, FallbackPolicy(value=b'{"nope":1}'), "f")
    with pytest.raises(SetupError, match=r"f\.fallback: stream\.v1\.StreamService/Repeat streams"):
        source_of(REPEAT, FallbackPolicy(), "f")


async def test_it_answers_where_nobody_does_and_what_the_program_says_wins(tmp_path):
    async with connect(NOBODY, config=read(tmp_path, GIVEN), metrics=CallMetrics()) as channel:
        answer = await EchoServiceClient(channel).say(pb.SayRequest(id="asked"))
        assert (answer.id, answer.n) == ("given", 7)
        ours = channel.falling_back({SAY: FixedAnswer(response=pb.SayResponse(id="ours"))})
        assert (await EchoServiceClient(ours).say(pb.SayRequest())).id == "ours"
        others = channel.falling_back({})
        assert (await EchoServiceClient(others).say(pb.SayRequest())).id == "given"


async def test_a_client_is_not_made_with_a_value_that_is_no_response(tmp_path):
    async with connect(NOBODY, config=read(tmp_path, "fallback = { value = { n = 'many' } }"), metrics=CallMetrics()) as channel:
        with pytest.raises(SetupError, match=r"methodConfig\[0\]\.fallback\.value: .* n: "):
            EchoServiceClient(channel)


async def test_it_comes_and_goes_with_the_file_and_a_wrong_one_changes_nothing(tmp_path):
    echo = Echo()
    async with App() as server:
        server.add(echo)
        await server.start("127.0.0.1", 0)
        async with connect(server.address, config=read(tmp_path, ""), metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            channel.reload(read(tmp_path, "fallback = {}").methods)
            assert (await client.say(pb.SayRequest(id="kept"))).id == "kept"
            with pytest.raises(SetupError, match="and this is none"):
                channel.check(read(tmp_path, "fallback = { value = { nope = 1 } }").methods)
            await server.close(0)
            assert (await client.say(pb.SayRequest(id="kept"))).id == "kept"
            channel.reload(read(tmp_path, GIVEN).methods)
            assert (await client.say(pb.SayRequest(id="kept"))).id == "given"
            channel.reload(read(tmp_path, "").methods)
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(id="kept"))
            assert caught.value.code is Code.UNAVAILABLE
