from typing import Any

import pytest

from towpath._wire.http2 import DEFAULT_LIMITS, Limits
from towpath._wire.http2.frames import Setting


def test_the_defaults_are_what_is_announced() -> None:
    assert dict(DEFAULT_LIMITS.settings()) == {
        Setting.HEADER_TABLE_SIZE: 4096,
        Setting.MAX_CONCURRENT_STREAMS: 256,
        Setting.INITIAL_WINDOW_SIZE: 262_144,
        Setting.MAX_FRAME_SIZE: 16_384,
        Setting.MAX_HEADER_LIST_SIZE: 16_384,
    }


@pytest.mark.parametrize("size", [16_383, 2**24])
def test_a_frame_size_that_http2_cannot_express_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=rf"max_frame_size is {size}; RFC 9113 allows 16384 to 16777215"):
        Limits(max_frame_size=size)


@pytest.mark.parametrize("name", ["stream_window", "connection_window"])
@pytest.mark.parametrize("size", [0, 65_534, 2**31])
def test_a_window_that_a_peer_could_overrun_unknowingly_is_refused(name: str, size: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} is {size}; give 65535 to 2147483647"):
        Limits(**{name: size})


@pytest.mark.parametrize(
    "limits",
    [
        {"reset_burst": 0},
        {"resets_per_second": -1.0},
        {"resets_per_second": float("nan")},
        {"overhead_burst": 0},
        {"overhead_per_second": -1.0},
    ],
)
def test_frames_that_cannot_be_counted_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give 1 and 0 or more"):
        Limits(**limits)


def test_the_outermost_values_are_accepted() -> None:
    Limits(max_frame_size=16_384, stream_window=65_535, connection_window=65_535)
    Limits(reset_burst=1, resets_per_second=0, overhead_burst=1, overhead_per_second=0)
    Limits(max_frame_size=2**24 - 1, stream_window=2**31 - 1, connection_window=2**31 - 1)
