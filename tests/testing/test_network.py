"""What goes wrong with nodes and links, as real servers and channels meet it."""

import asyncio

import pytest

from tests.testing.scene import PORT, channel_to, say, serve
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions
from towpath.testing import LinkOptions, Node, Simulation, constant, simulate


def echo(scenario, seconds: float = 0.001, link: LinkOptions | None = None, options: ChannelOptions | None = None) -> float:
    """Run `scenario(simulation, node, channel)` with a channel that has called the server on `node` once; its virtual seconds."""

    async def main(simulation: Simulation) -> float:
        node = simulation.node("echo")
        server = await serve(node, seconds)
        async with channel_to("echo", options=options) as channel:
            await say(channel, within=60.0)
            before = simulation.elapsed
            await scenario(simulation, node, channel)
            took = simulation.elapsed - before
            simulation.network.heal()
        await server.close()
        return took

    return simulate(main, options=link)


async def refused(code: Code, text: str, channel: Channel, within: float = 120.0) -> None:
    with pytest.raises(RpcError, match=text) as error:
        await say(channel, within=within)
    assert error.value.code is code


def test_a_call_takes_the_links_latency_and_the_servers_work() -> None:
    async def call(simulation: Simulation, node: Node, channel: Channel) -> None:
        assert (await say(channel, 7)).n == 7

    assert echo(call, 0.25, LinkOptions(latency=constant(0.125))) == pytest.approx(0.5)


def test_a_partition_stalls_calls_and_healing_lets_new_ones_through() -> None:
    async def cut(simulation: Simulation, node: Node, channel: Channel) -> None:
        simulation.network.partition([node])
        await refused(Code.DEADLINE_EXCEEDED, "deadline", channel, 1.0)
        simulation.network.heal()
        assert (await say(channel, 5)).n == 5

    echo(cut)


def test_tcp_gives_up_on_a_partition_and_the_channel_connects_anew_once_it_heals() -> None:
    async def cut(simulation: Simulation, node: Node, channel: Channel) -> None:
        simulation.network.partition([node])
        before = simulation.elapsed
        await refused(Code.UNAVAILABLE, "timed out", channel)
        assert simulation.elapsed - before == pytest.approx(ChannelOptions().keepalive_timeout, abs=0.1)
        await refused(Code.UNAVAILABLE, "no answer within", channel, 60.0)
        simulation.network.heal()
        await asyncio.sleep(300)
        assert (await say(channel, 5)).n == 5

    echo(cut)


def test_keepalive_finds_a_partition_out_sooner() -> None:
    async def cut(simulation: Simulation, node: Node, channel: Channel) -> None:
        simulation.network.partition([node])
        await refused(Code.UNAVAILABLE, "keepalive|timed out", channel)

    assert echo(cut, options=ChannelOptions(keepalive_time=1.0, keepalive_timeout=2.0)) <= 5.0


def test_a_crash_ends_calls_and_a_restart_takes_new_ones() -> None:
    async def crash(simulation: Simulation, node: Node, channel: Channel) -> None:
        call = asyncio.create_task(say(channel, within=120.0))
        await asyncio.sleep(1)
        node.crash()
        with pytest.raises(RpcError, match="reset by peer"):
            await call
        await refused(Code.UNAVAILABLE, "refused", channel)
        node.restart()
        server = await serve(node)
        await asyncio.sleep(300)
        assert (await say(channel, 5)).id == "echo"
        await server.close()

    echo(crash, 5.0)


def test_a_crash_cancels_what_the_node_was_doing() -> None:
    async def main(simulation: Simulation) -> None:
        task = simulation.node("a").start(asyncio.sleep(60))
        await asyncio.sleep(1)
        simulation.network.nodes["a"].crash()
        with pytest.raises(asyncio.CancelledError):
            await task

    simulate(main)


def test_a_slow_nodes_work_and_bytes_take_longer() -> None:
    async def slow(simulation: Simulation, node: Node, channel: Channel) -> None:
        node.cpu.speed = 0.1
        node.lag = 0.25
        await say(channel)

    assert echo(slow, 0.1, LinkOptions(latency=constant(0.0))) == pytest.approx(1.5)


def test_loss_delays_calls_and_none_is_wrong() -> None:
    async def many(simulation: Simulation, node: Node, channel: Channel) -> None:
        for n in range(100):
            assert (await say(channel, n, within=60.0)).n == n

    assert echo(many, link=LinkOptions(loss=0.2)) > 4 * echo(many)


def test_total_loss_ends_the_connection() -> None:
    async def lose(simulation: Simulation, node: Node, channel: Channel) -> None:
        simulation.network.link(simulation.network.outside, node, LinkOptions(loss=1.0))
        await refused(Code.UNAVAILABLE, "timed out", channel)
        simulation.network.link(simulation.network.outside, node, LinkOptions())

    echo(lose)


def test_a_reset_ends_calls_and_the_next_connects_anew() -> None:
    async def cut(simulation: Simulation, node: Node, channel: Channel) -> None:
        call = asyncio.create_task(say(channel, within=120.0))
        await asyncio.sleep(1)
        simulation.network.reset([node])
        with pytest.raises(RpcError, match="reset by peer"):
            await call
        assert (await say(channel, 5, within=60.0)).n == 5

    echo(cut, 5.0)


def test_bandwidth_bounds_what_goes_over_in_a_second() -> None:
    async def send(simulation: Simulation, node: Node, channel: Channel) -> None:
        await say(channel, size=1_000_000, within=60.0)

    assert echo(send, link=LinkOptions(bandwidth=1_000_000)) == pytest.approx(2.0, rel=0.1)


def test_a_name_that_nobody_has_is_no_name() -> None:
    async def main(simulation: Simulation) -> None:
        async with channel_to("nobody") as channel:
            await refused(Code.UNAVAILABLE, "nobody", channel)

    simulate(main)


def test_two_servers_cannot_have_one_port_of_a_node() -> None:
    async def main(simulation: Simulation) -> None:
        node = simulation.node("echo")
        server = await serve(node)
        with pytest.raises(OSError, match="in use"):
            node.listen(PORT)
        await server.close()
        node.listen(PORT)

    simulate(main)
