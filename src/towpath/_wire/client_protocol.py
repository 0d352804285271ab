"""The protocols that a client can call in. A new one is a module with its answers, and an entry of `CLIENT_PROTOCOLS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from towpath._core.context import Context, Criticality
from towpath._wire.answer import OneMessage, StreamedAnswer, WholeAnswer
from towpath._wire.compression import Compression
from towpath._wire.connect import client as connect
from towpath._wire.grpc import client as grpc
from towpath._wire.grpc import framing, propagation, web_client
from towpath._wire.http.fields import Field

_USER_AGENT: Final = b"towpath-python"


@dataclass(frozen=True, kw_only=True)
class ClientProtocol:
    """How requests of one protocol are written, and what reads their answers. The requests of a stream are enveloped as gRPC's are."""

    unary_fields: Callable[[Compression | None], list[Field]]
    """The fields of a unary call's head beside HTTP's own, by the compression of requests."""

    stream_fields: Callable[[Compression | None], list[Field]]
    """The fields of a stream's head beside HTTP's own, by the compression of requests."""

    literals: Callable[[Context, float, Criticality], bytes]
    """The fields of a head that differ from call to call, encoded: of this call, at this time, of a method with this criticality, which
    need not
    be said."""

    unary_body: Callable[[bytes, Compression | None], bytes]
    """The body of a unary request, from its message and the compression."""

    unary_answer: Callable[[int], WholeAnswer]
    """What reads the answer of a unary call, within a message limit in bytes."""

    stream_answer: Callable[[int], StreamedAnswer]
    """What reads the answer of a stream, within a message limit in bytes."""


def request_head(path: str, scheme: bytes, authority: bytes, own: Sequence[Field]) -> list[Field]:
    """The fields that begin every call of the method at `path`; `own` are those of the protocol."""
    return [
        (b":method", b"POST"),
        (b":scheme", scheme),
        (b":path", path.encode()),
        (b":authority", authority),
        *own,
        (b"user-agent", _USER_AGENT),
    ]


def _grpc_unary_answer(limit: int) -> WholeAnswer:
    return OneMessage(grpc.GrpcAnswer(limit))


def _web_unary_answer(limit: int) -> WholeAnswer:
    return OneMessage(web_client.GrpcWebAnswer(limit))


GRPC: Final = ClientProtocol(
    unary_fields=grpc.head_fields,
    stream_fields=grpc.head_fields,
    literals=propagation.literals,
    unary_body=framing.frame,
    unary_answer=_grpc_unary_answer,
    stream_answer=grpc.GrpcAnswer,
)

CLIENT_PROTOCOLS: Final[Mapping[str, ClientProtocol]] = {
    "grpc": GRPC,
    "connect": ClientProtocol(
        unary_fields=connect.unary_head_fields,
        stream_fields=connect.stream_head_fields,
        literals=propagation.connect_literals,
        unary_body=connect.unary_body,
        unary_answer=connect.ConnectUnaryAnswer,
        stream_answer=connect.ConnectStreamAnswer,
    ),
    "grpc-web": ClientProtocol(
        unary_fields=web_client.head_fields,
        stream_fields=web_client.head_fields,
        literals=propagation.literals,
        unary_body=framing.frame,
        unary_answer=_web_unary_answer,
        stream_answer=web_client.GrpcWebAnswer,
    ),
}
"""By the name that a channel's options give. The server's halves are `towpath._transport.server.protocols`."""
