"""A store's faults in the log, and what callers hear of them."""

import logging

import pytest
from echo.v1 import echo_pb2 as pb

from tests.layers.idempotency.test_idempotency import Broken, Effects, context, wrapped
from towpath import RpcError
from towpath._core import clock
from towpath._core.disclosure.fault_log import FaultLog
from towpath._layers.idempotency.store import StoreUnavailable

SECRET = "[Errno 111] Connect call failed ('10.0.0.3', 5432), /var/lib/keys.db"


def test_one_fault_in_a_minute_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    with clock.using(lambda: now):
        log = FaultLog(logging.getLogger("towpath.stores"))
        for _ in range(3):
            log.tell("the store failed a.B/C", OSError(SECRET))
        assert [record.getMessage() for record in caplog.records] == [f"the store failed a.B/C: {SECRET}"]
        now += 60
        log.tell("the store failed a commit", TimeoutError())
    assert caplog.records[-1].getMessage() == "the store failed a commit: TimeoutError; 2 more since the last such line"


async def test_a_caller_learns_no_address_and_no_path(caplog: pytest.LogCaptureFixture) -> None:
    class Lost(Broken):
        async def claim(self, *_: object) -> object:
            raise StoreUnavailable(SECRET)

    for store, effects in ((Lost(), Effects()), (Broken(), Effects())):
        effects.error = StoreUnavailable(SECRET)
        with pytest.raises(RpcError) as caught:
            await wrapped(effects, store)(pb.FailRequest(), context())
        for part in ("10.0.0.3", "5432", "/var/lib"):
            assert part not in caught.value.message
    assert caplog.text.count(SECRET) == 2
