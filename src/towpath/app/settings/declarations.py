"""The part of a service file that nothing runs by, but that `towpath check` reads: what the service owns, whom it calls, what is excused.

    [service]
    owns = ["seats", "holds"]                             # data of which it alone has the truth

    [[calls]]
    from = "SearchService/SearchFlights"                  # which of its methods calls; all that it serves without it
    to = "skyline.flights.v1.FlightsService/ListFlights"  # a method of one of service.contracts
    optional = true                                       # there is a fallback: the caller answers without it, too
    parallel = true                                       # made at once with the other parallel ones; after them without it
    times = 2                                             # how often one request makes the call; 1 without it

    [[calls]]
    to = "skyline.fleet.v1.FleetService"                  # every method of it is served by calling the same one there,
    forward = true                                        # as `towpath.forward` does

    [[waivers]]
    rule = "depth"
    path = "gateway *"                                    # the way of the finding, with * and ? as for file names
    until = 2027-03-31                                    # the last day
    owner = "search team"
    why = "the cache that makes it short is being built"

Here it is only read. What is declared is held against contracts and rules by `towpath.app.system.declared_calls`, when a check asks: a
service that starts must not load the contracts of its whole system.
"""

from dataclasses import dataclass
from datetime import date

import msgspec


class CallTable(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `[[calls]]`, as it is written."""

    to: str
    caller: str | None = msgspec.field(default=None, name="from")
    optional: bool = False
    parallel: bool = False
    times: int = 1
    forward: bool = False


class WaiverTable(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `[[waivers]]`, as it is written."""

    rule: str
    path: str
    until: date
    owner: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """All of it of one service file, unchecked."""

    owns: tuple[str, ...] = ()
    calls: tuple[CallTable, ...] = ()
    waivers: tuple[WaiverTable, ...] = ()


NOTHING = Declarations()
"""What a file declares that says nothing of it."""
