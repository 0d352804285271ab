"""What a caller and the log are told of a transaction that did not come to its end."""

import logging

import pytest

from towpath._core.disclosure.fault_log import FaultLog
from towpath._core.errors import Code
from towpath._layers.idempotency.transaction import overtaken, undecided, unwritten

LOG = logging.getLogger("towpath.test")
LOST = ConnectionResetError("10.0.0.7:5432 is gone")


@pytest.mark.parametrize(
    ("told", "to_the_caller", "to_the_log"),
    [
        (unwritten, "nothing was written", "the store failed a transaction, of which nothing was written: 10.0.0.7:5432 is gone"),
        (undecided, "the same idempotency key will tell", "the store failed a commit: 10.0.0.7:5432 is gone"),
    ],
)
def test_a_database_that_is_lost_is_unavailable_and_only_the_log_says_where(told, to_the_caller, to_the_log, caplog) -> None:
    error = told(LOST, FaultLog(LOG))
    assert error.code is Code.UNAVAILABLE
    assert to_the_caller in error.message
    assert "10.0.0.7" not in str(error)
    assert caplog.messages == [to_the_log]


def test_who_is_overtaken_may_ask_again_soon() -> None:
    error = overtaken()
    assert (error.code, error.pushback) == (Code.ABORTED, 0.1)
