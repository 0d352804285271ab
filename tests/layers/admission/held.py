"""A call before its handler runs, as the transport has it."""

import asyncio

from towpath._core.server_call import ServerCallInfo


class Headers:
    """The headers of the call that `ctx` is the context of."""

    def __init__(self, ctx):
        self.ctx = ctx

    def priority(self, _extra):
        return self.ctx.criticality, self.ctx.attempt, self.ctx.cohort


class Held:
    """Is called once it may begin; `over` is for a test to set."""

    def __init__(self, call=None):
        self.call = call
        self.over = False
        self.refusal = None
        self.tasks = set()

    def begin(self):
        task = asyncio.get_running_loop().create_task(self.call())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def run(self):
        await self.call()

    def reject(self, rejection):
        self.refusal = rejection.error


def put(queue, ctx, call, now):
    """Have `call` wait in `queue`, a MethodQueue, as if it had arrived `now`."""
    ctx.server = ServerCallInfo(now)
    return queue.put(ctx, ctx.server, call, now)
