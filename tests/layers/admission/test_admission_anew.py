"""A service file that is read anew has its methods wrapped anew, and the limit knows what already runs."""

import asyncio

from echo.v1.echo_towpath import SAY

from tests.layers.admission.late_loop import make_late
from tests.layers.virtual_time import virtual
from towpath._core.context import Context
from towpath._layers.admission.adaptive_limit import LimitOptions
from towpath._layers.admission.admission import Admission


@virtual
async def test_what_runs_when_a_method_is_wrapped_anew_still_counts():
    layer = Admission(limit_of=lambda _: LimitOptions(initial=1, max_limit=1))
    begun, go = [], asyncio.Event()

    async def handler(request, _ctx):
        begun.append(request)
        await go.wait()
        return request

    handle = layer.wrap(SAY, handler)
    make_late(layer)
    running = asyncio.create_task(handle(1, Context("a/b")))
    for _ in range(10):
        await asyncio.sleep(0)
    waiting = asyncio.create_task(layer.wrap(SAY, handler)(2, Context("a/b")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == [1]
    go.set()
    assert await asyncio.gather(running, waiting) == [1, 2]
