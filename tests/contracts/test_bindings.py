"""`google.api.http` in a contract: what it becomes, and where a contract is refused for it."""

import pytest

from tests.contracts.conftest import Workplace
from towpath._contracts.codegen.generator import GenerateOptions, generate
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


def test_a_method_whose_requests_stream_is_not_bound_without_a_body(workplace: Workplace) -> None:
    workplace.service(method("Do", 'post: "/v1"', request="stream M"), imports=IMPORTS)
    with pytest.raises(ContractError, match="needs a body to stream them in"):
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


class TestSkipping:
    """`--skip-bindings`: the contract is compiled without what cannot be served, and each such binding is a warning with its place."""

    def generate(self, workplace: Workplace) -> tuple[str, ...]:
        return generate(GenerateOptions(paths=[workplace.proto], out=workplace.out, skip_bindings=True)).warnings

    @pytest.mark.parametrize(
        ("rule", "request_", "complaint"),
        [
            ('post: "/v1"', "stream M", "needs a body to stream them in"),
            ('get: "v1"', "M", "does not begin with /"),
            ('get: "/v1/{none}"', "M", "has no field none"),
            ('get: "/v1" body: "*"', "M", "a GET has no body"),
            ('get: "/v1" response_body: "x"', "M", "is no field of shop.v1.N"),
            ('body: "*"', "M", "a binding has no path"),
            ('custom { kind: "CONNECT" path: "/v1" }', "M", "belongs to HTTP itself"),
        ],
    )
    def test_what_cannot_be_served_is_left_out(self, workplace: Workplace, rule: str, request_: str, complaint: str) -> None:
        workplace.service(method("Do", rule, request=request_), imports=IMPORTS)
        (warning,) = self.generate(workplace)
        assert warning.startswith("proto/shop/v1/shop.proto:8:")
        assert "warning: shop.v1.ShopService/Do: " in warning
        assert complaint in warning
        assert warning.endswith("; the binding is left out")
        assert "HttpBinding" not in workplace.text("shop/v1/shop_towpath.py")

    def test_the_other_bindings_of_a_method_stay(self, workplace: Workplace) -> None:
        more = 'additional_bindings { get: "/v2" additional_bindings { get: "/v3" } } additional_bindings { get: "/v4" }'
        workplace.service(method("Do", f'get: "/v1" {more} additional_bindings {{ get: "/v5/{{none}}" }}'), imports=IMPORTS)
        assert len(self.generate(workplace)) == 2
        text = workplace.text("shop/v1/shop_towpath.py")
        assert [number for number in range(1, 6) if f'path="/v{number}' in text] == [1, 4]

    def test_of_two_methods_for_one_request_the_first_keeps_it(self, workplace: Workplace) -> None:
        same = 'get: "/v1/{{x}}" additional_bindings {{ get: "/{0}" }}'.format
        workplace.service(
            "\n".join(method(name, same(name).replace("{x}", "*")) for name in ("A", "B", "C")),
            imports=IMPORTS,
        )
        first, second = self.generate(workplace)
        assert "shop.proto:9:3: warning: GET /v1/* of B and GET /v1/* of A match the same requests; the binding is left out" in first
        assert "of C and GET /v1/* of A" in second
        text = workplace.text("shop/v1/shop_towpath.py")
        assert (text.count('path="/v1/*"'), text.count("HttpBinding(")) == (1, 4)

    def test_a_contract_without_a_fault_is_the_same_with_it(self, workplace: Workplace) -> None:
        workplace.service(method("Do", 'get: "/v1"'), imports=IMPORTS)
        workplace.generate()
        assert self.generate(workplace) == ()
        assert workplace.generate(check=True).up_to_date


@pytest.mark.parametrize(
    "rule",
    [
        'get: "/x/{seqs}"',
        'get: "/v1/{name=docs/**}/rev"',
        'get: "/y/{name}:a:b"',
        'custom { kind: "HEAD" path: "/z/{name}" }',
        'custom { kind: "*" path: "/any/{name}" }',
        'delete: "/v1" body: "*"',
    ],
)
def test_bindings_of_contracts_in_use_are_accepted(workplace: Workplace, rule: str) -> None:
    text = workplace.service(method("Do", rule), imports=IMPORTS)
    text.write_text(text.read_text("utf-8").replace("message M {}", "message M { repeated uint64 seqs = 1; string name = 2; }"), "utf-8")
    assert workplace.generate().warnings == ()
