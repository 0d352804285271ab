"""A service for tests of what a process exports.

With FORKS each call of `Say` forks a child, which ends at once.
"""

import asyncio
import multiprocessing
import os

from echo.v1 import echo_pb2 as pb

from tests.echo_service import Echo
from towpath import App, Context, run


class Forking(Echo):
    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        if os.environ.get("FORKS"):
            child = multiprocessing.get_context("fork").Process(target=int)
            child.start()
            await asyncio.to_thread(child.join)
            return pb.SayResponse(n=child.exitcode)
        return await super().say(request, ctx)


async def main(app: App) -> None:
    app.add(Forking())


if __name__ == "__main__":
    run(main)
