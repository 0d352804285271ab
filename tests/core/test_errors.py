from asyncio import CancelledError

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from towpath._core.decisions import DOMAIN
from towpath._core.errors import Code, RpcError, SetupError, first_cause, only_rpc_errors, over_limit
from towpath._core.metadata import EMPTY, Metadata


def test_codes_are_numbered_as_grpc_numbers_them() -> None:
    assert {code.name: int(code) for code in Code} == {
        code.name: code.value[0] for code in grpc.StatusCode if code is not grpc.StatusCode.OK
    }


def test_an_error_says_its_code_and_its_message() -> None:
    assert str(RpcError(Code.NOT_FOUND, "no flight UA1")) == "NOT_FOUND: no flight UA1"
    assert str(RpcError(Code.NOT_FOUND)) == "NOT_FOUND"


def test_an_error_carries_details_and_metadata() -> None:
    detail, metadata = StringValue(value="x"), Metadata([("a", "b")])
    error = RpcError(Code.ABORTED, "again", iter([detail]), metadata=metadata)
    assert error.details == (detail,)
    assert error.metadata is metadata
    assert repr(error) == "RpcError(ABORTED, 'again', details=1)"


def test_an_error_has_nothing_that_it_was_not_given() -> None:
    error = RpcError(Code.UNKNOWN)
    assert (error.message, error.details, error.metadata) == ("", (), EMPTY)


def test_a_number_becomes_its_code() -> None:
    error = RpcError(5)
    assert error.code is Code.NOT_FOUND


def test_ok_is_no_error() -> None:
    with pytest.raises(ValueError, match="0 is not a valid Code"):
        RpcError(0)


def test_a_setup_error_is_its_message() -> None:
    assert str(SetupError("towpath.toml: targets.flights is missing")) == "towpath.toml: targets.flights is missing"


def nested(error: BaseException, depth: int) -> BaseException:
    for _ in range(depth):
        error = BaseExceptionGroup("", [error])
    return error


def test_the_cause_of_a_group_is_the_first_error_in_it() -> None:
    missing, bug = RpcError(Code.NOT_FOUND), ValueError()
    assert first_cause(missing) is missing
    assert first_cause(bug) is bug
    assert first_cause(ExceptionGroup("", [ExceptionGroup("", [missing, bug]), bug])) is missing
    assert first_cause(BaseExceptionGroup("", [KeyboardInterrupt(), missing])) is not missing
    assert first_cause(nested(missing, 5000)) is missing


def test_a_cancellation_is_a_cause_only_where_there_is_no_other() -> None:
    missing, cancelled = RpcError(Code.NOT_FOUND), CancelledError()
    assert first_cause(cancelled) is cancelled
    assert first_cause(BaseExceptionGroup("", [cancelled, BaseExceptionGroup("", [CancelledError(), missing])])) is missing
    assert first_cause(BaseExceptionGroup("", [BaseExceptionGroup("", [cancelled]), CancelledError()])) is cancelled


def test_a_bug_in_a_group_is_found_at_any_depth() -> None:
    missing, bug = RpcError(Code.NOT_FOUND), ValueError()
    assert only_rpc_errors(missing)
    assert not only_rpc_errors(bug)
    assert only_rpc_errors(ExceptionGroup("", [ExceptionGroup("", [missing]), missing]))
    assert not only_rpc_errors(ExceptionGroup("", [missing, ExceptionGroup("", [missing, bug])]))
    assert not only_rpc_errors(nested(bug, 5000))
    assert only_rpc_errors(BaseExceptionGroup("", [CancelledError(), missing]))
    assert not only_rpc_errors(BaseExceptionGroup("", [CancelledError()]))


def test_what_is_over_a_limit_has_its_figures_beside_a_text_that_stays_the_same() -> None:
    small, large = over_limit("it is too large", size=11, limit=10), over_limit("it is too large", size=12, limit=10)
    assert small.code is Code.RESOURCE_EXHAUSTED
    assert small.message == large.message
    (told,) = large.details
    assert (told.domain, told.reason, told.metadata) == (DOMAIN, "OVER_LIMIT", {"size": "12", "limit": "10"})
