"""The process that `test_exactly_once` kills: a server whose effect, a row per run, is committed with the answer of the call.

Run as `python -m tests.conformance.exactly_once_server PORT KIND PLACE`; prints a line when it serves.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService

from towpath._core.context import Context
from towpath._layers import Idempotency, IdempotencyOptions
from towpath._transport import Server


def made(kind: str, place: str) -> Any:
    """The store of `kind` at `place`; only the driver that it needs is imported."""
    if kind == "sqlite":
        from towpath._stores.sqlite import SqliteStore

        return SqliteStore(Path(place))
    from towpath._stores.postgres import PostgresStore

    return PostgresStore(place)


class Effects(EchoService):
    """`fail` writes the row that its message names."""

    def __init__(self, store: Any) -> None:
        self.store = store

    async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        async with self.store.transaction() as tx:
            await tx.execute("INSERT INTO effects (name) VALUES (?)", (request.message,))
            return tx.answer(pb.FailResponse())

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        raise NotImplementedError

    async def sleep(self, request: pb.SleepRequest, ctx: Context) -> pb.SleepResponse:
        raise NotImplementedError

    async def inspect(self, request: pb.InspectRequest, ctx: Context) -> pb.InspectResponse:
        raise NotImplementedError


async def main(port: int, kind: str, place: str) -> None:
    store = made(kind, place)
    await store.open()
    async with store.transaction() as tx:
        await tx.execute("CREATE TABLE IF NOT EXISTS effects (name text)")
    server = Server([Effects(store)], layers=[Idempotency(store, options=IdempotencyOptions(margin=0.1, pushback=0.02))])
    await server.start("127.0.0.1", port)
    print("serving", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
