"""Requests made of path, query and body, and what of the response is the body."""

import json
from typing import Any

import pytest
from everything.v1.everything_pb2 import Everything
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest
from hypothesis import given
from hypothesis import strategies as st
from library.v1 import library_pb2 as pb

from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import HttpBinding
from towpath._wire.rest import Binding

LIST = Binding(HttpBinding(method="GET", path="/v1/{parent=shelves/*}/books"), pb.ListBooksRequest, pb.ListBooksResponse)
CREATE = Binding(HttpBinding(method="POST", path="/v1/{parent}/books", body="book"), pb.CreateBookRequest, pb.CreateBookResponse)
UPDATE = Binding(HttpBinding(method="PATCH", path="/v1/{book.name}", body="book"), pb.UpdateBookRequest, pb.UpdateBookResponse)
WHOLE = Binding(HttpBinding(method="POST", path="/v1/{parent}/books", body="*"), pb.CreateBookRequest, pb.CreateBookResponse)
WORDS = Binding(HttpBinding(method="POST", path="/v1/words", body="words"), pb.ListBooksRequest, pb.ListBooksResponse)


def read(binding: Binding, variables: dict[str, str] | None = None, query: str = "", body: bytes = b"") -> dict[str, Any]:
    parameters = binding.parameters(tuple((variables or {}).items()), query)
    return MessageToDict(binding.request(parameters, body))


def refused(binding: Binding, variables: dict[str, str] | None = None, query: str = "", body: bytes = b"") -> tuple[str, str]:
    """The field that is at fault, and what is said of it."""
    with pytest.raises(RpcError) as caught:
        read(binding, variables, query, body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    fields = [violation.field for detail in caught.value.details for violation in detail.field_violations]  # type: ignore[attr-defined]
    assert all(isinstance(detail, BadRequest) for detail in caught.value.details)
    return "".join(fields), caught.value.message


@pytest.mark.parametrize(
    ("query", "request_"),
    [
        ("", {}),
        ("page_size=3", {"pageSize": 3}),
        ("pageSize=3&words=a+b&words=c%20d&words=", {"pageSize": 3, "words": ["a b", "c d", ""]}),
        ("filter.min_pages=9007199254740993", {"filter": {"minPages": "9007199254740993"}}),
        (
            "filter.butNot.genres=GENRE_HISTORY&filter.but_not.genres=1",
            {"filter": {"butNot": {"genres": ["GENRE_HISTORY", "GENRE_FICTION"]}}},
        ),
        ("filter.lent=false", {"filter": {"lent": False}}),
        ("filter.lent_for=1.5s&read_mask=a,bC", {"filter": {"lentFor": "1.500s"}, "readMask": "a,bC"}),
        ("filter.published_after=2020-01-01T00:00:00Z", {"filter": {"publishedAfter": "2020-01-01T00:00:00Z"}}),
    ],
)
def test_a_query_fills_fields(query, request_):
    assert read(LIST, {"parent": "shelves/1"}, query) == {"parent": "shelves/1"} | request_


@pytest.mark.parametrize(
    ("query", "field", "complaint"),
    [
        ("pagesize=3", "pagesize", "library.v1.ListBooksRequest has no field pagesize"),
        ("page_size=x", "page_size", "the query parameter page_size: expected a whole number, found 'x'"),
        ("page_size=", "page_size", "expected a whole number"),
        ("filter.lent=1", "filter.lent", "expected true or false"),
        ("filter=x", "filter", "is a whole message; give its fields, as in filter.field=value"),
        ("labels=x", "labels", "is a whole message"),
        ("like.title=x", "like.title", "like is no message that has fields of its own"),
        ("page_size.x=1", "page_size.x", "page_size is no message"),
        ("parent=x", "parent", "is in the path already"),
        ("page_size=1&pageSize=2", "pageSize", "is given twice"),
        ("filter.lent=true&filter.lent_for=1s", "filter.lent_for", "is given beside filter.lent"),
        ("words=%ff", "", "the query is not UTF-8"),
        ("&".join(["words=a"] * 1001), "", "over 1000 parameters"),
    ],
)
def test_a_query_that_does_not_fit_is_refused_with_its_name(query, field, complaint):
    named, said = refused(LIST, {"parent": "shelves/1"}, query)
    assert (named, complaint in said) == (field, True), said


def test_a_variable_that_does_not_fit_is_refused_with_its_name():
    pages = Binding(HttpBinding(method="GET", path="/v1/{page_size}"), pb.ListBooksRequest, pb.ListBooksResponse)
    assert read(pages, {"page_size": "7"}) == {"pageSize": 7}
    assert refused(pages, {"page_size": "x"}) == ("page_size", "the path's page_size: expected a whole number, found 'x'")


def test_a_body_is_one_field_and_the_query_the_others():
    found = read(CREATE, {"parent": "p"}, "book_id=7", b'{"title": "Emma"}')
    assert found == {"parent": "p", "bookId": "7", "book": {"title": "Emma"}}
    assert read(CREATE, {"parent": "p"}, "", b" ") == {"parent": "p"}
    assert refused(CREATE, {}, "book.title=x", b"{}") == ("book.title", "the query parameter 'book.title' belongs into the body")


def test_a_body_may_be_a_field_that_is_no_message():
    assert read(WORDS, body=b'["a", "b"]') == {"words": ["a", "b"]}
    assert refused(WORDS, body=b"3") == ("words", "the body does not fit: words: expected an array, found 3")


def test_a_body_may_be_the_whole_request():
    assert read(WHOLE, {"parent": "p"}, "", b'{"bookId": "7"}') == {"parent": "p", "bookId": "7"}
    field, said = refused(WHOLE, {"parent": "p"}, "book_id=7", b"{}")
    assert field == "book_id"
    assert "POST /v1/{parent}/books takes everything in its body" in said


def test_what_path_and_body_both_say_must_be_the_same():
    assert read(UPDATE, {"book.name": "b"}, "", b'{"name": "b", "title": "t"}') == {"book": {"name": "b", "title": "t"}}
    assert read(UPDATE, {"book.name": "b"}, "", b'{"title": "t"}') == {"book": {"name": "b", "title": "t"}}
    field, said = refused(UPDATE, {"book.name": "b"}, "", b'{"name": "c"}')
    assert (field, said) == ("book.name", "the body's book.name is not what the path says; leave it out, or give the same")


@pytest.mark.parametrize(
    ("body", "field", "complaint"),
    [
        (b"{", "", "the body does not fit: not JSON"),
        (b"3", "book", "expected an object"),
        (b'{"titel": "x"}', "book.titel", "library.v1.Book has no such field"),
        (b'{"pageCount": "x"}', "book.pageCount", "expected a whole number"),
        (b"\xff", "", "not JSON"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_place(body, field, complaint):
    named, said = refused(CREATE, {"parent": "p"}, "", body)
    assert (named, complaint in said) == (field, True), (named, said)


def test_a_body_where_there_is_none_is_refused():
    assert refused(LIST, {"parent": "p"}, "", b"{}") == ("", "GET /v1/{parent=shelves/*}/books takes no body")


@pytest.mark.parametrize(
    ("response_body", "response", "body"),
    [
        ("", pb.ListBooksResponse(books=[pb.Book(title="t")]), {"books": [{"title": "t"}]}),
        (
            "books",
            pb.ListBooksResponse(books=[pb.Book(title="t")]),
            [{"title": "t", "name": "", "pageCount": "0", "genre": "GENRE_UNSPECIFIED"}],
        ),
        ("books", pb.ListBooksResponse(), []),
        ("request", pb.ListBooksResponse(request=pb.ListBooksRequest(page_size=2)), {"pageSize": 2}),
        ("request", pb.ListBooksResponse(), {}),
    ],
)
def test_the_responses_body_is_all_of_it_or_one_field(response_body, response, body):
    binding = Binding(HttpBinding(method="GET", path="/v1", response_body=response_body), pb.ListBooksRequest, pb.ListBooksResponse)
    found = json.loads(binding.body(response))
    assert found == body if response_body != "books" or not body else found[0]["title"] == "t"


@given(st.text(max_size=40), st.binary(max_size=40))
def test_no_input_raises_anything_else(query, body):
    for binding in (LIST, CREATE, WHOLE):
        try:
            binding.request(binding.parameters((("parent", "p"),), query), body)
        except RpcError as error:
            assert error.code is Code.INVALID_ARGUMENT


def test_of_a_oneof_one_field_may_be_given_however_deep_the_parameters_lie():
    anything = Binding(HttpBinding(method="GET", path="/v1/everything"), Everything, Everything)
    assert read(anything, query="chosen_child.an_int32=1&chosen_child.a_uint32=2") == {"chosenChild": {"anInt32": 1, "aUint32": 2}}
    field, complaint = refused(anything, query="chosen_child.an_int32=1&chosenNumber=2")
    assert (field, complaint.endswith("is given beside chosen_child; there can be only one of the two")) == ("chosenNumber", True)
    assert refused(anything, query="chosen_child.chosen_child.an_int32=1&chosen_child.chosen_number=2")[0] == "chosen_child.chosen_number"


def test_a_body_of_too_many_messages_is_told_apart_from_one_that_does_not_fit() -> None:
    message = Everything()
    binding = Binding(HttpBinding(method="POST", path="/v1/all", body="children"), Everything, Everything)
    with pytest.raises(RpcError) as caught:
        binding.request(message, b"[" + b"{}," * 40_000 + b"{}]", 1000)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert "the message limit of 1000 bytes" in caught.value.message
