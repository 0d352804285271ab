"""Aircraft by name. The messages are made once at start, since they never change and a call then costs one look-up."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from skyline.data import Plane
from skyline.fleet.v1 import fleet_pb2 as pb


class Hangar:
    """All aircraft, in the order of their registrations."""

    def __init__(self, planes: Iterable[Plane]) -> None:
        self.all: Sequence[pb.Aircraft] = [to_message(plane) for plane in sorted(planes, key=lambda plane: plane.tail_number)]
        self._by_name = {aircraft.name: aircraft for aircraft in self.all}
        self._by_manufacturer: defaultdict[str, list[pb.Aircraft]] = defaultdict(list)
        for aircraft in self.all:
            self._by_manufacturer[aircraft.manufacturer].append(aircraft)

    def get(self, name: str) -> pb.Aircraft | None:
        """The aircraft called `name`, or None."""
        return self._by_name.get(name)

    def made_by(self, manufacturer: str) -> Sequence[pb.Aircraft]:
        """All that `manufacturer` made."""
        return self._by_manufacturer.get(manufacturer, ())


def to_message(plane: Plane) -> pb.Aircraft:
    """The row as the contract has it."""
    return pb.Aircraft(
        name=f"aircraft/{plane.tail_number}",
        registration=plane.tail_number,
        category=plane.type,
        manufacturer=plane.manufacturer,
        model=plane.model,
        engine_type=plane.engine,
        engine_count=plane.engines,
        seat_count=plane.seats,
        manufacture_year=plane.year,
        cruise_speed_mph=plane.speed,
    )
