import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.hpack import SHORT_LENGTHS, Decoder, literal, literal_prefix

names = st.one_of(st.binary(min_size=1, max_size=20), st.binary(min_size=120, max_size=300))
values = st.one_of(st.binary(max_size=20), st.binary(min_size=120, max_size=300))


@given(names, values)
def test_a_literal_is_one_field_that_leaves_the_table_alone(name: bytes, value: bytes) -> None:
    reference = hpack.Decoder()
    assert reference.decode(literal(name, value), raw=True) == [(name, value)]
    assert not reference.header_table.dynamic_entries
    assert Decoder().decode(literal(name, value)).extra == [(name, value)]


@given(names, st.binary(max_size=126))
def test_prefix_length_and_value_make_the_same_literal(name: bytes, value: bytes) -> None:
    assert b"".join((literal_prefix(name), SHORT_LENGTHS[len(value)], value)) == literal(name, value)


def test_a_value_too_long_for_the_short_form_is_not_sent_wrong() -> None:
    with pytest.raises(IndexError):
        SHORT_LENGTHS[127]
