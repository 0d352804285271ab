"""The options that a method declares in its contract, read out as the values that a MethodSpec holds."""

from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.descriptor_pb2 import MethodOptions as StandardOptions
from google.protobuf.duration_pb2 import Duration

from towpath._contracts.attempts import hedging_policy, retry_policy, unsafe
from towpath._core.context import Criticality
from towpath._core.errors import SetupError
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._core.service import Idempotency, IdempotencyKey, MethodKind
from towpath._gen.towpath.v1 import options_pb2

EXTENSION: Final = options_pb2.METHOD_FIELD_NUMBER
"""Field number of `(towpath.v1.method)` in protobuf's MethodOptions."""

_NANOS: Final = 1_000_000_000
_KEYS: Final = {
    options_pb2.IDEMPOTENCY_KEY_REQUIRED: IdempotencyKey.REQUIRED,
    options_pb2.IDEMPOTENCY_KEY_AUTO: IdempotencyKey.AUTO,
}
_IDEMPOTENCY: Final = {
    StandardOptions.IDEMPOTENCY_UNKNOWN: Idempotency.UNKNOWN,
    StandardOptions.NO_SIDE_EFFECTS: Idempotency.NO_SIDE_EFFECTS,
    StandardOptions.IDEMPOTENT: Idempotency.IDEMPOTENT,
}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The declarations of one method; None stands for a value that is not declared."""

    idempotency: Idempotency
    timeout: float | None
    """In seconds."""
    criticality: Criticality | None
    retry: RetryPolicy | None = None
    hedge: HedgingPolicy | None = None
    idempotency_key: IdempotencyKey | None = None


class InvalidOptionError(ValueError):
    """An option whose value makes no sense. `field` is its number within towpath's MethodOptions."""

    def __init__(self, message: str, *, field: int, hint: str) -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint


def declared(options: StandardOptions, kind: MethodKind = MethodKind.UNARY) -> Declared:
    """Read the `options` of a method of this `kind`. Raises `InvalidOptionError` for a value that makes no sense."""
    # protoc types an extension as a bare FieldDescriptor, which does not know the message behind it.
    own = cast("options_pb2.MethodOptions", options.Extensions[cast("Any", options_pb2.method)])
    idempotency = _IDEMPOTENCY[options.idempotency_level]
    retry, hedge = _attempts(own, repeatable=idempotency is not Idempotency.UNKNOWN)
    return Declared(
        idempotency=idempotency,
        timeout=_timeout(own.timeout) if own.HasField("timeout") else None,
        criticality=_criticality(own.criticality),
        retry=retry,
        hedge=hedge,
        idempotency_key=_idempotency_key(own, idempotency, kind),
    )


def _attempts(own: options_pb2.MethodOptions, *, repeatable: bool) -> tuple[RetryPolicy | None, HedgingPolicy | None]:
    retry: RetryPolicy | None = None
    hedge: HedgingPolicy | None = None
    number = options_pb2.MethodOptions.RETRY_FIELD_NUMBER
    try:
        retry = retry_policy(own.retry) if own.HasField("retry") else None
        number = options_pb2.MethodOptions.HEDGE_FIELD_NUMBER if retry is None or own.HasField("hedge") else number
        hedge = hedging_policy(own.hedge) if own.HasField("hedge") else None
    except (SetupError, ValueError) as error:
        raise InvalidOptionError(str(error), field=number, hint="see RetryPolicy and HedgingPolicy in towpath/v1/options.proto") from None
    if retry is not None and hedge is not None:
        raise InvalidOptionError("both retry and hedge are declared", field=number, hint="keep one: each decides when to try again")
    reason = unsafe(retry, hedge, repeatable=repeatable)
    if reason:
        raise InvalidOptionError(reason, field=number, hint="declare idempotency_level if a second call does no harm, or leave it out")
    return retry, hedge


def _idempotency_key(own: options_pb2.MethodOptions, level: Idempotency, kind: MethodKind) -> IdempotencyKey | None:
    if own.idempotency_key == options_pb2.IDEMPOTENCY_KEY_UNSPECIFIED:
        return None
    key = _KEYS.get(own.idempotency_key)
    number = options_pb2.MethodOptions.IDEMPOTENCY_KEY_FIELD_NUMBER
    if key is None:
        names = ", ".join(f"IDEMPOTENCY_KEY_{one.name}" for one in IdempotencyKey)
        raise InvalidOptionError(f"idempotency_key {own.idempotency_key} is not one of towpath's", field=number, hint=f"use one of {names}")
    if kind is not MethodKind.UNARY:
        raise InvalidOptionError(
            "idempotency_key is declared, and a stream has no single answer to keep",
            field=number,
            hint="leave it out, or make the effect a method of its own with one request and one response",
        )
    if level is Idempotency.NO_SIDE_EFFECTS:
        raise InvalidOptionError(
            "idempotency_key is declared, and a method with NO_SIDE_EFFECTS may run again without one",
            field=number,
            hint="keep the one of the two that is true",
        )
    if own.HasField("hedge"):
        raise InvalidOptionError(
            "idempotency_key and hedge are declared, and the second attempt at a key only waits for the first",
            field=number,
            hint="keep one: a hedge is for methods that may run twice at once",
        )
    return key


def _timeout(duration: Duration) -> float:
    if not -_NANOS < duration.nanos < _NANOS or duration.seconds * duration.nanos < 0:
        raise InvalidOptionError(
            f"timeout of {duration.seconds} seconds and {duration.nanos} nanos is not a duration",
            field=options_pb2.MethodOptions.TIMEOUT_FIELD_NUMBER,
            hint="give nanos from 0 to 999999999",
        )
    seconds = (duration.seconds * _NANOS + duration.nanos) / _NANOS
    if seconds <= 0:
        raise InvalidOptionError(
            f"timeout of {seconds:g} s: no call could ever succeed",
            field=options_pb2.MethodOptions.TIMEOUT_FIELD_NUMBER,
            hint="give more than zero, or leave the timeout out to declare none",
        )
    return seconds


def _criticality(value: int) -> Criticality | None:
    if value == options_pb2.CRITICALITY_UNSPECIFIED:
        return None
    try:
        return Criticality(value)
    except ValueError:
        raise InvalidOptionError(
            f"criticality {value} is not one of towpath's",
            field=options_pb2.MethodOptions.CRITICALITY_FIELD_NUMBER,
            hint="use one of " + ", ".join(f"CRITICALITY_{level.name}" for level in Criticality),
        ) from None
