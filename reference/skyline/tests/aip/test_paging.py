"""Pages together are the list, and a token that this server did not give out for this query is refused."""

import pytest
from google.rpc.error_details_pb2 import BadRequest
from hypothesis import given
from hypothesis import strategies as st

from skyline.aip.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, page_of
from towpath import Code, RpcError


def refusal(**arguments) -> BadRequest.FieldViolation:
    """The one field violation with which a page is refused."""
    with pytest.raises(RpcError) as caught:
        page_of(range(100), **{"query": "q", "page_size": 10, "page_token": ""} | arguments)
    assert caught.value.code is Code.INVALID_ARGUMENT
    (details,) = caught.value.details
    assert isinstance(details, BadRequest)
    (violation,) = details.field_violations
    return violation


@given(length=st.integers(0, 500), sizes=st.lists(st.integers(0, 300), min_size=1, max_size=5))
def test_all_pages_one_after_the_other_are_the_list(length: int, sizes: list[int]) -> None:
    rows = range(length)
    seen: list[int] = []
    token = ""
    for turn in range(length + 1):
        page = page_of(rows, query="q", page_size=sizes[turn % len(sizes)], page_token=token)
        seen += page.rows
        token = page.next_page_token
        if not token:
            break
        assert page.rows, "a page before the last is never empty"
    assert seen == list(rows)


def test_the_server_bounds_the_size() -> None:
    rows = range(1000)
    assert len(page_of(rows, query="q", page_size=0, page_token="").rows) == DEFAULT_PAGE_SIZE
    assert len(page_of(rows, query="q", page_size=7, page_token="").rows) == 7
    assert len(page_of(rows, query="q", page_size=2**31 - 1, page_token="").rows) == MAX_PAGE_SIZE


def test_a_negative_size_is_refused() -> None:
    violation = refusal(page_size=-1)
    assert violation.field == "page_size"
    assert "-1 is negative" in violation.description


@given(st.text())
def test_a_token_from_nowhere_is_refused(token: str) -> None:
    if token:
        assert refusal(page_token=token).field == "page_token"


@given(position=st.integers(0, 15), character=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_a_token_with_one_character_changed_is_refused(position: int, character: str) -> None:
    token = page_of(range(100), query="q", page_size=10, page_token="").next_page_token
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        assert refusal(page_token=changed).field == "page_token"


def test_a_token_of_another_query_is_refused() -> None:
    token = page_of(range(100), query="q", page_size=10, page_token="").next_page_token
    assert page_of(range(100), query="q", page_size=10, page_token=token).rows == range(10, 20)
    assert refusal(query="another", page_token=token).field == "page_token"


def test_a_list_that_shrank_meanwhile_ends() -> None:
    token = page_of(range(100), query="q", page_size=60, page_token="").next_page_token
    page = page_of(range(30), query="q", page_size=60, page_token=token)
    assert list(page.rows) == []
    assert page.next_page_token == ""
