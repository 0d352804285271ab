"""`[targets]` of the service file: the targets that a service calls, and the options of their channels.

    [targets]
    flights = "127.0.0.1:8081"

    [targets.airports]
    address = "dns:///airports:8081"
    protocol = "connect"                    # or "grpc-web"; default "grpc"
    balancer = "round_robin"                # or "least_request"; default "peak_ewma"
    health_service = "airports.v1.Airports" # the service whose health is watched, by its full name; "" for the server as a whole
    subset_size = 20                        # how many endpoints to use; all without it
    subset_client = 3                       # this client's number among those of the target
    slow_start = "10s"
    connect_timeout = "20s"
    max_age = "300s"
    resolve_interval = "30s"
    keepalive_time = "60s"
    keepalive_timeout = "20s"
    outlier_detection = false               # compare no endpoints (gRFC A50); true without it
    breaker = "shadow"                      # only count calls that the breaker would keep away; or "off"; "on" without it
    throttle = "off"                        # or "shadow"; "on" without it
    retry_budget = { ratio = 0.1, per_second = 5.0, concurrent_ratio = 0.2, min_concurrent = 3 }

`towpath.transport.ChannelOptions` explains the settings and their defaults, and `towpath._app.settings.resilience.Resilience` the last
three. A variable TOWPATH_TARGET_<NAME> replaces the address alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from towpath._app.settings.duration import parse_duration
from towpath._app.settings.resilience import DEFAULT, Mode, Resilience
from towpath._core.errors import SetupError
from towpath._layers.retry_budget import BudgetOptions
from towpath._transport import ChannelOptions
from towpath._transport.client.endpoints.target import Target

VARIABLE: Final = "TOWPATH_TARGET_"
"""The start of the name of each variable that sets a target's address."""

_DURATIONS: Final = ("slow_start", "connect_timeout", "max_age", "resolve_interval", "keepalive_time", "keepalive_timeout")


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A `retry_budget`, as the file has it. `towpath._layers.retry_budget.BudgetOptions` explains its fields."""

    RENAMED: ClassVar = {"least_concurrent": "min_concurrent"}

    ratio: float | None = None
    per_second: float | None = None
    concurrent_ratio: float | None = None
    min_concurrent: int | None = None


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A table of `[targets]`, as the file has it."""

    address: str
    protocol: str | None = None
    balancer: str | None = None
    health_service: str | None = None
    subset_size: int | None = None
    subset_client: int | None = None
    slow_start: str | None = None
    max_connections: int | None = None
    connect_timeout: str | None = None
    max_age: str | None = None
    resolve_interval: str | None = None
    keepalive_time: str | None = None
    keepalive_timeout: str | None = None
    outlier_detection: bool = True
    breaker: Mode = "on"
    throttle: Mode = "on"
    retry_budget: BudgetSettings = BudgetSettings()


@dataclass(frozen=True)
class ConfiguredTarget:
    """The settings of one target, checked."""

    address: str
    """The text that says what the channel calls (see `towpath._transport.client.endpoints.target`)."""
    options: ChannelOptions = field(default_factory=ChannelOptions)
    """How the channel connects and chooses among endpoints."""
    resilience: Resilience = DEFAULT
    """How calls treat a target that fails or is overloaded."""


def configured(named: Mapping[str, str | TargetSettings], source: Path | None, env: Mapping[str, str]) -> dict[str, ConfiguredTarget]:
    """The targets of file and environment together, by the normal form of their names. Raises SetupError that names the place and the
    mistake."""
    targets: dict[str, ConfiguredTarget] = {}
    for name, setting in named.items():
        where = f"{source}: targets.{name}"
        if normal_name(name) in targets:
            raise SetupError(f"{where} differs from another target only in case, '-' or '_'; rename one of them")
        if isinstance(setting, str):
            targets[normal_name(name)] = ConfiguredTarget(Target.parse(setting, where).text)
        else:
            address = Target.parse(setting.address, f"{where}.address").text
            targets[normal_name(name)] = ConfiguredTarget(address, _options(setting, where), _resilience(setting, where))
    for variable, address in env.items():
        if variable.startswith(VARIABLE) and len(variable) > len(VARIABLE):
            name = normal_name(variable[len(VARIABLE) :])
            text = Target.parse(address, variable).text
            targets[name] = replace(targets[name], address=text) if name in targets else ConfiguredTarget(text)
    return targets


def _options(setting: TargetSettings, where: str) -> ChannelOptions:
    given: dict[str, Any] = {}
    for name in ChannelOptions.__dataclass_fields__:
        value = getattr(setting, name, None)
        if value is not None:
            given[name] = parse_duration(value, f"{where}.{name}") if name in _DURATIONS else value
    if not setting.outlier_detection:
        given["ejection"] = None
    try:
        return ChannelOptions(**given)
    except SetupError as error:
        raise SetupError(f"{where}: {error}") from None


def _resilience(setting: TargetSettings, where: str) -> Resilience:
    given = {name: value for name, value in msgspec.structs.asdict(setting.retry_budget).items() if value is not None}
    try:
        budget = BudgetOptions(**given)
    except SetupError as error:
        raise SetupError(f"{where}.retry_budget: {error}") from None
    return Resilience(breaker=setting.breaker, throttle=setting.throttle, budget=budget)


def normal_name(name: str) -> str:
    """The form in which names of targets are compared. It ignores case and '-', since a variable's name has neither lower case nor '-'."""
    return name.lower().replace("-", "_")
