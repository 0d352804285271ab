"""Every way in which an attempt can end has one class."""

import asyncio

import pytest

from towpath._core.errors import Code, RpcError
from towpath._core.outcome import BLAMES_SERVER, Outcome, classify, code_of_end, is_held_elsewhere


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (Code.CANCELLED, Outcome.CANCELLED),
        (Code.UNKNOWN, Outcome.FATAL),
        (Code.INVALID_ARGUMENT, Outcome.CLIENT_FAULT),
        (Code.DEADLINE_EXCEEDED, Outcome.DEADLINE),
        (Code.NOT_FOUND, Outcome.CLIENT_FAULT),
        (Code.ALREADY_EXISTS, Outcome.CLIENT_FAULT),
        (Code.PERMISSION_DENIED, Outcome.CLIENT_FAULT),
        (Code.RESOURCE_EXHAUSTED, Outcome.OVERLOAD),
        (Code.FAILED_PRECONDITION, Outcome.CLIENT_FAULT),
        (Code.ABORTED, Outcome.CLIENT_FAULT),
        (Code.OUT_OF_RANGE, Outcome.CLIENT_FAULT),
        (Code.UNIMPLEMENTED, Outcome.CLIENT_FAULT),
        (Code.INTERNAL, Outcome.FATAL),
        (Code.UNAVAILABLE, Outcome.TRANSIENT),
        (Code.DATA_LOSS, Outcome.FATAL),
        (Code.UNAUTHENTICATED, Outcome.CLIENT_FAULT),
    ],
)
def test_a_code_has_its_class(code: Code, outcome: Outcome) -> None:
    assert classify(RpcError(code)) is outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.SUCCESS),
        (asyncio.CancelledError(), Outcome.CANCELLED),
        (GeneratorExit(), Outcome.CANCELLED),
        (ZeroDivisionError(), Outcome.FATAL),
        (ExceptionGroup("", [RpcError(Code.NOT_FOUND), ValueError()]), Outcome.CLIENT_FAULT),
        (BaseExceptionGroup("", [SystemExit(), RpcError(Code.NOT_FOUND)]), Outcome.FATAL),
    ],
)
def test_an_attempt_may_end_without_a_code(error: BaseException | None, outcome: Outcome) -> None:
    assert classify(error) is outcome


def test_neither_a_callers_mistake_nor_its_impatience_blames_the_server() -> None:
    assert set(Outcome) - BLAMES_SERVER == {Outcome.SUCCESS, Outcome.CLIENT_FAULT, Outcome.CANCELLED}


@pytest.mark.parametrize(
    ("code", "pushback", "key", "held"),
    [
        (Code.ABORTED, 0.1, "k", True),
        (Code.ABORTED, 0.1, "", False),
        (Code.ABORTED, None, "k", False),
        (Code.UNAVAILABLE, 0.1, "k", False),
    ],
)
def test_an_attempt_that_meets_an_earlier_one_is_told_when_to_come_again(code: Code, pushback: float | None, key: str, held: bool) -> None:
    error = RpcError(code, "as told")
    error.pushback = pushback
    assert is_held_elsewhere(error, key) is held


class Lost(RpcError):
    def __init__(self) -> None:
        self.code = None  # type: ignore[assignment] # what a handler's subclass may do


@pytest.mark.parametrize(
    ("error", "expired", "code"),
    [
        (RpcError(Code.NOT_FOUND, "no"), True, Code.NOT_FOUND),
        (ExceptionGroup("both", [RpcError(Code.ABORTED, "no"), ValueError()]), False, Code.ABORTED),
        (Lost(), False, Code.INTERNAL),
        (asyncio.CancelledError(), True, Code.DEADLINE_EXCEEDED),
        (asyncio.CancelledError(), False, Code.CANCELLED),
        (GeneratorExit(), False, Code.CANCELLED),
        (ValueError(), True, Code.INTERNAL),
    ],
)
def test_a_call_ends_with_one_code(error: BaseException, expired: bool, code: Code) -> None:
    assert code_of_end(error, expired=expired) is code
