"""Overload: the useful work of a server that gets up to twenty times as many calls as it can serve."""

from labs.experiments.overload.experiment import experiment

__all__ = ["experiment"]
