"""A call at the gate, as the transport has it."""

import asyncio


class Held:
    """Is called once it is let in; `over` is for a test to set."""

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

    def refuse(self, error):
        self.refusal = error
