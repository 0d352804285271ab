"""A refusal says who refused, why, and by which figures."""

import pytest
from echo.v1.echo_towpath import FAIL, SAY
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from towpath._core.decisions import Decision, reason_of, rejection, shed, unheard, was_rejected
from towpath._core.errors import Code, RpcError


def rejected(pushback: float | None) -> RpcError:
    figures = {"limit": "20"}
    return rejection(Code.RESOURCE_EXHAUSTED, SAY, role="admission", reason="FULL", why="no place", figures=figures, pushback=pushback)


def test_a_refusal_carries_role_reason_and_figures() -> None:
    error = rejected(None)
    metadata = {"method": "echo.v1.EchoService/Say", "role": "admission", "limit": "20"}
    assert (error.code, error.message) == (Code.RESOURCE_EXHAUSTED, "echo.v1.EchoService/Say: no place")
    assert error.details == (ErrorInfo(reason="FULL", domain="towpath", metadata=metadata),)
    assert (error.unprocessed, error.pushback) == (True, None)


def test_a_refusal_says_when_to_try_again() -> None:
    error = rejected(1.5)
    assert error.details[1] == RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    assert error.pushback == 1.5


def test_a_refusal_that_must_not_be_tried_again_promises_no_time() -> None:
    error = rejected(-1.0)
    assert (len(error.details), error.pushback) == (1, -1.0)


@pytest.mark.parametrize("details", [(), (RetryInfo(),), (ErrorInfo(reason="FULL", domain="elsewhere"),)])
def test_an_error_from_elsewhere_has_no_reason_of_ours(details) -> None:
    assert reason_of(RpcError(Code.UNAVAILABLE, "", details)) == ""


def test_the_reason_of_a_refusal_is_found_behind_other_details() -> None:
    assert reason_of(RpcError(Code.UNAVAILABLE, "", (RetryInfo(), *rejected(None).details))) == "FULL"


def test_a_signal_may_go_unheard() -> None:
    unheard(Decision("a.B/C", "admission", "FULL", shadow=False, ctx=None))


def test_a_call_was_refused_unstarted_if_the_refusal_names_its_method() -> None:
    assert was_rejected(rejected(1.0), SAY)
    assert not was_rejected(rejected(1.0), FAIL)  # of a call that the handler made
    assert not was_rejected(RpcError(Code.RESOURCE_EXHAUSTED, "", (RetryInfo(), ErrorInfo(domain="elsewhere"))), SAY)


@pytest.mark.parametrize("role", ["admission", "quota", "bulkhead", "idempotency"])
def test_a_server_sheds_what_is_too_much_for_itself_and_not_for_somebodys_share(role: str) -> None:
    error = rejection(Code.RESOURCE_EXHAUSTED, SAY, role=role, reason="R", why="enough")
    assert shed(error, SAY.full_name) is (role == "admission")
    assert not shed(error, FAIL.full_name)  # by another server, which the handler called


def test_a_server_of_another_make_is_not_known_to_shed() -> None:
    details = (RetryInfo(), ErrorInfo(domain="elsewhere", metadata={"method": SAY.full_name, "role": "admission"}))
    assert not shed(RpcError(Code.RESOURCE_EXHAUSTED, "", details), SAY.full_name)
