"""A system as its checks see it: methods that are served, calls from one to another, and who owns which data.

All values are settled before they come here: a call's timeout is what its caller's service file and the contract resolve to. So a check
compares numbers and reads no file, and a test writes a graph down in a line. A method that two services serve, as a gateway and what
stands behind it do, is two steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from towpath.core.context import Criticality


class Severity(Enum):
    """ERROR goes wrong as soon as load or a fault comes along; WARNING is worth a decision."""

    ERROR = "error"
    WARNING = "warning"


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
    """What the contract says of a method: its timeout in seconds (None: no end) and how much it hurts to refuse it."""

    timeout: float | None
    criticality: Criticality


@dataclass(frozen=True, kw_only=True)
class Call:
    """One declared call. `where` is the entry that declares it, for messages.

    `timeout` is in seconds and includes retries; None means no end of its own. `attempts` is the most that are made of one call.
    `repeated_codes` are the retried codes beyond UNAVAILABLE, which every policy may name. `optional`: the caller has a
    fallback. `parallel`: made at once with the other parallel calls of its caller. `times`: how often one request makes it.
    """

    caller: Step
    callee: Step
    where: str
    timeout: float | None
    criticality: Criticality
    repeatable: bool
    attempts: int = 1
    hedged: bool = False
    repeated_codes: tuple[str, ...] = ()
    optional: bool = False
    parallel: bool = False
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Owned:
    """A datum and a service that says it owns it."""

    datum: str
    service: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """A service that the system file tells where another one is."""

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
    """One fault: the rule that it breaks, the way through the graph on which it lies, what is wrong and what to change.

    `where` lists the entries of the service files to look at.
    """

    rule: str
    severity: Severity
    path: tuple[str, ...]
    message: str
    remedy: str
    where: tuple[str, ...] = ()

    @property
    def way(self) -> str:
        """The path in one line, which is also what a waiver's `path` is held against."""
        return " -> ".join(self.path)

    def __str__(self) -> str:
        lines = [f"{self.severity.value}: {self.rule}: {self.way}", f"  {self.message}", f"  change: {self.remedy}"]
        return "\n".join(lines + [f"  see {where}" for where in self.where])
