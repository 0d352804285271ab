"""The data set that Skyline serves, and the file that holds it."""

from skyline.data.container import Provenance
from skyline.data.loader import DEFAULT_PATH, Dataset
from skyline.data.records import EASTERN, Airline, Airport, Flight, Observation, Plane

__all__ = ["DEFAULT_PATH", "EASTERN", "Airline", "Airport", "Dataset", "Flight", "Observation", "Plane", "Provenance"]
