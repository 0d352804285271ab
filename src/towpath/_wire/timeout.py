"""The `grpc-timeout` header: at most eight digits and a unit (gRPC over HTTP/2, "Timeout")."""

from typing import Final

_UNITS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST_DIGITS: Final = 8
_LARGEST: Final = 10**_MOST_DIGITS
_SMALLEST_IN_MILLISECONDS: Final = 10

_decoded: dict[bytes, float] = {}
_MOST_REMEMBERED: Final = 1024  # a peer chooses them


def encode(seconds: float) -> bytes:
    """Render a remaining time, rounded up to a unit that holds it, so that a callee never gives up before its caller.

    From 10 ms to a day the unit is the millisecond: coarse enough that calls with the same timeout mostly carry the same bytes, which both
    sides then find again instead of computing them. Nothing left is 0; more than eight digits of hours is as good as no deadline and is
    capped there.
    """
    milliseconds = int(seconds * 1e3) + 1
    if _SMALLEST_IN_MILLISECONDS < milliseconds < _LARGEST:
        return b"%dm" % milliseconds
    if milliseconds <= _SMALLEST_IN_MILLISECONDS:
        return b"%du" % (int(seconds * 1e6) + 1) if seconds > 0 else b"0n"
    for unit in (b"S", b"M", b"H"):
        value = int(seconds / _UNITS[unit]) + 1
        if value < _LARGEST:
            return b"%d%s" % (value, unit)
    return b"%dH" % (_LARGEST - 1)


def decode(value: bytes) -> float:
    """Seconds; raises ValueError with a text for the caller if the header is malformed."""
    seconds = _decoded.get(value)
    if seconds is not None:
        return seconds
    scale = _UNITS.get(value[-1:])
    digits = value[:-1]
    if scale is None or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise ValueError(f"grpc-timeout {value[:32]!r} is not up to eight digits and one of the units H, M, S, m, u, n")
    seconds = int(digits) * scale
    if len(_decoded) < _MOST_REMEMBERED:
        _decoded[value] = seconds
    return seconds
