"""What every peer sends and must answer: about 30 bytes each way, the same for all, checked call by call while warming up."""

from collections.abc import AsyncIterable
from typing import Any, Final

from bench.suites import BLOB, MESSAGES

ID: Final = "order-123456"
N: Final = 42
TAGS: Final = ("a", "b", "c")
TEXT: Final = "hi"
TIMEOUT: Final = 5.0
"""Seconds that each client gives a call. Every peer here supports a timeout, and a user of any of them would set one."""


def verify(identifier: str, n: int, text: str) -> None:
    """Raise ValueError unless this is the answer that the contract promises: a fast wrong answer is not worth a figure."""
    if (identifier, n, text) != (ID, N + 1, TEXT):
        raise ValueError(f"wrong answer: id={identifier!r} n={n!r} text={text!r}, expected id={ID!r} n={N + 1} text={TEXT!r}")


async def read_all(responses: AsyncIterable[Any]) -> tuple[int, Any]:
    """How many messages a stream had, and the last of them."""
    count, last = 0, None
    async for last in responses:  # noqa: B007 - kept
        count += 1
    return count, last


def verify_stream(answer: tuple[int, Any]) -> None:
    """Raise ValueError unless this is what `read_all` should have found."""
    count, last = answer
    if count != MESSAGES:
        raise ValueError(f"{count} messages, expected {MESSAGES}")
    verify(last.id, last.n, last.text)


def verify_blob(answer: Any) -> None:
    """Raise ValueError unless the large message came back."""
    if len(answer.data) != BLOB:
        raise ValueError(f"{len(answer.data)} bytes, expected {BLOB}")
