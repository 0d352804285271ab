"""The key of `[telemetry]` that says which traces are sampled, and OpenTelemetry's variables for the same, which win over the file.

[telemetry]
sampling = 0.01                      # a hundredth of the traces that begin in this service

[telemetry.sampling]                 # or by the method that a trace begins with
default = 0.01
"shop.v1.Cart/Checkout" = 1          # a method
"shop.v1.Catalog" = 0.001            # all other methods of a service

Every call is in the flight recorder. Sampling only says whose spans are exported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from towpath._app.settings.method_names import find_method, methods_of_service
from towpath._app.settings.suggest import suggestion
from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._core.errors import SetupError
from towpath._core.propagation.sampling import Sampler
from towpath._core.service import MethodSpec

DEFAULT_RATIO: Final = 0.01
"""The part of traces that is sampled if spans are exported and nothing is said."""

_DEFAULT: Final = "default"
_SAMPLER, _ARGUMENT = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
_PARENT_BASED: Final = "parentbased_"
_SAMPLERS: Final[Mapping[str, float | None]] = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}
"""OpenTelemetry's samplers with their ratios; None for one that takes its ratio from the second variable."""
_NAMES: Final = (*_SAMPLERS, *(f"{_PARENT_BASED}{name}" for name in _SAMPLERS))


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Which traces are sampled of those that begin in this process."""

    ratio: float | None = None
    """The part of them that is sampled, 0 to 1, or a table of such parts by method and service, with a `default` for all others. If nothing
    is said: 0.01 if spans are exported, and else 0."""

    methods: tuple[tuple[str, float], ...] = ()
    """Methods and services with a ratio of their own, as the file names them."""

    follows_parents: bool = True
    """Whether a trace that began elsewhere is sampled if its caller says so."""

    where: str = field(default="", compare=False)
    """The place of the key, for messages."""


def read_sampling(table: TelemetryTable, where: str, environ: Mapping[str, str]) -> SamplingOptions:
    """The options. Raises SetupError that names the variable, or the place below `where`."""
    place = f"{where}.sampling"
    name = environ.get(_SAMPLER, "").strip()
    if name:
        return _of_variables(name, environ.get(_ARGUMENT, "").strip(), place)
    given = table.sampling
    if given is None:
        return SamplingOptions(where=place)
    if not isinstance(given, Mapping):
        return SamplingOptions(ratio=_checked(given, place), where=place)
    ratios = {key: _checked(value, f'{place}."{key}"') for key, value in given.items()}
    ratio = ratios.pop(_DEFAULT, None)
    return SamplingOptions(ratio=ratio, methods=tuple(ratios.items()), where=place)


def sampler_of(options: SamplingOptions, methods: Iterable[MethodSpec[Any, Any]], *, exports: bool) -> Sampler | None:
    """The sampler; None if no trace that begins here is sampled and its callers decide on all others. `methods` are those that the process
    knows, and `exports` says whether spans leave it. Raises SetupError for a name that none of them has, and for an ambiguous one."""
    ratio = options.ratio if options.ratio is not None else DEFAULT_RATIO if exports else 0.0
    by_service: dict[str, float] = {}
    by_method: dict[str, float] = {}
    known = list(methods)
    for name, own in options.methods:
        try:
            if "/" in name.removeprefix("/"):
                by_method[find_method(name, known).full_name] = own
            else:
                by_service[methods_of_service(name, known)[0].service] = own
        except SetupError as error:
            raise SetupError(f"{options.where}: {error}") from None
    if not ratio and options.follows_parents and not any((*by_service.values(), *by_method.values())):
        return None
    return Sampler(ratio, {**by_service, **by_method}, follows_parents=options.follows_parents)


def told_sampling(options: SamplingOptions) -> str:
    """The key's value as the file would have it."""
    ratio = "default" if options.ratio is None else f"{options.ratio:g}"
    others = [f"{name} = {own:g}" for name, own in options.methods]
    anew = [] if options.follows_parents else ["whatever callers say"]
    return ", ".join([ratio, *others, *anew])


def _of_variables(name: str, argument: str, place: str) -> SamplingOptions:
    if name not in _NAMES:
        raise SetupError(f"{_SAMPLER}: towpath has no sampler {name!r}; {suggestion(name, _NAMES, kind='samplers')}")
    ratio = _SAMPLERS[name.removeprefix(_PARENT_BASED)]
    if ratio is None:
        try:
            ratio = _checked(float(argument or 1), _ARGUMENT)
        except ValueError:
            raise SetupError(f"{_ARGUMENT}: {argument!r} is no number; give the part of the traces that are sampled, 0 to 1") from None
    return SamplingOptions(ratio=ratio, follows_parents=name.startswith(_PARENT_BASED), where=place)


def _checked(ratio: float, where: str) -> float:
    if not 0 <= ratio <= 1:
        raise SetupError(f"{where}: {ratio:g} is no part of the traces; give 0 (none) to 1 (all)")
    return float(ratio)
