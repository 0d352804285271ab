"""`docs/howto/idempotency.md`: the table of the answers that stick to a key is what the layer does."""

import re
from pathlib import Path

import pytest

from towpath._core.errors import Code, RpcError
from towpath._layers.idempotency.idempotency import definite

PAGE = (Path(__file__).parents[2] / "docs/howto/idempotency.md").read_text(encoding="utf-8")
STICKS, RELEASED = (
    frozenset(Code[name] for name in re.findall(r"[A-Z_]{5,}", cells))
    for cells in re.findall(r"^\| ([A-Z_, ]{40,}).* \| (?:gets the same error|runs: the key is released)", PAGE, re.MULTILINE)
)


def test_every_code_is_in_one_row() -> None:
    assert STICKS.isdisjoint(RELEASED)
    assert frozenset(Code) == STICKS | RELEASED


@pytest.mark.parametrize("code", sorted(STICKS | RELEASED))
def test_a_code_sticks_or_not_as_the_page_says(code: Code) -> None:
    assert definite(RpcError(code, "as told")) is (code in STICKS)


def test_a_time_to_come_again_releases_the_key() -> None:
    error = RpcError(Code.FAILED_PRECONDITION, "sold out")
    error.pushback = 1.0
    assert definite(error) is False
