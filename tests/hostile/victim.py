"""The server that is attacked, as a process: an application of towpath's own test services, with default settings but for what
TOWPATH_CONFIG says. `python -m tests.hostile.victim LOOP`, where LOOP is "uvloop" or "asyncio". It says by `Census` what it holds."""

import asyncio
import gc
import logging
import os
import re
import sys
from pathlib import Path

import psutil
from hostile.v1 import hostile_pb2 as pb
from hostile.v1.hostile_towpath import HostileService
from payment.v1 import payment_pb2 as payment
from payment.v1.payment_towpath import PaymentService

from tests.echo_service import Echo
from tests.library_service import Library
from tests.stream_service import Streams
from towpath import App, Context, run

PROCESS = Path("/proc/self")


class Faults(logging.Handler):
    """Counts what is logged as an error. An exception that reaches the event loop is logged as one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        self.last = self.format(record)


class Payments(PaymentService):
    """Numbers the charges and the refunds."""

    def __init__(self) -> None:
        self.effects = 0

    async def charge(self, request: payment.ChargeRequest, ctx: Context) -> payment.ChargeResponse:
        self.effects += 1
        return payment.ChargeResponse(number=self.effects)

    async def refund(self, request: payment.RefundRequest, ctx: Context) -> payment.RefundResponse:
        self.effects += 1
        return payment.RefundResponse(number=self.effects)


class Hostile(HostileService):
    """Weighs what it is sent, and tells what the process holds."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def weigh(self, request: pb.WeighRequest, ctx: Context) -> pb.WeighResponse:
        return pb.WeighResponse(size=request.content.ByteSize(), content=request.content if request.echo else None)

    async def census(self, request: pb.CensusRequest, ctx: Context) -> pb.CensusResponse:
        gc.collect()
        if request.forget_peak:
            (PROCESS / "clear_refs").write_text("5")  # proc(5): the peak of the resident memory
        status = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", (PROCESS / "status").read_text(), re.MULTILINE))
        return pb.CensusResponse(
            tasks=len(asyncio.all_tasks()) - 1,
            descriptors=psutil.Process().num_fds(),
            memory=int(status["VmRSS"]) * 1024,
            peak=int(status["VmHWM"]) * 1024,
            faults=self._faults.count,
            last_fault=self._faults.last,
        )


async def main(app: App) -> None:
    faults = Faults()
    logging.getLogger().addHandler(faults)
    app.add(Echo(), Streams(), Library(), Payments(), Hostile(faults))


if __name__ == "__main__":
    if sys.argv[1] == "asyncio":
        sys.modules["uvloop"] = None  # type: ignore[assignment] # as where it is not installed
    os.environ.setdefault("TOWPATH_LISTEN", "127.0.0.1:0")
    run(main)
