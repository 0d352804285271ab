"""A system as its checks see it: methods that are served, calls from one to another, and the owners of data.

All values are settled before they come here: a call's timeout is the one that its caller's service file and the contract resolve to. So a
check compares numbers and reads no file, and a test writes a graph down in a line. A method that two services serve, as a gateway and the
service behind it do, is two steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from towpath._core.context import Criticality


class Severity(Enum):
    """An ERROR goes wrong as soon as load or a fault comes along; a WARNING is worth a decision; a NOTE is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, order=True)
class Step:
    """One method (`package.Service/Method`) as one service of the system serves it; the service itself if `method` is empty."""

    service: str
    method: str

    def __str__(self) -> str:
        package, slash, name = self.method.rpartition("/")
        return f"{self.service} {package.rpartition('.')[2]}{slash}{name}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Served:
    """The declarations of a method's contract."""

    timeout: float | None
    """In seconds; None for no end."""
    criticality: Criticality
    """How much it hurts to reject a call of the method."""
    keys_lost: str = ""
    """Why a call that is repeated with its idempotency key may have its effect again, although the contract declares keys; empty if it
    cannot."""
    where: str = ""
    """The setting that says where the answers are kept, for messages."""
    integer_keyed_maps: tuple[str, ...] = ()
    """The fields of its requests that are maps with integers for keys."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One declared call."""

    caller: Step
    callee: Step
    where: str
    """The entry that declares the call, for messages."""
    timeout: float | None
    """In seconds, retries included; None for no end of its own."""
    criticality: Criticality
    repeatable: bool
    attempts: int = 1
    """The most that are made of one call."""
    hedged: bool = False
    repeated_codes: tuple[str, ...] = ()
    """The retried codes beyond UNAVAILABLE, which every policy may name."""
    optional: bool = False
    """Whether the caller has a fallback."""
    parallel: bool = False
    """Whether it is made at once with the other parallel calls of its caller."""
    times: int = 1
    """How often one request makes it."""


@dataclass(frozen=True, kw_only=True)
class Owned:
    """A datum, and a service that claims to own it."""

    datum: str
    service: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """A service to which the system file tells the address of another one."""

    service: str
    callee: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A whole system. Every step of `calls` is in `served`."""

    served: Mapping[Step, Served]
    calls: Sequence[Call] = ()
    owned: Sequence[Owned] = ()
    told: Sequence[Told] = ()
    _leaving: dict[Step, list[Call]] = field(default_factory=dict[Step, list[Call]], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for call in self.calls:
            self._leaving.setdefault(call.caller, []).append(call)

    def calls_of(self, step: Step) -> Sequence[Call]:
        """The calls that `step` makes, in the order of their declaration."""
        return self._leaving.get(step, ())


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault."""

    rule: str
    """The rule that it breaks."""
    severity: Severity
    path: tuple[str, ...]
    """The way through the graph on which it lies."""
    message: str
    """What is wrong."""
    remedy: str
    """What to change."""
    where: tuple[str, ...] = ()
    """The entries of the service files to look at."""

    @property
    def way(self) -> str:
        """The path in one line; a waiver's `path` is matched with it."""
        return " -> ".join(self.path)

    def __str__(self) -> str:
        lines = [f"{self.severity.value}: {self.rule}: {self.way}", f"  {self.message}", f"  change: {self.remedy}"]
        return "\n".join(lines + [f"  see {where}" for where in self.where])
