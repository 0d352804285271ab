"""What a channel can be told."""

from typing import Any

import pytest

from towpath._core.errors import SetupError
from towpath._transport import ChannelOptions


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"protocol": "rest"}, "protocol is 'rest'; give one of grpc, connect, grpc-web"),
        ({"balancer": "random"}, "balancer is 'random'; give one of peak_ewma, least_request, round_robin"),
        ({"subset_size": 0}, "subset_size is 0; give more than 0"),
        ({"max_age": -1.0}, "max_age is -1.0; give more than 0"),
        ({"keepalive_timeout": float("nan")}, "keepalive_timeout is nan"),
        ({"slow_start": -1.0}, "slow_start are 0 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused(setting: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SetupError, match=complaint):
        ChannelOptions(**setting)
