"""Requests made of path, query and body, and what of the response is the body."""

import json
import math
from typing import Any

import pytest
from everything.v1.everything_pb2 import Everything
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from google.rpc.error_details_pb2 import BadRequest
from hypothesis import given
from hypothesis import strategies as st
from library.v1 import library_pb2 as pb

from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import HttpBinding
from towpath._wire.json import JsonError
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


def test_the_path_wins_over_the_body():
    assert read(UPDATE, {"book.name": "b"}, "", b'{"name": "b", "title": "t"}') == {"book": {"name": "b", "title": "t"}}
    assert read(UPDATE, {"book.name": "b"}, "", b'{"title": "t"}') == {"book": {"name": "b", "title": "t"}}
    assert read(UPDATE, {"book.name": "b"}, "", b'{"name": "c", "title": "t"}') == {"book": {"name": "b", "title": "t"}}
    assert read(UPDATE, {"book.name": "b"}, "", b"") == {"book": {"name": "b"}}


CHOICE = Binding(HttpBinding(method="GET", path="/v1/{chosen_number}"), Everything, Everything)
CHOICE_OF_BODY = Binding(HttpBinding(method="PUT", path="/v1/{chosen_number}", body="*"), Everything, Everything)
CHILD = Binding(HttpBinding(method="PUT", path="/v1/{chosen_number}", body="chosen_child"), Everything, Everything)
NUMBERS = Binding(HttpBinding(method="PUT", path="/v1/{int32s}", body="*"), Everything, Everything)


def test_the_path_wins_over_the_query():
    assert read(LIST, {"parent": "shelves/1"}, "parent=x&page_size=3") == {"parent": "shelves/1", "pageSize": 3}
    assert read(CHOICE, {"chosen_number": "7"}, "chosen_number=8&chosenNumber=x") == {"chosenNumber": "7"}


def test_the_path_wins_over_all_else_of_its_oneof():
    assert read(CHOICE, {"chosen_number": "7"}, "chosen_string=x&a_string=y") == {"chosenNumber": "7", "aString": "y"}
    assert read(CHOICE, {"chosen_number": "7"}, "chosen_child.an_int32=1") == {"chosenNumber": "7"}
    assert read(CHOICE_OF_BODY, {"chosen_number": "7"}, "", b'{"chosenString":"x","aString":"y"}') == {"chosenNumber": "7", "aString": "y"}
    assert read(CHILD, {"chosen_number": "7"}, "a_string=y", b'{"anInt32":1}') == {"chosenNumber": "7", "aString": "y"}


def test_a_repeated_field_of_the_path_takes_values_with_commas():
    assert read(NUMBERS, {"int32s": "1,2,3"}) == {"int32s": [1, 2, 3]}
    assert read(NUMBERS, {"int32s": "1"}, "", b'{"int32s":[4,5]}') == {"int32s": [1]}
    assert refused(NUMBERS, {"int32s": "1,x"}) == ("int32s", "the path's int32s: expected a whole number, found 'x'")


def test_a_query_beside_a_body_of_the_same_oneof_is_refused():
    body = Binding(HttpBinding(method="PUT", path="/v1", body="chosen_child"), Everything, Everything)
    field, said = refused(body, query="chosen_number=1", body=b"{}")
    assert (field, "is given beside the body, chosen_child" in said) == ("chosen_number", True)


@pytest.mark.parametrize("query", ["pagesize=3", "utm_source=x&alt=json", "page_size.x=1", "=x", "like.title=x"])
def test_an_unknown_parameter_is_ignored_where_the_setting_says_so(query):
    ignoring = Binding(LIST.http, pb.ListBooksRequest, pb.ListBooksResponse, unknown_query="ignore")
    assert read(ignoring, {"parent": "p"}, f"{query}&page_size=3") == {"parent": "p", "pageSize": 3}
    whole = Binding(WHOLE.http, pb.CreateBookRequest, pb.CreateBookResponse, unknown_query="ignore")
    assert read(whole, {"parent": "p"}, query, b'{"bookId": "7"}') == {"parent": "p", "bookId": "7"}


def test_a_parameter_that_does_not_fit_is_refused_all_the_same():
    ignoring = Binding(LIST.http, pb.ListBooksRequest, pb.ListBooksResponse, unknown_query="ignore")
    assert refused(ignoring, {"parent": "p"}, "page_size=x")[0] == "page_size"
    assert refused(ignoring, {"parent": "p"}, "filter=x")[0] == "filter"


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
    for body in (b'{"pageSize":3}', b"[]", b"x"):
        assert refused(LIST, {"parent": "p"}, "", body) == ("", "GET /v1/{parent=shelves/*}/books takes no body")


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"{ \n}", b"null"])
def test_nothing_in_a_body_is_no_body(body):
    assert read(LIST, {"parent": "p"}, "", body) == {"parent": "p"}


@pytest.mark.parametrize(
    ("response_body", "response", "body"),
    [
        ("", pb.ListBooksResponse(books=[pb.Book(title="t")]), {"books": [{"title": "t"}]}),
        ("books", pb.ListBooksResponse(books=[pb.Book(title="t")]), [{"title": "t"}]),
        ("books", pb.ListBooksResponse(), []),
        ("request", pb.ListBooksResponse(request=pb.ListBooksRequest(page_size=2)), {"pageSize": 2}),
        ("request", pb.ListBooksResponse(), None),
        ("request", pb.ListBooksResponse(request=pb.ListBooksRequest()), {}),
        ("value", StringValue(value="x"), "x"),
        ("value", Int64Value(), "0"),
        ("fields", json_format.ParseDict({"a": [1]}, Struct()), {"a": [1.0]}),
        ("seconds", Timestamp(seconds=7), "7"),
        ("type_url", AnyMessage(type_url="t"), "t"),
        ("a_string", Everything(), ""),
        ("an_int64", Everything(an_int64=3), "3"),
        ("a_double", Everything(a_double=math.nan), "NaN"),
        ("a_float", Everything(a_float=0.1), 0.1),
        ("a_bool", Everything(), False),
        ("some_bytes", Everything(some_bytes=b"\xff"), "/w=="),
        ("a_kind", Everything(a_kind=1), "KIND_ONE"),
        ("maybe_int32", Everything(), None),
        ("maybe_int32", Everything(maybe_int32=0), 0),
        ("chosen_number", Everything(), None),
        ("timestamp", Everything(), None),
        ("timestamp", Everything(timestamp=Timestamp()), "1970-01-01T00:00:00Z"),
        ("int64_value", Everything(int64_value=Int64Value(value=2)), "2"),
        ("string_value", Everything(), None),
        ("value", Everything(), None),
        ("value", Everything(value=Value(number_value=1)), 1.0),
        ("struct", Everything(struct=Struct()), {}),
        ("any", Everything(), None),
        ("int64s", Everything(int64s=[1]), ["1"]),
        ("timestamps", Everything(timestamps=[Timestamp()]), ["1970-01-01T00:00:00Z"]),
        ("kinds", Everything(kinds=[2]), ["KIND_TWO"]),
        ("strings_by_string", Everything(), {}),
        ("numbers_by_int32", Everything(numbers_by_int32={1: 2}), {"1": "2"}),
        ("children_by_string", Everything(children_by_string={"k": Everything(an_int32=1)}), {"k": {"anInt32": 1}}),
        ("children", Everything(children=[Everything()]), [{}]),
        ("from", Everything(**{"from": "x"}), "x"),
    ],
)
def test_the_responses_body_is_all_of_it_or_one_field_of_any_type(response_body, response, body):
    binding = Binding(HttpBinding(method="GET", path="/v1", response_body=response_body), pb.ListBooksRequest, type(response))
    assert json.loads(binding.body(response)) == body


def test_a_response_body_that_has_no_json_is_an_error_that_says_why():
    binding = Binding(HttpBinding(method="GET", path="/v1", response_body="value"), pb.ListBooksRequest, Everything)
    with pytest.raises(JsonError, match="with nothing in it"):
        binding.body(Everything(value=Value()))
    message = Everything()
    inner = message
    for _ in range(3000):
        inner = inner.nested
    inner.an_int32 = 1
    deep = Binding(HttpBinding(method="GET", path="/v1", response_body="nested"), pb.ListBooksRequest, Everything)
    with pytest.raises(JsonError, match="nested too deeply"):
        deep.body(message)


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


def test_a_parameter_is_nested_as_deeply_as_a_message_may_be():
    name = "filter." + "but_not." * 98 + "min_pages"
    message = LIST.parameters((("parent", "shelves/1"),), f"{name}=1")
    assert pb.ListBooksRequest.FromString(message.SerializeToString()) == message
    field, text = refused(LIST, {"parent": "shelves/1"}, "filter." + "but_not." * 5000 + "min_pages=1")
    assert field.startswith("filter.but_not.")
    assert text.endswith("... is nested too deeply")
    assert len(text) < 200
