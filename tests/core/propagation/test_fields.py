"""The table of propagated context, and that whatever handles such a value follows it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.context import CallOptions, Context, Criticality
from towpath._core.metadata import OWNED
from towpath._core.propagation.baggage import Baggage
from towpath._core.propagation.fields import (
    ATTEMPT,
    BAGGAGE,
    COHORT,
    CRITICALITY,
    IDEMPOTENCY_KEY,
    PROPAGATED,
    REQUEST_ID,
    TENANT,
    PropagatedField,
)

VALUES: dict[PropagatedField, st.SearchStrategy[Any]] = {
    CRITICALITY: st.sampled_from(Criticality),
    TENANT: st.text(st.characters(min_codepoint=0x21, max_codepoint=0x24F, blacklist_characters="\x7f"), min_size=1, max_size=64),
    ATTEMPT: st.integers(1, 10**8 - 1),
    IDEMPOTENCY_KEY: st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255),
    REQUEST_ID: st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=128),
    COHORT: st.integers(0, 127),
    BAGGAGE: st.dictionaries(st.text("abc.-_", min_size=1), st.text(max_size=40), min_size=1, max_size=8).map(Baggage),
}

MALFORMED = {
    CRITICALITY: b"HUGE",
    TENANT: b"a\nb",
    ATTEMPT: b"-1",
    IDEMPOTENCY_KEY: b"a b",
    REQUEST_ID: b"\xff",
    COHORT: b"128",
    BAGGAGE: b"a=\xff",
}

each_field = pytest.mark.parametrize("field", PROPAGATED, ids=lambda field: field.name)


def with_value(field: PropagatedField, value: Any) -> Context:
    ctx = Context("a.B/C")
    setattr(ctx, field.attribute, value)
    return ctx


@each_field
@given(st.data())
def test_what_is_written_is_what_is_read(field: PropagatedField, data: st.DataObject) -> None:
    value = data.draw(VALUES[field])
    assert field.parse(field.render(value)) == value


@each_field
def test_what_is_malformed_or_comes_twice_is_no_value(field: PropagatedField) -> None:
    assert field.parse(MALFORMED[field]) is None
    some = {CRITICALITY: Criticality.SHEDDABLE, ATTEMPT: 1, COHORT: 1, BAGGAGE: Baggage({"a": "1"})}
    value = field.render(some.get(field, "a"))
    assert field is BAGGAGE or field.parse(value + b"\n" + value) is None


@each_field
def test_no_application_can_send_it_and_a_call_has_it(field: PropagatedField) -> None:
    assert field.name in OWNED
    assert getattr(Context("a.B/C"), field.attribute) == field.absent
    assert hasattr(CallOptions(), field.attribute) == field.is_option
    assert field.rule


@each_field
@given(st.data())
def test_a_call_inside_another_takes_what_is_inherited_and_nothing_else(field: PropagatedField, data: st.DataObject) -> None:
    value = data.draw(VALUES[field])
    child = with_value(field, value).child("d.E/F", None)
    assert getattr(child, field.attribute) == (value if field.inherited else field.absent)


@each_field
@given(st.data())
def test_another_attempt_keeps_all_but_its_number(field: PropagatedField, data: st.DataObject) -> None:
    value = data.draw(VALUES[field])
    again = with_value(field, value).again(7)
    assert getattr(again, field.attribute) == (7 if field is ATTEMPT else value)


@pytest.mark.parametrize("field", [field for field in PROPAGATED if field.is_option], ids=lambda field: field.name)
@given(st.data())
def test_an_option_wins_over_what_is_inherited(field: PropagatedField, data: st.DataObject) -> None:
    given_value, inherited = data.draw(VALUES[field]), data.draw(VALUES[field])
    options = CallOptions(**{field.attribute: given_value})
    assert options.propagated == ((field.attribute, given_value),)
    for ctx in (
        Context.root("a.B/C", None, Criticality.CRITICAL, options),
        with_value(field, inherited).child("a.B/C", None, options, Criticality.SHEDDABLE),
    ):
        assert getattr(ctx, field.attribute) == given_value


@each_field
@given(st.data())
def test_an_untrusted_caller_gains_nothing_by_any_value(field: PropagatedField, data: st.DataObject) -> None:
    value, implied = data.draw(VALUES[field]), data.draw(st.sampled_from(Criticality))
    unsaid = implied if field is CRITICALITY else field.absent
    believed = field.from_untrusted(value, unsaid)
    if field is CRITICALITY:
        assert believed is min(value, implied)
    elif field is ATTEMPT:
        assert believed == 1
        assert field.from_untrusted(0, unsaid) == 0
    else:
        assert believed == (value if field in {IDEMPOTENCY_KEY, REQUEST_ID} else unsaid)


def test_a_cohort_that_was_drawn_goes_with_the_tree_of_calls() -> None:
    ctx = Context("a.B/C", traceparent=b"00-000000000000000000000000000000ff-0000000000000001-00")
    assert ctx.cohort == 127
    drawn = with_value(COHORT, 0)
    assert drawn.cohort == drawn.child("d.E/F", None).cohort == drawn.again(1).cohort == 0
