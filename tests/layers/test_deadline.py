"""Work that is too late is not begun."""

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import SAY
from google.rpc.error_details_pb2 import ErrorInfo

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError
from towpath._layers.deadline import EXPIRED, Deadline

NOW = 1000.0


class Handler:
    def __init__(self):
        self.started = 0

    async def __call__(self, request, _ctx):
        self.started += 1
        return request


@pytest.fixture(autouse=True)
def _virtual_clock():
    with clock.using(lambda: NOW):
        yield


@pytest.mark.parametrize("deadline", [None, NOW + 0.001])
async def test_work_in_time_runs(deadline):
    handler, request = Handler(), SayRequest(id="x")
    assert await Deadline("server").wrap(SAY, handler)(request, Context("a/b", deadline=deadline)) is request


@pytest.mark.parametrize(("side", "where"), [("server", "reached the handler"), ("client", "was sent")])
@pytest.mark.parametrize("deadline", [NOW, NOW - 0.25])
async def test_expired_work_is_rejected_unstarted(side, where, deadline):
    handler, ctx, told = Handler(), Context("a/b", deadline=deadline), list[Decision]()
    with pytest.raises(RpcError) as caught:
        await Deadline(side, signal=told.append).wrap(SAY, handler)(SayRequest(), ctx)
    error = caught.value
    assert (error.code, error.unprocessed, error.pushback, handler.started) == (Code.DEADLINE_EXCEEDED, True, None, 0)
    assert told == [Decision("echo.v1.EchoService/Say", "deadline", EXPIRED, shadow=False, ctx=ctx, rejected=True)]
    assert error.message == f"echo.v1.EchoService/Say: the deadline passed before the call {where}; it was not started"
    (info,) = error.details
    figures = {"method": "echo.v1.EchoService/Say", "role": "deadline", "side": side, "late_ms": f"{(NOW - deadline) * 1000:.0f}"}
    assert info == ErrorInfo(reason=EXPIRED, domain="towpath", metadata=figures)


async def test_the_rejection_is_raised_when_awaited_like_any_other():
    refused = Deadline("client").wrap(SAY, Handler())(SayRequest(), Context("a/b", deadline=0.0))
    with pytest.raises(RpcError):
        await refused
