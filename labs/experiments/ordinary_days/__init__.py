"""Ordinary days on real processes. See `experiment`."""

from labs.experiments.ordinary_days.experiment import experiment

__all__ = ["experiment"]
