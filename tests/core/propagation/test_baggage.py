"""W3C Baggage: what an application hands on, from a mapping to the header and back."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.call_options import CallOptions
from towpath._core.context import Context, Criticality
from towpath._core.propagation.baggage import NO_BAGGAGE, Baggage

TOKENS = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=20)
TEXTS = st.text(max_size=20)


def received(header: bytes) -> Baggage:
    baggage = Baggage.received(header)
    assert baggage is not None
    return baggage


@given(st.dictionaries(TOKENS, TEXTS, min_size=1, max_size=8))
def test_what_is_given_is_what_is_read(values: dict[str, str]) -> None:
    baggage = Baggage(values)
    again = received(baggage.header)
    assert dict(again) == dict(baggage) == values
    assert again == baggage == values
    assert hash(again) == hash(baggage)
    assert len(again) == len(values)


@pytest.mark.parametrize(
    ("header", "values"),
    [
        (b"a=1", {"a": "1"}),
        (b" a = 1 ,\tb=2;p;q=3 ", {"a": "1", "b": "2"}),
        (b"a=", {"a": ""}),
        (b"a=1,,b=2,", {"a": "1", "b": "2"}),
        (b"a=1=2", {"a": "1=2"}),
        (b"a=%C3%A9%20%2C", {"a": "\u00e9 ,"}),
        (b"a=%ff%", {"a": "\ufffd%"}),
        (b"a=1,a=2", {"a": "2"}),
        (b"odd,a b=1,=2,c=d e,f=1", {"f": "1"}),
        (b'a="1",b=2', {"b": "2"}),
    ],
)
def test_a_header_is_read_member_by_member_and_goes_on_as_it_came(header: bytes, values: dict[str, str]) -> None:
    baggage = received(header)
    assert baggage.header == header
    assert dict(baggage) == values


@pytest.mark.parametrize("header", [b"", b" ", b",\t,", b"a=\xff", b"a=\x00", b"a=1\r\nb=2"])
def test_a_header_of_nothing_or_of_other_characters_is_none(header: bytes) -> None:
    assert Baggage.received(header) is None


def test_64_members_and_8192_bytes_are_passed_on_and_whole_members_dropped() -> None:
    members = [b"k%02d=%d" % (number, number) for number in range(70)]
    assert received(b",".join(members[:64])).header == b",".join(members[:64])
    assert received(b",".join(members)).header == b",".join(members[:64])
    assert received(b" ,".join([b"", *members[:64]])).header == b",".join(members[:64])
    exact = b"a=" + b"x" * 4094, b"b=" + b"y" * 4093
    assert len(b",".join(exact)) == 8192
    assert received(b",".join(exact)).header == b",".join(exact)
    assert received(b",".join([*exact, b"c=1"])).header == b",".join(exact)
    assert Baggage.received(b"a=" + b"x" * 8191) is None
    assert received(b"a=1," + b" " * 9000 + b"b=2").header == b"a=1,b=2"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"a b": "1"}, "baggage has the name 'a b'"),
        ({"": "1"}, "baggage has the name ''"),
        ({1: "1"}, "baggage has the name 1;"),
        ({"x" * 99 + " ": "1"}, "baggage has the name 'xxx"),
        ({"a": 1}, "baggage 'a' is int; give a str"),
        ({"a": "\ud800"}, "baggage 'a' has half of a surrogate pair"),
        ({f"k{number}": "" for number in range(65)}, "baggage has 65 names; give at most 64"),
        ({"a": "x" * 8191}, "baggage takes 8193 bytes; give at most 8192"),
    ],
)
def test_what_cannot_be_carried_is_refused(values: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match=error) as caught:
        CallOptions(baggage=values)
    assert len(str(caught.value)) < 140
    with pytest.raises(ValueError, match=error):
        Context("a.B/C").replace(baggage=values)


def test_baggage_is_a_mapping() -> None:
    with pytest.raises(TypeError, match="baggage is list; give a mapping"):
        CallOptions(baggage=[("a", "1")])  # pyright: ignore[reportArgumentType] - that is what is tested


def test_nobody_changes_it_and_no_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    ctx = Context("a.B/C").replace(baggage={"secret": "s3cret"})
    with pytest.raises(TypeError):
        ctx.baggage["secret"] = "x"  # type: ignore[index] - that is what is tested
    with caplog.at_level(logging.INFO):
        logging.getLogger("t").info("%r %s %r %s", ctx, ctx, ctx.baggage, ctx.baggage)
    assert "s3cret" not in caplog.text
    assert "secret" not in caplog.text
    assert "<1 names of baggage>" in caplog.text
    assert ctx.baggage != 7


def test_a_call_inherits_it_or_names_another() -> None:
    assert Context("a.B/C").baggage is NO_BAGGAGE
    parent = Context("a.B/C").replace(baggage={"variant": "a"})
    assert parent.child("d.E/F", None).baggage == {"variant": "a"}
    more = CallOptions(baggage={**parent.baggage, "plan": "pro"})
    assert parent.child("d.E/F", None, more).baggage == {"variant": "a", "plan": "pro"}
    assert parent.child("d.E/F", None, CallOptions(baggage={})).baggage == {}
    assert Context.root("d.E/F", None, Criticality.CRITICAL, more).baggage == more.baggage
    assert more.replace(timeout=1).baggage is more.baggage
    kept = parent.baggage
    assert parent.replace(baggage=kept).baggage is kept
