"""The end of a call as trailers and back; percent-encoding is compared with the standard library's, codes with grpcio's."""

import base64
import string
import urllib.parse

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire import metadata
from towpath._wire.grpc import status
from towpath._wire.http.fields import list_size
from towpath._wire.http2 import LOST, ErrorCode

UNESCAPED = "".join(chr(code) for code in range(0x20, 0x7F) if code != ord("%"))
DETAILS = (
    ErrorInfo(reason="NO_SEATS", domain="skyline", metadata={"flight": "UA 15"}),
    RetryInfo(retry_delay=Duration(seconds=3)),
    BadRequest(field_violations=[BadRequest.FieldViolation(field="day", description="not in January")]),
)


def sent_message(text: str) -> bytes:
    return dict(status.encode(RpcError(Code.ABORTED, text))).get(b"grpc-message", b"")


def unpadded_base64(raw: bytes) -> bytes:
    """A value of a binary header, as gRPC over HTTP/2 wants it written."""
    return base64.b64encode(raw).rstrip(b"=")


def decoded(*fields: tuple[bytes, bytes]) -> RpcError:
    error = status.decode(fields)
    assert error is not None
    return error


def test_codes_are_those_of_grpc() -> None:
    assert {code.name: int(code) for code in Code} | {"OK": 0} == {code.name: code.value[0] for code in grpc.StatusCode}


@given(st.sampled_from(Code), st.text(max_size=200))
def test_code_and_message_come_back(code: Code, message: str) -> None:
    error = decoded(*status.encode(RpcError(code, message)))
    assert (error.code, error.message, error.details, error.metadata) == (code, message, (), EMPTY)


@given(st.text(max_size=200))
def test_messages_are_escaped_as_the_standard_library_does(text: str) -> None:
    quoted = urllib.parse.quote(text, safe=UNESCAPED)
    # HTTP/2 forbids spaces at either end of a value, which that library does not know.
    quoted = "%20" + quoted[1:] if quoted[:1] == " " else quoted
    quoted = quoted[:-1] + "%20" if quoted[-1:] == " " else quoted
    assert sent_message(text).decode() == quoted


@given(st.binary(max_size=100))
def test_messages_are_unescaped_as_the_standard_library_does(raw: bytes) -> None:
    error = decoded((b"grpc-status", b"2"), (b"grpc-message", raw))
    assert error.message == urllib.parse.unquote_to_bytes(raw).decode("utf-8", "replace")


def test_a_message_with_half_a_surrogate_pair_still_reports_its_error() -> None:
    error = decoded(*status.encode(RpcError(Code.NOT_FOUND, "file \udc80")))
    assert (error.code, error.message) == (Code.NOT_FOUND, "file ?")


@pytest.mark.parametrize("code", [0, 17, "NOT_FOUND", None])
def test_an_error_whose_code_was_replaced_by_none_is_not_written(code: object) -> None:
    error = RpcError(Code.NOT_FOUND)
    error.code = code  # type: ignore[assignment]
    with pytest.raises(ValueError, match="is not a valid Code"):
        status.encode(error)


def test_a_long_message_is_cut_between_characters() -> None:
    error = decoded(*status.encode(RpcError(Code.INTERNAL, "x" + "é" * 5000)))
    assert error.message == "x" + "é" * 511


def test_details_come_back_as_their_own_types() -> None:
    error = decoded(*status.encode(RpcError(Code.UNAVAILABLE, "later", DETAILS)))
    assert error.details == DETAILS


def test_details_are_what_grpcio_status_reads() -> None:
    class Call:
        """An ended call as grpcio-status looks at it."""

        def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
            return (("grpc-status-details-bin", metadata.from_base64(fields[b"grpc-status-details-bin"]) or b""),)

        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

        def details(self) -> str:
            return "later"

    fields = dict(status.encode(RpcError(Code.UNAVAILABLE, "later", DETAILS)))
    rich = rpc_status.from_call(Call())
    assert rich is not None
    assert (rich.code, rich.message) == (14, "later")
    assert [detail.TypeName() for detail in rich.details] == [detail.DESCRIPTOR.full_name for detail in DETAILS]


def test_a_detail_of_another_type_stays_packed() -> None:
    packed = Any()
    packed.Pack(Duration(seconds=7))
    (detail,) = decoded(*status.encode(RpcError(Code.ABORTED, "", [packed]))).details
    assert detail == packed


@pytest.mark.parametrize("name", ["NeverHeardOf", "DESCRIPTOR", "_globals"])
def test_a_detail_that_google_rpc_does_not_know_stays_packed(name: str) -> None:
    raw = Status(code=10, details=[Any(type_url=f"type.googleapis.com/google.rpc.{name}", value=b"\x08\x01")])
    fields = [(b"grpc-status", b"10"), (b"grpc-status-details-bin", unpadded_base64(raw.SerializeToString()))]
    (detail,) = decoded(*fields).details
    assert detail == raw.details[0]


def test_details_too_large_for_trailers_are_left_out() -> None:
    error = decoded(*status.encode(RpcError(Code.ABORTED, "big", [ErrorInfo(reason="x" * 5000)])))
    message = "big (the details are left out, since they are over the limit of 4096 bytes)"
    assert (error.code, error.message, error.details) == (Code.ABORTED, message, ())
    error = decoded(*status.encode(RpcError(Code.ABORTED, "x" * 2000, [ErrorInfo(reason="x" * 5000)])))
    assert error.message.startswith("xx")
    assert error.message.endswith("xx (the details are left out, since they are over the limit of 4096 bytes)")
    assert len(error.message) == 1024


def test_trailers_that_fit_are_sent_as_they_are() -> None:
    fields = status.encode(RpcError(Code.ABORTED, "why", DETAILS, metadata=Metadata([("k", "v")])))
    assert status.fitting(fields, list_size(fields)) is fields


@pytest.mark.parametrize("room", [0, 45, 150, 200, 300, 10_000])
def test_trailers_too_large_for_the_peer_leave_the_status_and_say_what_is_missing(room: int) -> None:
    fields = status.encode(RpcError(Code.ABORTED, "why " * 50, DETAILS, metadata=Metadata([("k", "v" * 20_000)])))
    found = status.fitting(fields, room)
    error = decoded(*found)
    assert error.code is Code.ABORTED
    assert list_size(found) <= max(room, 45)
    if room >= 200:
        assert error.message.startswith("w")
    if room >= 200:
        assert error.message.endswith("(the trailers are left out, since they are over what the caller takes)")
    else:
        assert error.message == ""


def test_a_call_whose_trailers_nobody_can_read_fails() -> None:
    error = decoded(*status.fitting([(b"grpc-status", b"0"), (b"k", b"v" * 1000)], 500))
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert error.message.startswith("the call has succeeded (the trailers are left out")


@pytest.mark.parametrize(
    "value",
    [
        b"%%%",
        b"AAAA*",
        unpadded_base64(b"\xff\xff\xff"),
        unpadded_base64(
            Status(code=3, details=[Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")]).SerializeToString()
        ),
    ],
)
def test_details_that_cannot_be_read_do_not_cost_the_status(value: bytes) -> None:
    error = decoded((b"grpc-status", b"3"), (b"grpc-message", b"why"), (b"grpc-status-details-bin", value))
    assert (error.code, error.message, error.details) == (Code.INVALID_ARGUMENT, "why", ())


def test_metadata_of_an_error_come_back() -> None:
    sent = Metadata([("x", "1"), ("y-bin", b"\0\1"), ("x", "2")])
    assert decoded(*status.encode(RpcError(Code.ABORTED, "no", DETAILS, metadata=sent))).metadata == sent


def test_ok_is_no_error() -> None:
    assert status.decode([(b"x", b"1"), (b"grpc-status", b"0"), (b"grpc-message", b"ignored")]) is None


def test_a_missing_status_is_unknown() -> None:
    error = decoded((b"x", b"1"))
    assert error.code is Code.UNKNOWN
    assert "without a grpc-status" in error.message
    assert error.metadata == Metadata([("x", "1")])


@pytest.mark.parametrize("raw", [b"17", b"99", b"00", b"-1", b"+1", b"1x", b"one", b"1.0", b"9" * 5000, b"\xd9\xa1"])
def test_a_status_that_grpc_does_not_have_is_unknown(raw: bytes) -> None:
    error = decoded((b"grpc-status", raw), (b"grpc-message", b"why"))
    assert error.code is Code.UNKNOWN
    assert error.message.startswith("unknown grpc-status")
    assert error.message.endswith(": why")
    assert len(error.message) < 100


@given(
    st.lists(
        st.tuples(st.sampled_from([b"grpc-status", b"grpc-message", b"grpc-status-details-bin", b"x-bin", b"x"]), st.binary(max_size=40))
    )
)
def test_any_trailers_are_a_status(fields: list[tuple[bytes, bytes]]) -> None:
    error = status.decode(fields)
    assert error is None or error.code in Code


@pytest.mark.parametrize(
    ("http", "code"),
    [
        (b"400", Code.INTERNAL),
        (b"401", Code.UNAUTHENTICATED),
        (b"403", Code.PERMISSION_DENIED),
        (b"404", Code.UNIMPLEMENTED),
        (b"429", Code.UNAVAILABLE),
        (b"502", Code.UNAVAILABLE),
        (b"503", Code.UNAVAILABLE),
        (b"504", Code.UNAVAILABLE),
        (b"200", Code.UNKNOWN),
        (b"302", Code.UNKNOWN),
        (b"500", Code.UNKNOWN),
    ],
)
def test_http_statuses_are_mapped_as_grpc_says(http: bytes, code: Code) -> None:
    error = status.from_http(http, b"text/html" + b"x" * 1000)
    assert error.code is code
    assert f"HTTP status {http.decode()}, content-type b'text/html" in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize(
    ("reset", "code"),
    [
        (LOST, Code.UNAVAILABLE),
        (ErrorCode.REFUSED_STREAM, Code.UNAVAILABLE),
        (ErrorCode.CANCEL, Code.CANCELLED),
        (ErrorCode.ENHANCE_YOUR_CALM, Code.RESOURCE_EXHAUSTED),
        (ErrorCode.INADEQUATE_SECURITY, Code.PERMISSION_DENIED),
        (ErrorCode.NO_ERROR, Code.INTERNAL),
        (ErrorCode.PROTOCOL_ERROR, Code.INTERNAL),
        (ErrorCode.INTERNAL_ERROR, Code.INTERNAL),
        (ErrorCode.FLOW_CONTROL_ERROR, Code.INTERNAL),
        (0xDEADBEEF, Code.INTERNAL),
    ],
)
def test_resets_are_mapped_as_grpc_says(reset: int, code: Code) -> None:
    error = status.from_reset(reset, "what happened", answering=False)
    assert (error.code, error.message) == (code, "what happened")


def test_printable_text_is_not_escaped_but_for_outer_spaces() -> None:
    assert sent_message(" in  out ") == b"%20in  out%20"
    assert sent_message(" ") == b"%20"
    text = string.ascii_letters + string.digits + "! \"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
    assert sent_message(text) == text.encode()


@pytest.mark.parametrize(("pushback", "value"), [(0.0, b"0"), (0.25, b"250"), (12.0, b"12000"), (-1.0, b"-1")])
def test_the_servers_word_on_trying_again_comes_back(pushback: float, value: bytes) -> None:
    error = RpcError(Code.RESOURCE_EXHAUSTED, "later")
    error.pushback = pushback
    fields = status.encode(error)
    assert dict(fields)[b"grpc-retry-pushback-ms"] == value
    assert decoded(*fields).pushback == pushback


def test_no_word_on_trying_again_is_no_field() -> None:
    fields = status.encode(RpcError(Code.RESOURCE_EXHAUSTED, "later"))
    assert b"grpc-retry-pushback-ms" not in dict(fields)
    assert decoded(*fields).pushback is None


@pytest.mark.parametrize("value", [b"", b"soon", b"1.5", b"9" * 10])
def test_a_word_on_trying_again_that_cannot_be_read_means_not_to(value: bytes) -> None:
    assert decoded((b"grpc-status", b"14"), (b"grpc-retry-pushback-ms", value)).pushback == -1.0


@pytest.mark.parametrize(("code", "unprocessed"), [(ErrorCode.REFUSED_STREAM, True), (ErrorCode.CANCEL, False), (LOST, False)])
def test_a_refused_stream_was_not_processed(code: int, unprocessed: bool) -> None:
    assert status.from_reset(code, "gone", answering=False).unprocessed is unprocessed
    assert not status.from_reset(code, "gone", answering=True).unprocessed


@pytest.mark.parametrize(("code", "lost"), [(ErrorCode.REFUSED_STREAM, False), (ErrorCode.INTERNAL_ERROR, False), (LOST, True)])
def test_a_connection_that_ended_is_told_from_a_stream_that_did(code: int, lost: bool) -> None:
    assert status.from_reset(code, "gone", answering=False).lost is lost
