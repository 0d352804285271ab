"""The package grpcio, which may be missing, and its words for what towpath has words for."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status

from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.metadata import Metadata, Value
from towpath._core.propagation.fields import PROPAGATED


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise SetupError(
            f"towpath.compat.grpcio needs grpcio, which cannot be imported ({error}); install it with: pip install grpcio"
        ) from error


grpc: Final = _imported("grpc")
"""The package, whose types strict checkers do not know."""

aio: Final = _imported("grpc.aio")

STATUS: Final[dict[int, Any]] = {status.value[0]: status for status in grpc.StatusCode}
"""grpcio's status codes by number. towpath has the same, but for OK, which is no error."""

OK: Final = 0

DETAILS: Final = "grpc-status-details-bin"
"""The trailer in which grpcio has the details of an error."""

_OF_THE_CONTEXT: Final = frozenset({*(field.name for field in PROPAGATED), "traceparent", "tracestate"})


def code_of(status: Any) -> Code | None:
    """The code for one of grpcio's, or for its number; None for OK. Raises ValueError for something else."""
    number = status.value[0] if isinstance(status, grpc.StatusCode) else status
    return None if number == OK else Code(number)


def pairs_of(metadata: Any) -> list[tuple[str, Value]]:
    """The pairs of grpcio's metadata, which are None, a sequence of pairs or a `grpc.aio.Metadata`."""
    return [] if metadata is None else [(str(key).lower(), value) for key, value in metadata]


def answered(pairs: Iterable[tuple[str, Value]]) -> Metadata:
    """What a servicer sends back. Names of towpath's context are no more than names there. Raises ValueError for what gRPC owns."""
    mine: list[tuple[str, Value]] = []
    for key, value in pairs:
        if key in _OF_THE_CONTEXT:
            mine.append((key, value))
        else:
            mine += Metadata([(key, value)])
    return Metadata.received(tuple(mine))


def sent(pairs: Iterable[tuple[str, Value]]) -> Metadata:
    """What a stub sends along, without the names of towpath's context: their values come from the context. Raises ValueError for what gRPC
    owns."""
    return Metadata((key, value) for key, value in pairs if key not in _OF_THE_CONTEXT)


def value_of(pairs: Iterable[tuple[str, Value]], name: str) -> str:
    """The one value of `name`; empty without it."""
    found = [value for key, value in pairs if key == name]
    return str(found[-1]) if found else ""


def details_in(pairs: Iterable[tuple[str, Value]]) -> list[AnyMessage]:
    """The details of an error that a servicer gives as `grpc_status.rpc_status.to_status` does."""
    for key, value in pairs:
        if key == DETAILS and isinstance(value, bytes):
            return list(Status.FromString(value).details)
    return []


def without_details(pairs: Iterable[tuple[str, Value]]) -> list[tuple[str, Value]]:
    """The pairs beside the details."""
    return [(key, value) for key, value in pairs if key != DETAILS]


def trailers_of(error: RpcError) -> Any:
    """An error's trailers as `grpc_status.rpc_status.from_call` reads them."""
    pairs = list(error.metadata)
    if error.details:
        status = Status(code=error.code, message=error.message)
        for detail in error.details:
            if isinstance(detail, AnyMessage):
                status.details.append(detail)
            else:
                status.details.add().Pack(detail)
        pairs.append((DETAILS, status.SerializeToString()))
    return aio.Metadata(*pairs)
