"""`google.api.http` in a contract: what it becomes, and where a contract is refused for it."""

import pytest

from tests.contracts.conftest import Workplace
from towpath._contracts.diagnostics import ContractError

IMPORTS = 'import "google/api/annotations.proto";\n'


def method(name: str, rule: str, *, request: str = "M", more: str = "") -> str:
    return f"  rpc {name}({request}) returns (N) {{ option (google.api.http) = {{ {rule} }}; {more} }}"


def test_bindings_are_part_of_the_generated_spec(workplace: Workplace) -> None:
    workplace.service(
        method("Do", 'post: "/v1/do:it" body: "*" additional_bindings { custom { kind: "PURGE" path: "/v1/\'x\'" } }'), imports=IMPORTS
    )
    workplace.generate()
    text = workplace.text("shop/v1/shop_towpath.py")
    assert 'method="POST",\n            path="/v1/do:it",\n            body="*",\n        ),' in text
    assert 'method="PURGE",\n            path="/v1/\'x\'",\n        ),\n    ),\n)' in text
    assert "from towpath.generated import" in text


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ('get: "v1"', "path 'v1' does not begin with /"),
        ('get: "/v1/{none}"', "none: shop.v1.M has no field none"),
        ('get: "/v1" body: "*"', "a GET has no body"),
        ('get: "/v1" response_body: "x"', "response_body 'x' is no field of shop.v1.N"),
        ('body: "*"', "a binding has no path"),
        ('custom { kind: "get" path: "/v1" }', "'get' is not a method of HTTP"),
        (
            'get: "/v1" additional_bindings { get: "/v2" additional_bindings { get: "/v3" } }',
            "an additional binding has additional bindings of its own",
        ),
    ],
)
def test_a_binding_that_cannot_be_served_is_refused_with_its_place(workplace: Workplace, rule: str, complaint: str) -> None:
    workplace.service(method("Do", rule), imports=IMPORTS)
    with pytest.raises(ContractError) as caught:
        workplace.generate()
    assert str(caught.value).startswith(f"proto/shop/v1/shop.proto:8:27: shop.v1.ShopService/Do: {complaint}")
    assert "hint: see google/api/http.proto" in str(caught.value)
    assert not workplace.out.exists()


def test_a_method_whose_requests_stream_cannot_be_bound(workplace: Workplace) -> None:
    workplace.service(method("Do", 'post: "/v1"', request="stream M"), imports=IMPORTS)
    with pytest.raises(ContractError, match="a request over HTTP has one body"):
        workplace.generate()


def test_two_methods_for_one_request_are_refused_with_both_places(workplace: Workplace) -> None:
    workplace.service("\n".join([method("A", 'get: "/v1/*/b"'), method("B", 'get: "/v1/a/*"')]), imports=IMPORTS)
    with pytest.raises(ContractError) as caught:
        workplace.generate()
    first, also, _ = str(caught.value).splitlines()
    assert first == "proto/shop/v1/shop.proto:9:3: GET /v1/a/* of B and GET /v1/*/b of A match the same requests"
    assert also == "  also: proto/shop/v1/shop.proto:8:3"


def test_a_special_case_of_another_path_is_no_clash(workplace: Workplace) -> None:
    workplace.service("\n".join([method("A", 'get: "/v1/*"'), method("B", 'get: "/v1/a"')]), imports=IMPORTS)
    assert workplace.generate().written
