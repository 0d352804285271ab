"""A loop that is as late as a test wants it to be: the limit of calls under way binds only while it is late."""

from towpath._layers.admission.loop_lag import simulated_lag


def make_late(layer, seconds=1.0):
    """Have the loop of `layer`, an Admission whose methods are wrapped, be late from now on, for whatever this task starts."""
    simulated_lag.set(lambda: seconds)  # what the probe finds whenever it looks
    for _ in range(20):  # what it finds is smoothed
        layer.probe.record(seconds)
