"""For how long calls may wait: what cannot be meant."""

import pytest

from towpath._layers.admission.wait_limits import QueueOptions


@pytest.mark.parametrize("options", [{"max_length": 0}, {"target": 0}, {"interval": -1}, {"max_lag": float("nan")}])
def test_limits_that_let_no_call_wait_are_refused(options):
    with pytest.raises(ValueError, match="max_length must be 1 or more, and target, interval and max_lag more than 0 seconds"):
        QueueOptions(**options)
