"""What a client speaks beside gRPC: for each protocol how requests are written, and what reads the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from towpath.core.context import Context, Criticality
from towpath.wire.answer import OneMessage, StreamedAnswer, WholeAnswer
from towpath.wire.compression import Compression
from towpath.wire.connect import client as connect
from towpath.wire.grpc import framing, propagation, web_client
from towpath.wire.http.fields import Field


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """One protocol. `unary_fields` and `stream_fields` are what its heads have beside HTTP's own, `unary_body` what a unary request's
    message becomes; a stream's are enveloped in every protocol. Answers are made with the message limit in bytes."""

    unary_fields: Callable[[Compression | None], list[Field]]
    stream_fields: Callable[[Compression | None], list[Field]]
    literals: Callable[[Context, Criticality], bytes]
    unary_body: Callable[[bytes, Compression | None], bytes]
    whole_answer: Callable[[int], WholeAnswer]
    streamed_answer: Callable[[int], StreamedAnswer]


def _web_whole_answer(limit: int) -> WholeAnswer:
    return OneMessage(web_client.GrpcWebAnswer(limit))


SPOKEN: Final = {
    "connect": Spoken(
        unary_fields=connect.unary_head_fields,
        stream_fields=connect.stream_head_fields,
        literals=propagation.connect_literals,
        unary_body=connect.unary_body,
        whole_answer=connect.ConnectUnaryAnswer,
        streamed_answer=connect.ConnectStreamAnswer,
    ),
    "grpc-web": Spoken(
        unary_fields=web_client.head_fields,
        stream_fields=web_client.head_fields,
        literals=propagation.literals,
        unary_body=framing.frame,
        whole_answer=_web_whole_answer,
        streamed_answer=web_client.GrpcWebAnswer,
    ),
}
