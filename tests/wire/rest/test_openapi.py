"""The OpenAPI document: valid by a validator that others wrote, and saying what the server does."""

import json
from typing import Any, cast

import pytest
from everything.v1 import everything_pb2
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FieldOptions, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
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
    book = {"$ref": "#/components/schemas/library.v1.Book"}
    assert schema(get_book["responses"]["200"]) == {"anyOf": [book, {"type": "null"}]}
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
    assert made["servers"] == [{"url": "/"}]
    assert made["info"]["version"] == "unversioned"


def test_two_paths_that_differ_by_names_alone_are_one_path():
    put = HttpBinding(method="PUT", path="/v1/{read_mask}/{page_size}", body="*")
    made = document(service_of(get("/v1/{parent}/{words}"), put, get("/v1/{parent}/x:read"), request=pb.ListBooksRequest))
    assert list(made["paths"]) == ["/v1/{parent}/{words}", "/v1/{parent}/x:read"]
    item = made["paths"]["/v1/{parent}/{words}"]
    assert [parameter["name"] for parameter in item["put"]["parameters"]] == ["parent", "words"]
    assert [parameter["schema"]["type"] for parameter in item["put"]["parameters"]] == ["string", "integer"]


def test_parameters_of_a_path_have_types_and_names_without_dots():
    everything = everything_pb2.Everything
    path = "/{nested.a_bool}/{an_int64}/{a_kind}/{timestamp}/{int32s}/{nested.nested.a_string=**}/x/{nested_a_bool=a/*}/{a_double}"
    path = path.replace("{nested_a_bool=a/*}", "{a_string=a/*}")
    made = document(service_of(get(path), request=everything))
    assert list(made["paths"]) == ["/{nested_a_bool}/{an_int64}/{a_kind}/{timestamp}/{int32s}/{nested_nested_a_string}/x/a/{a}/{a_double}"]
    found = {one["name"]: one["schema"] for one in made["paths"].popitem()[1]["get"]["parameters"] if one["in"] == "path"}
    assert found == {
        "nested_a_bool": {"type": "boolean"},
        "an_int64": {"type": "string", "format": "int64"},
        "a_kind": {"$ref": "#/components/schemas/everything.v1.Kind"},
        "timestamp": {"type": "string", "format": "date-time"},
        "int32s": {"type": "array", "items": {"type": "integer", "format": "int32"}},
        "nested_nested_a_string": {"type": "string"},
        "a": {"type": "string"},
        "a_double": {"type": "number", "format": "double"},
    }


def test_a_binding_to_every_method_is_described_where_no_other_is():
    bindings = [
        HttpBinding(method=kind, path="/v1/x", body=body) for kind, body in (("*", "*"), ("PUT", ""), ("HEAD", ""), ("OPTIONS", ""))
    ]
    made = document(service_of(*bindings))
    operations = made["paths"]["/v1/x"]
    assert sorted(operations) == ["delete", "head", "options", "patch", "post", "put"]
    assert ("requestBody" in operations["put"], "requestBody" in operations["post"]) == (False, True)
    assert len({operation["operationId"] for operation in operations.values()}) == 6
    assert sorted(document(service_of(HttpBinding(method="*", path="/v1/x")))["paths"]["/v1/x"]) == [
        "delete",
        "get",
        "patch",
        "post",
        "put",
    ]


@pytest.mark.parametrize(
    ("names", "given", "title"),
    [
        (["a.v1.A"], "", "a.v1.A"),
        (["a.v1.A", "a.v1.B"], "", "a.v1"),
        (["a.v1.A", "b.v1.B"], "", "a.v1.A"),
        (["A"], "", "A"),
        (["a.v1.A", "a.v1.B"], "shop", "shop"),
    ],
)
def test_the_title_is_given_or_what_the_names_have_in_common(names, given, title):
    services = []
    for name in names:
        method = MethodSpec(service=name, name="Do", request=pb.GetBookRequest, response=pb.GetBookResponse, http=(get(f"/{name}"),))
        spec = ServiceSpec(name=name, methods=(method,), attributes={"Do": "do"})
        services.append(type("Named", (Service,), {"spec": spec})())
    assert json.loads(openapi(services, given) or b"{}")["info"]["title"] == title


def a_field(name: str, number: int, **options: Any) -> FieldDescriptorProto:
    field = FieldDescriptorProto(name=name, number=number, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL)
    for behavior in options.pop("behavior", ()):
        field.options.Extensions[cast("Any", field_behavior_pb2.field_behavior)].append(behavior)
    field.options.MergeFrom(FieldOptions(**options))
    return field


def declared(pool: DescriptorPool) -> Any:
    """A contract with options, in a pool that may know them."""
    behavior = field_behavior_pb2.FieldBehavior
    file = FileDescriptorProto(name="declared.proto", syntax="proto3", dependency=["google/api/field_behavior.proto"])
    inner = file.message_type.add(name="Problem")
    inner.field.append(a_field("must", 1, behavior=[behavior.Value("REQUIRED")]))
    inner.field.append(a_field("old", 2, deprecated=True))
    inner.options.deprecated = True
    outer = file.message_type.add(name="Asked")
    outer.field.append(a_field("must", 1, behavior=[behavior.Value("REQUIRED"), behavior.Value("IMMUTABLE")]))
    outer.field.append(a_field("made", 2, behavior=[behavior.Value("OUTPUT_ONLY")]))
    outer.field.append(a_field("secret", 3, behavior=[behavior.Value("INPUT_ONLY")]))
    outer.field.append(a_field("old", 4, deprecated=True))
    for number, name, behaviors in ((5, "within", ["REQUIRED"]), (6, "perhaps", [])):
        field = a_field(name, number, behavior=[behavior.Value(one) for one in behaviors])
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, ".Problem"
        outer.field.append(field)
    service = file.service.add(name="S")
    for name in ("Do", "Old"):
        service.method.add(name=name, input_type=".Asked", output_type=".Problem")
    service.method[1].options.deprecated = True
    file.service.add(name="Gone").options.deprecated = True
    file.service[1].method.add(name="Do", input_type=".Asked", output_type=".Problem")
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Asked"))


def described(asked: Any, service: str, *methods: str) -> dict[str, Any]:
    problem = message_factory.GetMessageClass(asked.DESCRIPTOR.file.message_types_by_name["Problem"])
    specs: tuple[Any, ...] = tuple(
        MethodSpec(
            service=service,
            name=name,
            request=asked,
            response=problem,
            http=(get(f"/{name}"), HttpBinding(method="POST", path=f"/{name}", body="*")),
        )
        for name in methods
    )
    made: Any = type("Made", (Service,), {"spec": ServiceSpec(name=service, methods=specs, attributes=dict.fromkeys(methods, "do"))})
    return document(made())


def test_options_of_the_contract_are_said():
    pool = DescriptorPool()
    for file in (descriptor_pb2, field_behavior_pb2):
        pool.AddSerializedFile(file.DESCRIPTOR.serialized_pb)
    asked = declared(pool)
    made = described(asked, "S", "Do", "Old")
    schemas = made["components"]["schemas"]
    assert schemas["Asked"]["required"] == ["must", "within"]
    assert {name: set(schema) - {"type", "$ref"} for name, schema in schemas["Asked"]["properties"].items()} == {
        "must": set(),
        "made": {"readOnly"},
        "secret": {"writeOnly"},
        "old": {"deprecated"},
        "within": set(),
        "perhaps": set(),
    }
    assert (schemas["Problem_"]["deprecated"], schemas["Problem"]["required"]) == (True, ["type", "title", "status", "code"])
    parameters = {one["name"]: (one.get("required"), one.get("deprecated")) for one in made["paths"]["/Do"]["get"]["parameters"]}
    assert parameters == {
        "must": (True, None),
        "made": (None, None),
        "secret": (None, None),
        "old": (None, True),
        "within.must": (True, None),
        "within.old": (None, True),
        "perhaps.must": (None, None),
        "perhaps.old": (None, True),
    }
    assert [made["paths"][path]["get"].get("deprecated") for path in ("/Do", "/Old")] == [None, True]
    assert described(asked, "Gone", "Do")["paths"]["/Do"]["get"]["deprecated"] is True


def test_a_document_names_its_responses_field_and_null_where_it_can_be_absent():
    def schema(field: str) -> Any:
        made = document(service_of(get("/v1", response_body=field), response=everything_pb2.Everything))
        return made["paths"]["/v1"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    assert schema("a_string") == {"type": "string"}
    assert schema("int32s") == {"type": "array", "items": {"type": "integer", "format": "int32"}}
    assert schema("maybe_int32") == {"anyOf": [{"type": "integer", "format": "int32"}, {"type": "null"}]}
    assert schema("value") == {}
