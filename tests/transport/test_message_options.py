"""The options of a single method's messages."""

import pytest

from towpath._core.errors import SetupError
from towpath._transport.message_options import AS_USUAL, MessageOptions
from towpath._wire.compression import configured

GZIP = configured("gzip")


def test_what_is_left_out_is_as_usual() -> None:
    assert (AS_USUAL.limit(7), AS_USUAL.compresses(GZIP), AS_USUAL.compresses(None)) == (7, GZIP, None)


def test_what_is_given_holds() -> None:
    options = MessageOptions(message_limit=9, compression="gzip")
    assert (options.limit(7), options.compresses(None)) == (9, GZIP)
    assert MessageOptions(compression="off").compresses(GZIP) is None


@pytest.mark.parametrize("limit", [0, -1, 2**32])
def test_a_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(SetupError, match=f"message_limit: {limit} is out of range"):
        MessageOptions(message_limit=limit)


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(SetupError, match="zip"):
        MessageOptions(compression="zip")  # type: ignore[arg-type] # as somebody may write it who has no type checker
