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


def test_what_was_sent_arrives_although_sums_of_seconds_are_not_exact():
    async def main(run):
        reader = run.node("reader")
        heard = []

        class Hearing(asyncio.Protocol):
            def data_received(self, data):
                heard.append(data)

        loop = asyncio.get_running_loop()
        server = await loop.create_server(Hearing, sock=reader.listen(1))
        transport, _ = await loop.create_connection(asyncio.Protocol, "reader", 1)
        for number in range(2000):
            transport.write(b"x")
            await asyncio.sleep(0.0123 + 0.001 * (number % 7))  # longer than the way takes; then nothing else would wake the network
            assert len(b"".join(heard)) == number + 1
        transport.close()
        server.close()
        await asyncio.sleep(1)

    simulate(main)
