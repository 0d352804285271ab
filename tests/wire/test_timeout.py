"""`grpc-timeout`, compared with exact fractions, since a callee that gives up before its caller would answer nobody."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire import timeout

UNITS = {
    ord("H"): Fraction(3600),
    ord("M"): Fraction(60),
    ord("S"): Fraction(1),
    ord("m"): Fraction(1, 10**3),
    ord("u"): Fraction(1, 10**6),
    ord("n"): Fraction(1, 10**9),
}
MOST_HOURS = 10**8 - 1


def exact(header: bytes) -> Fraction:
    return int(header[:-1]) * UNITS[header[-1]]


@given(st.floats(min_value=0, max_value=MOST_HOURS * 3600 - 3600))
def test_is_never_shorter_than_what_remains(seconds: float) -> None:
    assert exact(timeout.encode(seconds)) >= Fraction(seconds)


@given(st.floats(min_value=1e-3, max_value=MOST_HOURS * 3600 - 3600))
def test_is_hardly_longer_than_what_remains(seconds: float) -> None:
    surplus = exact(timeout.encode(seconds)) - Fraction(seconds)
    rounding = Fraction(seconds) / 2**52  # 0.06 is a little less than six hundredths
    assert surplus <= max(Fraction(1, 1000), Fraction(seconds) / 100) + rounding


@given(st.floats(min_value=-1e300, max_value=1e300))
def test_every_value_is_one_that_grpc_allows(seconds: float) -> None:
    header = timeout.encode(seconds)
    assert header[:-1].isdigit()
    assert 1 <= len(header[:-1]) <= 8
    assert header[-1] in UNITS


@pytest.mark.parametrize(
    ("seconds", "header"),
    [
        (0.0, b"0n"),
        (-3.0, b"0n"),
        (1e-9, b"1u"),
        (0.0005, b"501u"),
        (0.0099, b"9901u"),
        (0.02, b"21m"),
        (2.0, b"2001m"),
        (99_999.0, b"99999001m"),
        (100_000.0, b"100001S"),
        (99_999_998.5, b"99999999S"),
        (1e8, b"1666667M"),
        (1e10, b"2777778H"),
        (1e300, b"99999999H"),
    ],
)
def test_the_unit_follows_the_size(seconds: float, header: bytes) -> None:
    assert timeout.encode(seconds) == header


@given(st.integers(0, 10**8 - 1), st.sampled_from(sorted(UNITS)))
def test_what_a_peer_sends_is_understood(value: int, unit: int) -> None:
    header = b"%d%c" % (value, unit)
    assert timeout.decode(header) == pytest.approx(float(exact(header)), rel=1e-12)
    assert timeout.decode(header) == timeout.decode(bytes(header))


@pytest.mark.parametrize(
    "header", [b"", b"S", b"1", b"1s", b"1 S", b"-1S", b"+1S", b"1.5S", b"123456789n", b"\xd9\xa1S", b"1SS", b"0x1S", b"S1", b"1_0S"]
)
def test_what_is_malformed_is_refused_by_name(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"grpc-timeout .* is not up to eight digits"):
        timeout.decode(header)


def test_a_long_malformed_value_is_quoted_in_part() -> None:
    with pytest.raises(ValueError, match="grpc-timeout") as caught:
        timeout.decode(b"9" * 10_000 + b"S")
    assert len(str(caught.value)) < 200


def test_a_peer_cannot_fill_the_memory_of_values() -> None:
    for value in range(3000):
        timeout.decode(b"%du" % value)
    last = timeout.decode(b"2999u")
    assert last == pytest.approx(0.002999)
    assert timeout.decode(b"2999u") is not last  # it is computed again, since as many as may be are remembered
