"""Names of RPCs as names of Python."""

import keyword
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._contracts.naming import attribute_name, constant_name, module_name, snake_case
from towpath._core.service import Service

proto_identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,24}", fullmatch=True)
words = st.lists(st.text(string.ascii_lowercase, min_size=2, max_size=8), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("rpc", "attribute"),
    [
        ("Say", "say"),
        ("SayHello", "say_hello"),
        ("GetURL", "get_url"),
        ("GetUrl", "get_url"),
        ("ListIDs", "list_ids"),
        ("GetURLsOf", "get_urls_of"),
        ("HTTPStatus", "http_status"),
        ("ABTest", "ab_test"),
        ("GetA", "get_a"),
        ("Sha256Sum", "sha256_sum"),
        ("GetV2Flight", "get_v2_flight"),
        ("EC2Instance", "ec2_instance"),
        ("V1beta1Say", "v1beta1_say"),
        ("already_snake", "already_snake"),
        ("sayHello", "say_hello"),
        ("_Hidden_", "hidden"),
        ("__init__", "init"),
        ("_1", "rpc_1"),
        ("___", "rpc_"),
        ("Import", "import_"),
        ("Handlers", "handlers_"),
        ("Spec", "spec_"),
    ],
)
def test_an_rpc_becomes_snake_case(rpc, attribute):
    assert attribute_name(rpc) == attribute


@given(proto_identifiers)
def test_every_rpc_becomes_a_public_method_that_hides_nothing(rpc):
    name = attribute_name(rpc)
    assert name.isidentifier()
    assert name == name.lower()
    assert not name.startswith("_")
    assert not keyword.iskeyword(name)
    assert not hasattr(Service, name)


@given(proto_identifiers)
def test_no_letter_or_digit_is_lost_or_made_up(rpc):
    assert snake_case(rpc).replace("_", "") == rpc.replace("_", "").lower()


@given(proto_identifiers)
def test_snake_case_stays_as_it_is(rpc):
    once = snake_case(rpc)
    assert snake_case(once) == once


@given(words)
def test_the_words_of_a_plain_name_are_kept(parts):
    assert snake_case("".join(part.capitalize() for part in parts)) == "_".join(parts)


@given(proto_identifiers, proto_identifiers)
def test_methods_share_a_constant_exactly_when_they_share_an_attribute(one, other):
    assert (constant_name(one) == constant_name(other)) == (attribute_name(one) == attribute_name(other))


@given(proto_identifiers)
def test_a_constant_is_an_identifier_in_capitals(rpc):
    for name in (constant_name(rpc), constant_name(rpc, "EchoService")):
        assert name.isidentifier()
        assert name == name.upper()
        assert not name.startswith("_")


def test_a_constant_carries_its_service_when_there_are_several():
    assert constant_name("GetURL", "EchoService") == "ECHO_SERVICE_GET_URL"


def test_a_module_is_named_as_protoc_names_it():
    assert module_name("a-b/v1/c.proto", "_pb2") == "a_b.v1.c_pb2"
