"""A loop that is late as long as a test wants it to be: the limit of calls under way binds only then."""

from towpath.layers.admission.loop_lag import simulated_lag


def make_late(layer, seconds=1.0):
    """Have the loop of `layer`, an Admission whose methods are wrapped, be late from now on, for whatever this task starts."""
    simulated_lag.set(lambda: seconds)  # what the probe finds whenever it looks
    layer._probe.seconds, layer._probe.late = seconds, True
    layer._looked()
