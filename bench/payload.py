"""What every peer sends and must answer: about 30 bytes each way, the same for all, checked call by call while warming up."""

from typing import Final

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
