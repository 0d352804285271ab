"""How much useful work a server does when it is asked for up to twenty times what it can do."""

from labs.experiments.overload.experiment import experiment

__all__ = ["experiment"]
