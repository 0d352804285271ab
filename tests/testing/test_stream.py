"""A simulated connection keeps what asyncio promises of a real one: order, half-close, and a writer that waits for its reader."""

import asyncio

from towpath.testing import LinkOptions, Simulation, simulate, uniform

SIZE = 1_000_000


async def exchange(simulation: Simulation) -> tuple[bytes, bool]:
    """What a client that half-closes gets echoed, and whether its writing had to wait for a server that did not read at first."""
    reading = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reading.wait()
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, sock=simulation.node("echo").listen(7))
    reader, writer = await asyncio.open_connection("echo", 7)
    for number in range(SIZE // 1000):
        writer.write(number.to_bytes(2, "big") * 500)
    draining = asyncio.create_task(writer.drain())
    await asyncio.sleep(10)
    waited = not draining.done()
    reading.set()
    await draining
    writer.write_eof()
    echoed = await reader.read()
    writer.close()
    server.close()
    await asyncio.sleep(10)
    return echoed, waited


def test_bytes_keep_their_order_and_a_slow_reader_holds_its_writer_back() -> None:
    echoed, waited = simulate(exchange, options=LinkOptions(latency=uniform(0.0, 0.5)))
    assert waited
    assert echoed == b"".join(number.to_bytes(2, "big") * 500 for number in range(SIZE // 1000))
