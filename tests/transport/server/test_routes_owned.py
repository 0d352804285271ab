"""The headers that the protocols and towpath own, as an application tries to send them: in every protocol, by either side."""

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo, serving
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import OWNED, OWNED_PREFIXES
from towpath._transport import Channel, ChannelOptions

NAMES = sorted({*OWNED, *(prefix + "anything" for prefix in OWNED_PREFIXES)})
"""The whole table, and a key for each of its prefixes."""

every_protocol = pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])


class Overreaching(Echo):
    """Answers with the headers and trailers in `pairs`, unchecked: nothing keeps a handler that is not type-checked from it."""

    headers = trailers = ()

    async def say(self, request, ctx):
        ctx.reply.headers, ctx.reply.trailers = self.headers, self.trailers
        return pb.SayResponse(id=request.id)


@every_protocol
async def test_a_caller_cannot_say_of_its_call_what_its_options_say(protocol):
    async with serving(Echo()) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        client = EchoServiceClient(channel)
        for name in NAMES:
            with pytest.raises(ValueError, match=f"metadata key '{name}' is reserved"):
                await client.inspect(pb.InspectRequest(), CallOptions(tenant="good", metadata=[("a", "b"), (name, "evil")]))
        seen = await client.inspect(pb.InspectRequest(), CallOptions(tenant="good", metadata=[("a", "b")]))
        assert (seen.tenant, [entry.key for entry in seen.metadata if entry.value == "b"]) == ("good", ["a"])


@every_protocol
@pytest.mark.parametrize("where", ["headers", "trailers"])
async def test_a_handler_cannot_break_the_framing_of_its_answer(protocol, where):
    echo = Overreaching()
    async with serving(echo) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        client = EchoServiceClient(channel)
        for name in NAMES:
            setattr(echo, where, [(name, b"0" if name.endswith("-bin") else "0")])
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(id="a"))
            assert caught.value.code is Code.INTERNAL
            assert list(caught.value.metadata) == []
        setattr(echo, where, [("etag", "x")])
        assert (await client.say(pb.SayRequest(id="a"))).id == "a"
