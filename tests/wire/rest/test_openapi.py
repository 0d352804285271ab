"""The OpenAPI document: valid by a validator that others wrote, and saying what the server does."""

import json
from typing import Any

import pytest
from everything.v1 import everything_pb2
from google.protobuf.message import Message
from library.v1 import library_pb2 as pb
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.echo_service import Echo
from tests.library_service import Library
from towpath._core.http_bindings import HttpBinding
from towpath._core.service import MethodSpec, Service, ServiceSpec
from towpath._wire.rest.openapi import openapi


def document(service: Service) -> dict[str, Any]:
    found = openapi([service])
    assert found is not None
    decoded = json.loads(found)
    OpenAPIV31SpecValidator(decoded).validate()
    return decoded


def service_of(*bindings: HttpBinding, request: type[Message] = pb.GetBookRequest, response: type[Message] = pb.GetBookResponse) -> Service:
    """A service of one method that is bound so."""
    method: MethodSpec[Any, Any] = MethodSpec(service="s.S", name="Do", request=request, response=response, http=bindings)

    class Bound(Service):
        spec = ServiceSpec(name="s.S", methods=(method,), attributes={"Do": "do"})

        async def do(self, request: Any, ctx: Any) -> Any:
            raise NotImplementedError

    return Bound()


def get(path: str, **parts: str) -> HttpBinding:
    return HttpBinding(method="GET", path=path, **parts)


LIBRARY = document(Library())


def test_without_bindings_there_is_no_document():
    assert openapi([Echo()]) is None


def test_every_binding_is_an_operation():
    found = {
        (path, method): operation["operationId"].rpartition(".")[2]
        for path, item in LIBRARY["paths"].items()
        for method, operation in item.items()
    }
    assert found == {
        ("/v1/shelves/{shelves}/books/{books}", "get"): "GetBook",
        ("/v1/shelves/{shelves}/books", "get"): "ListBooks",
        ("/v1/books", "get"): "ListBooks_1",
        ("/v1/shelves/{shelves}/books", "post"): "CreateBook",
        ("/v1/shelves/{shelves}/books/{books}", "patch"): "UpdateBook",
        ("/v1/shelves/{shelves}/books/{books}:move", "post"): "MoveBook",
        ("/v1/archive/{path}", "get"): "ReadArchive",
        ("/v1/shelves/{shelves}/books/{books}:read", "get"): "ReadPages",
    }
    assert LIBRARY["info"] == {"title": "library.v1.LibraryService", "version": "v1"}
    assert LIBRARY["paths"]["/v1/books"]["get"]["description"] == "The books that a query finds."


def test_a_query_has_what_neither_path_nor_body_has():
    def parameters(path: str, method: str) -> list[str]:
        return [parameter["name"] for parameter in LIBRARY["paths"][path][method].get("parameters", ()) if parameter["in"] == "query"]

    assert parameters("/v1/books", "get") == [
        "parent",
        "pageSize",
        *(f"filter.{name}" for name in ("genres", "minPages", "publishedAfter", "lent", "lentFor")),
        "words",
        "readMask",
    ]
    assert parameters("/v1/shelves/{shelves}/books", "post") == ["bookId"]
    assert parameters("/v1/shelves/{shelves}/books/{books}", "patch") == ["updateMask"]
    assert parameters("/v1/shelves/{shelves}/books/{books}:move", "post") == []


def test_bodies_are_what_the_binding_says():
    def schema(content: dict[str, Any]) -> Any:
        (media,) = content["content"].values()
        return media["schema"]

    get_book = LIBRARY["paths"]["/v1/shelves/{shelves}/books/{books}"]["get"]
    assert schema(get_book["responses"]["200"]) == {"$ref": "#/components/schemas/library.v1.Book"}
    move = LIBRARY["paths"]["/v1/shelves/{shelves}/books/{books}:move"]["post"]
    assert schema(move["requestBody"]) == {"$ref": "#/components/schemas/library.v1.MoveBookRequest"}
    create = LIBRARY["paths"]["/v1/shelves/{shelves}/books"]["post"]
    assert schema(create["requestBody"]) == {"$ref": "#/components/schemas/library.v1.Book"}
    read = LIBRARY["paths"]["/v1/shelves/{shelves}/books/{books}:read"]["get"]
    assert list(read["responses"]["200"]["content"]) == ["application/x-ndjson"]
    assert list(read["responses"]["default"]["content"]) == ["application/problem+json"]


def test_schemas_are_those_of_the_json_mapping():
    schemas = LIBRARY["components"]["schemas"]
    assert schemas["library.v1.Book"]["properties"] == {
        "name": {"type": "string"},
        "title": {"type": "string"},
        "pageCount": {"type": "string", "format": "int64"},
        "genre": {"$ref": "#/components/schemas/library.v1.Genre"},
        "published": {"type": "string", "format": "date-time"},
    }
    assert schemas["library.v1.Genre"]["enum"] == ["GENRE_UNSPECIFIED", "GENRE_FICTION", "GENRE_HISTORY"]
    assert schemas["library.v1.BookFilter"]["description"] == "At most one of lent, lentFor."
    request = schemas["library.v1.ListBooksRequest"]["properties"]
    assert request["labels"] == {"type": "object", "additionalProperties": {"type": "string"}}
    assert request["like"] == {"type": "array", "items": {"$ref": "#/components/schemas/library.v1.Book"}}


@pytest.mark.parametrize("name", sorted(everything_pb2.DESCRIPTOR.message_types_by_name))
def test_every_kind_of_field_has_a_schema(name):
    document(service_of(HttpBinding(method="POST", path="/v1", body="*"), request=getattr(everything_pb2, name)))


def test_what_openapi_cannot_say_is_left_out_and_names_stay_apart():
    made = document(service_of(get("/*/a/*/b/a/*"), HttpBinding(method="PURGE", path="/x"), get("/*/a/*/b/a/*"), get("/-/*")))
    assert list(made["paths"]) == ["/{segment}/a/{a}/b/a/{a_}", "/-/{segment}"]
    assert made["info"]["version"] == "unversioned"
