"""ETags, conditions, Cache-Control and Retry-After, as a handler uses them through `ctx.http`."""

from typing import Any

import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.http.reply import DOMAIN, MISMATCH, is_mismatch
from towpath._core.metadata import Metadata


def context(*pairs: tuple[str, str]) -> Context:
    return Context("a/B", metadata=Metadata(pairs))


@pytest.mark.parametrize(("weak", "header"), [(False, '"7"'), (True, 'W/"7"')])
def test_an_etag_is_a_header_of_the_answer(weak: bool, header: str) -> None:
    ctx = context()
    ctx.reply.headers = Metadata([("x-a", "1"), ("etag", '"6"')])
    ctx.http.etag("7", weak=weak)
    assert list(ctx.reply.headers) == [("x-a", "1"), ("etag", header)]
    assert not ctx.reply.unchanged


@pytest.mark.parametrize(
    ("asked", "unchanged"),
    [('"7"', True), ('W/"7"', True), ('"6", W/"7"', True), ("*", True), ('"77"', False), ("7", False), ('""', False)],
)
@pytest.mark.parametrize("weak", [True, False])
def test_a_reader_who_has_the_version_is_known(asked: str, unchanged: bool, weak: bool) -> None:
    ctx = context(("if-none-match", asked))
    ctx.http.etag("7", weak=weak)
    assert ctx.reply.unchanged is unchanged


@pytest.mark.parametrize("tag", ["", 'a"b', "a b", "\u00e4", "a\n"])
def test_what_is_no_etag_is_refused(tag: str) -> None:
    for use in (context().http.etag, context().http.check_match):
        with pytest.raises(ValueError, match="cannot be an ETag"):
            use(tag)


@pytest.mark.parametrize(
    ("headers", "tag", "weak"),
    [
        ([], None, False),
        ([], "7", False),
        ([("if-match", '"7"')], "7", False),
        ([("if-match", '"6", "7"')], "7", False),
        ([("if-match", '"6"'), ("if-match", '"7"')], "7", False),
        ([("if-match", "*")], "7", True),
        ([("if-none-match", "*")], None, False),
        ([("if-none-match", '"6"')], "7", False),
    ],
)
def test_a_write_to_the_version_that_there_is_goes_on(headers: list[tuple[str, str]], tag: str | None, weak: bool) -> None:
    context(*headers).http.check_match(tag, weak=weak)


@pytest.mark.parametrize(
    ("headers", "tag", "weak"),
    [
        ([("if-match", '"6"')], "7", False),
        ([("if-match", '"7"')], None, False),
        ([("if-match", "*")], None, False),
        ([("if-match", 'W/"7"')], "7", False),
        ([("if-match", '"7"')], "7", True),
        ([("if-none-match", "*")], "7", False),
        ([("if-none-match", 'W/"7"')], "7", False),
    ],
)
def test_a_write_to_another_version_is_aborted(headers: list[tuple[str, str]], tag: str | None, weak: bool) -> None:
    with pytest.raises(RpcError, match="read it again first") as caught:
        context(*headers).http.check_match(tag, weak=weak)
    assert caught.value.code is Code.ABORTED
    assert is_mismatch(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RpcError(Code.ABORTED, "a"),
        RpcError(Code.ABORTED, "a", [ErrorInfo(reason=MISMATCH, domain="b")]),
        RpcError(Code.NOT_FOUND, "a", [ErrorInfo(reason=MISMATCH, domain=DOMAIN)]),
    ],
)
def test_another_error_is_no_mismatch(error: RpcError) -> None:
    assert not is_mismatch(error)


@pytest.mark.parametrize(
    ("directives", "header"),
    [
        ({"max_age": 60.9, "public": True}, "public, max-age=60"),
        ({"private": True, "no_cache": True}, "private, no-cache"),
        ({"no_store": True}, "no-store"),
        ({"max_age": 0, "immutable": True}, "immutable, max-age=0"),
        ({}, None),
    ],
)
def test_cache_control_says_how_caches_may_treat_the_answer(directives: dict[str, Any], header: str | None) -> None:
    ctx = context()
    ctx.http.cache_control(**directives)
    assert ctx.reply.headers.get("cache-control") == header


@pytest.mark.parametrize(
    "directives", [{"public": True, "private": True}, {"no_store": True, "max_age": 1}, {"no_store": True, "public": True}, {"max_age": -1}]
)
def test_directives_that_cannot_be_meant_are_refused(directives: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        context().http.cache_control(**directives)


@pytest.mark.parametrize(("seconds", "header"), [(0, "0"), (0.1, "1"), (2, "2"), (2.5, "3")])
def test_retry_after_is_in_whole_seconds(seconds: float, header: str) -> None:
    ctx = context()
    ctx.http.retry_after(seconds)
    assert ctx.reply.headers.get("retry-after") == header


def test_nobody_is_asked_to_come_back_in_the_past() -> None:
    with pytest.raises(ValueError, match="give seconds, 0 or more"):
        context().http.retry_after(-1)
