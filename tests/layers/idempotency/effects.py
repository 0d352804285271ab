"""A handler with effects that can be counted, and calls of it with a key, as the tests of idempotency share them."""

import asyncio
from typing import Any

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService

from towpath._core.context import Context
from towpath._core.service import Handler
from towpath._layers.idempotency.idempotency import Idempotency
from towpath._layers.idempotency.memory_store import MemoryStore

FAIL = EchoService.spec.methods[1]
"""The method whose handler it is."""


class Effects:
    """A handler that counts its runs, waits for the gate, and fails with `error` if there is one."""

    def __init__(self) -> None:
        self.runs = 0
        self.error: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        self.runs += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        response, number = pb.FailResponse(), b"%d" % self.runs
        response.MergeFromString(b"\xfa\x01" + bytes([len(number)]) + number)  # an unknown field tells one run from another
        return response


def context(key: str = "k", **others: Any) -> Context:
    """Of a call with this key."""
    ctx = Context(FAIL.full_name, **others)
    ctx.idempotency_key = key
    return ctx


def wrapped(effects: Effects, store: Any = None, **options: Any) -> Handler:
    """The handler behind the layer. `options` are the layer's."""
    return Idempotency(MemoryStore() if store is None else store, **options).wrap(FAIL, effects.handle)
