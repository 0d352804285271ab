"""Whether a server does as much with ten thousand calls in flight as with 64."""

from labs.experiments.growth.experiment import experiment

__all__ = ["experiment"]
