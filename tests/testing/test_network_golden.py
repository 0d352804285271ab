"""The whole default stack runs in a simulation: settings, retries and health, as `App` and `connect` put them together."""

import asyncio

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.testing.scene import Record, Working
from towpath._app.application import App
from towpath._app.settings.service_file import ServiceConfig
from towpath.testing import Node, Simulation, simulate

CONFIG = ServiceConfig(insecure=True, targets={"echo": "dns:///echo:8080"})


async def serve(node: Node) -> App:
    app = App(CONFIG)
    app.add(Working(node, 0.001))
    await app.start(sock=node.listen(8080))
    return app


async def calls_through_a_crash(simulation: Simulation) -> tuple[int, str]:
    record = Record(simulation)
    nodes = [simulation.node(f"echo-{number}") for number in range(2)]
    simulation.network.name("echo", nodes)
    apps = [await serve(node) for node in nodes]
    answered = 0
    async with App(CONFIG) as caller:
        client = EchoServiceClient(caller.channel("echo"))
        for n in range(100):
            if n == 50:
                nodes[0].crash()
            answered += (await client.say(pb.SayRequest(n=n))).n == n
            await asyncio.sleep(0.01)
    for app in apps:
        await app.close()
    return answered, record.digest


def test_an_app_loses_no_call_when_one_of_two_servers_crashes_between_calls() -> None:
    answered, digest = simulate(calls_through_a_crash, seed=4)
    assert answered == 100
    assert simulate(calls_through_a_crash, seed=4) == (answered, digest)
