"""What is told of calls to whoever records them."""

import asyncio
from typing import Any

import pytest
from echo.v1.echo_towpath import SAY
from google.rpc.error_details_pb2 import ErrorInfo

from towpath._core import clock
from towpath._core.calls.recording import KEPT, code_of, note_kept, reason_in, received_rows
from towpath._core.context import Context
from towpath._core.decisions import rejection, role_of
from towpath._core.errors import Code, RpcError
from towpath._core.server_call import ServerCallInfo
from towpath._core.service import Handler, MethodSpec


class Lost(RpcError):
    """An error that has forgotten its code."""

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RpcError(Code.ABORTED, ""), Code.ABORTED),
        (Lost(), Code.INTERNAL),
        (ExceptionGroup("", [RpcError(Code.NOT_FOUND, "")]), Code.NOT_FOUND),
        (asyncio.CancelledError(), Code.CANCELLED),
        (GeneratorExit(), Code.CANCELLED),
        (ValueError(), Code.INTERNAL),
    ],
)
def test_the_code_of_an_error(error: BaseException, code: Code) -> None:
    assert code_of(error, Context("a.B/C")) is code


def test_a_cancelled_call_whose_deadline_has_passed_was_cancelled_by_it() -> None:
    with clock.using(lambda: 5.0):
        assert code_of(asyncio.CancelledError(), Context("a.B/C", deadline=4.0)) is Code.DEADLINE_EXCEEDED


def test_the_reason_is_that_of_the_policy_which_rejected() -> None:
    error = rejection(Code.RESOURCE_EXHAUSTED, SAY, role="quota", reason="RATE_LIMIT", why="too many")
    assert reason_in(error) == "quota/RATE_LIMIT"
    assert reason_in(ExceptionGroup("", [error])) == "quota/RATE_LIMIT"


@pytest.mark.parametrize(
    "error", [ValueError(), RpcError(Code.ABORTED, ""), RpcError(Code.ABORTED, "", [ErrorInfo(reason="OTHER", domain="shop")])]
)
def test_an_error_that_no_policy_made_has_no_reason(error: Exception) -> None:
    assert reason_in(error) == ""


def test_an_error_without_details_has_no_role() -> None:
    assert role_of(RpcError(Code.ABORTED, "")) == ""


class Plain:
    """A layer that records nothing."""

    role = "plain"

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        return following


class Recording(Plain):
    """A layer with which calls are recorded."""

    rows: Any = object()

    def received(self, method: MethodSpec[Any, Any], /) -> Any:
        return self.rows


def test_the_first_layer_that_records_is_asked() -> None:
    assert received_rows([Plain()], SAY) is None
    assert received_rows([Plain(), Recording()], SAY) is Recording.rows


def test_what_a_server_keeps_is_noted_for_the_call_and_for_the_one_that_it_is_made_for() -> None:
    ctx = Context("a.B/C")
    note_kept(ctx)
    assert ctx.server is None
    ctx.server, ctx.call = ServerCallInfo(1.0), [0.0, 0, 0, 0, 0.0, False]
    note_kept(ctx)
    assert ctx.server.kept
    assert ctx.call[KEPT]
