import pytest

from towpath._wire.http2 import ErrorCode, error_name
from towpath._wire.http2.errors import ConnectionFault, StreamFault


def test_registered_codes_have_the_names_of_the_rfc() -> None:
    assert [error_name(code) for code in (0x0, 0x1, 0x8, 0xB, 0xD)] == [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "CANCEL",
        "ENHANCE_YOUR_CALM",
        "HTTP_1_1_REQUIRED",
    ]
    assert [int(code) for code in ErrorCode] == list(range(14))  # RFC 9113, section 7


@pytest.mark.parametrize("code", [0xE, 0xFFFF_FFFF])
def test_codes_that_nobody_registered_are_shown_as_numbers(code: int) -> None:
    assert error_name(code) == f"error code 0x{code:x}"


def test_a_fault_says_its_code_and_its_reason() -> None:
    fault = ConnectionFault(ErrorCode.COMPRESSION_ERROR, "index 0")
    assert str(fault) == "COMPRESSION_ERROR: index 0"
    assert (fault.code, fault.reason) == (ErrorCode.COMPRESSION_ERROR, "index 0")


def test_a_fault_of_a_stream_says_which() -> None:
    fault = StreamFault(7, ErrorCode.STREAM_CLOSED, "over")
    assert (fault.stream_id, fault.code, str(fault)) == (7, ErrorCode.STREAM_CLOSED, "STREAM_CLOSED: over")
