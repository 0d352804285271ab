"""What of a received `tracestate` is passed on (W3C Trace Context, section 3.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.propagation.trace_state import accepted, of_opentelemetry, with_opentelemetry

KEYS = st.text("abcxyz019_*/-", min_size=1, max_size=200).filter(lambda key: key[0] not in "_*/-")
WELL_FORMED = st.dictionaries(KEYS, st.integers(1, 256).map(lambda size: "v" * size), max_size=32).map(
    lambda members: [f"{key}={value}" for key, value in members.items()]
)


@pytest.mark.parametrize(
    "state",
    [
        "foo=1",
        "foo=1,bar=2",
        "foo=1 ,\t bar=2",
        "foo=1,,bar=2,",
        "foo= 1",
        "0=1",
        "a-b*c/d_e=f g",
        "tenant@system=1",
        f"{'k' * 256}={'v' * 255}",
        f"{'t' * 241}@{'v' * 14}=1",
        ",".join(f"k{number}=1" for number in range(32)),
    ],
)
def test_a_well_formed_state_is_passed_on_as_it_is(state: str) -> None:
    assert accepted(state) == state


@pytest.mark.parametrize(
    "state",
    [
        "foo",
        "foo=",
        "=1",
        "foo=bar=baz",
        "Foo=1",
        "foo =1",
        "foo@=1",
        "@foo=1",
        "foo@@bar=1",
        "foo=1;bar=2",
        "fo\u00f6=1",
        "foo=\x7f",
        "foo=1,bar=2,foo=1",
        "foo=1,foo=2",
        f"{'k' * 257}=1",
        f"{'t' * 242}@v=1",
        f"t@{'v' * 15}=1",
        f"k={'v' * 257}",
        ",".join(f"k{number}=1" for number in range(33)),
    ],
)
def test_a_malformed_state_is_dropped(state: str) -> None:
    assert accepted(state) == ""


def test_a_long_state_loses_long_members_and_then_the_last_ones() -> None:
    short = [f"k{number:02}={'v' * 56}" for number in range(10)]  # 60 characters each
    long, longer = f"l={'v' * 127}", f"m={'v' * 200}"
    assert accepted(",".join([long, *short[:7]])) == ",".join(short[:7])
    assert accepted(",".join([long, *short[:3], longer])) == ",".join([long, *short[:3]])
    assert accepted(",".join(short)) == ",".join(short[:8])
    assert accepted(",".join([*short[:8], f"l={'v' * 126}"])) == ",".join(short[:8])
    assert accepted(f"{'k' * 256}={'v' * 256}") == ""
    blanks = " " * 200
    assert accepted(f"a=1,{blanks},{blanks}b=2,{blanks}") == "a=1,b=2"


@given(WELL_FORMED)
def test_members_are_dropped_whole_and_no_more_than_have_to_be(members: list[str]) -> None:
    state = ",".join(members)
    kept = accepted(state)
    assert len(kept) <= 512
    left = kept.split(",") if kept else []
    assert left == [member for member in members if member in left]
    dropped = [member for member in members if member not in left]
    if any(len(member) <= 128 for member in dropped):
        assert all(len(member) <= 128 for member in left)
    if dropped:
        assert len(kept) + 1 + max(map(len, dropped)) > 512


def test_a_hostile_state_takes_no_time_that_grows_with_its_square() -> None:
    for hostile in (" " * 60_000 + ";", "," * 60_000 + ";", "a" * 60_000, ("a=" + "b" * 300 + " ") * 200, "\t " * 30_000 + "a=1"):
        assert accepted(hostile) in {"", "a=1"}


def test_opentelemetrys_member_is_read_and_comes_first_when_it_is_written() -> None:
    assert of_opentelemetry("x=1, ot=th:8;rv:0;odd;a:b:c") == {"th": "8", "rv": "0", "a": "b:c"}
    assert of_opentelemetry("x=1,other=th:8") == of_opentelemetry("") == {}
    assert with_opentelemetry("x=1, ot=th:8 ,y=2", {"th": "c"}) == "ot=th:c,x=1,y=2"
    assert with_opentelemetry("x=1,ot=th:8,y=2", {}) == "x=1,y=2"
    assert with_opentelemetry("", {"th": "c", "rv": "0"}) == "ot=th:c;rv:0"


def test_opentelemetrys_member_takes_the_place_of_the_last_of_too_many() -> None:
    full = [f"k{number}=1" for number in range(32)]
    assert with_opentelemetry(",".join(full), {"th": "c"}) == ",".join(["ot=th:c", *full[:31]])
    long = ",".join(f"k{number}={'v' * 60}" for number in range(7))
    assert len(with_opentelemetry(f"{long},l={'v' * 40}", {"th": "c", "rv": "0" * 14})) <= 512
