"""Whether what is on by default makes an ordinary day worse than no policies at all."""

from labs.experiments.do_no_harm.experiment import experiment

__all__ = ["experiment"]
