"""The part of a service file that only `towpath check` reads: the data that the service owns, the calls that it makes, and waivers.

    [service]
    owns = ["seats", "holds"]                             # data for which this service alone has the truth
    serves = ["SearchService"]                            # the services of service.contracts that are served here

    [[calls]]
    from = "SearchService/SearchFlights"                  # the calling method; by default each method that is served here
    to = "skyline.flights.v1.FlightsService/ListFlights"  # a method of one of service.contracts
    optional = true                                       # the caller has a fallback and answers without this call, too
    parallel = true                                       # made at once with the other parallel calls; one after another by default
    times = 2                                             # how often one request makes the call; 1 by default

    [[calls]]
    to = "skyline.fleet.v1.FleetService"                  # every method of it is served by calling the same one there,
    forward = true                                        # as `towpath.forward` does

    [[waivers]]
    rule = "depth"
    path = "gateway *"                                    # the path of the finding, with * and ? as for file names
    until = 2027-03-31                                    # the last day
    owner = "search team"
    why = "the cache that makes it short is being built"

This module only reads the tables. `towpath._app.system.service_graph` checks them against contracts, and only for `towpath check`: a
service that starts must not load the contracts of its whole system."""

from dataclasses import dataclass
from datetime import date

import msgspec


class CallTable(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `[[calls]]`, as the file has it."""

    to: str
    """The method that is called, or a service for all its methods."""
    caller: str | None = msgspec.field(default=None, name="from")
    """The method that makes the call. Without it each method that is served here."""
    optional: bool = False
    """Whether the caller answers without this call, too."""
    parallel: bool = False
    """Whether the call is made at once with the other parallel ones. Calls are made one after another by default."""
    times: int = 1
    """How often one request makes the call."""
    forward: bool = False
    """Whether each method of `to` is served here by calling the same method there, as `towpath.forward` does."""


class WaiverTable(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `[[waivers]]`, as the file has it."""

    rule: str
    """The rule of the finding, as `towpath check` prints it."""
    path: str
    """The path of the finding, with `*` and `?` as for names of files."""
    until: date
    """The last day on which the finding is accepted."""
    owner: str
    """The person or team that mends it."""
    why: str
    """Why it is accepted until then."""


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """The declarations of one service file, unchecked."""

    owns: tuple[str, ...] = ()
    """The data for which the service alone has the truth."""
    serves: tuple[str, ...] | None = None
    """The services that are served here, as the file names them; None to tell it by the calls."""
    calls: tuple[CallTable, ...] = ()
    waivers: tuple[WaiverTable, ...] = ()


NOTHING = Declarations()
"""The declarations of a file that has none."""
