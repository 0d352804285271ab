"""`fallback` of a `[[methodConfig]]`: an answer that is good enough, for calls that the server fails.

    [[methodConfig]]
    name = [{ service = "skyline.weather.v1.WeatherService", method = "ListObservations" }]
    fallback = { value = {} }                        # the response, as JSON has it; here an empty one

    [[methodConfig]]
    name = [{ service = "skyline.flights.v1.FlightsService", method = "GetFlight" }]
    fallback = { maxAge = "60s", size = 1000 }       # the last good answer to the same request; {} has these values

With `skip = true` beside a value the call is not even made while it would probably end too late. For a method that the program gives to
`Channel.falling_back`, the program wins over the file. See `towpath._layers.fallback`.
"""

from typing import Any

import msgspec

from towpath._app.settings import toml
from towpath._app.settings.duration import parse_duration
from towpath._core.errors import SetupError
from towpath._core.policies import FallbackPolicy
from towpath._core.service import MethodKind, MethodSpec
from towpath._layers.fallback import FixedAnswer, LastAnswer, Source
from towpath._wire.json.codec import JsonCodec
from towpath._wire.json.errors import JsonError


class FallbackSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A `fallback`, as the file has it."""

    value: dict[str, Any] | None = None
    skip: bool = False
    max_age: str | None = None
    size: int | None = None

    def policy(self, where: str) -> FallbackPolicy:
        """The checked policy. Raises SetupError that names the place `where` and the mistake."""
        if self.value is None:
            if self.skip:
                raise SetupError(f"{where}.skip: needs a value to answer with; give fallback.value, too")
        elif self.max_age is not None or self.size is not None:
            raise SetupError(f"{where}: has a value, and a maxAge or size of last answers; keep one of the two")
        given: dict[str, Any] = {"skip": self.skip, "size": self.size}
        if self.value is not None:
            given["value"] = msgspec.json.encode(self.value)
        if self.max_age is not None:
            given["max_age"] = parse_duration(self.max_age, f"{where}.maxAge")
        return toml.policy(FallbackPolicy, given, self, where)


def source_of(method: MethodSpec[Any, Any], policy: FallbackPolicy, where: str) -> Source:
    """The source of fallback answers to `method`. Raises SetupError that names the place `where` if the method streams, or if the value is
    not a response of the method."""
    if method.kind is not MethodKind.UNARY:
        raise SetupError(f"{where}.fallback: {method.full_name} streams, and cannot have one; name the methods that are meant")
    if policy.value is None:
        return LastAnswer(max_age=policy.max_age, size=policy.size)
    try:
        response = JsonCodec().decode(policy.value, method.response)
    except JsonError as error:
        wanted = method.response.DESCRIPTOR.full_name
        raise SetupError(f"{where}.fallback.value: {method.full_name} answers with a {wanted}, and this is none: {error}") from error
    return FixedAnswer(response=response, skip=policy.skip)
