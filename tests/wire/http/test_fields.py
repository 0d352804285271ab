"""Fields and sections, before any version of HTTP has its own rules for them."""

import pytest

from towpath._wire.http import Section, Template
from towpath._wire.http.fields import REQUEST, RESPONSE, TRAILERS, is_bad, is_field, is_good


@pytest.mark.parametrize("name", [b"a", b"x-a.b_c", b"!#$%&'*+-.^_`|~09az"])
def test_a_name_is_a_token_in_lower_case(name):
    assert is_field(name, b"value")


@pytest.mark.parametrize("name", [b"", b"A", b"a b", b"a:", b":a", b"a\n", "ä".encode()])
def test_what_is_no_token_is_no_name(name):
    assert not is_field(name, b"value")


@pytest.mark.parametrize("value", [b"a\0", b"a\r", b"\nb"])
def test_no_value_ends_a_line(value):
    assert not is_field(b"a", value)
    assert all(is_bad(value, kind) for kind in (REQUEST, RESPONSE, TRAILERS))


@pytest.mark.parametrize("value", [b" a", b"a\t"])
def test_white_space_around_a_value_is_forbidden_in_requests_alone(value):
    assert not is_good(value)
    assert not is_bad(value, RESPONSE)
    assert not is_bad(value, TRAILERS)
    assert is_good(b"a " + value.strip())


def test_a_section_has_nothing_remembered_on_it_at_first():
    section = Section(RESPONSE, {b":status": b"200"}, ((b"a", b"1"),), -1)
    assert (section.status, section.path, section.plain_response) == (b"200", b"", True)
    assert (section.route, section.response_facts, section.says_ok) == (None, None, False)


def test_templates_are_told_apart_by_identity():
    assert Template((b"a", b"1")) != Template((b"a", b"1"))


def test_a_head_at_another_path_is_what_it_would_have_been_made_of() -> None:
    pseudo = {b":method": b"GET", b":scheme": b"http", b":authority": b"x"}
    fields = ((b"a", b"1"),)
    known = Section(REQUEST, {**pseudo, b":path": b"/a"}, fields, 3)
    known.route = known.response_facts = "its own"
    known.alike = {}
    other, made = known.at(b"/b"), Section(REQUEST, {**pseudo, b":path": b"/b"}, fields, 3)
    made.alike = known.alike
    for name in Section.__slots__:
        assert getattr(other, name) == getattr(made, name), name
    assert other.alike is known.alike
