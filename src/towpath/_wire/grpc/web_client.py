"""gRPC-Web on the client: gRPC's head and messages, and a last envelope of trailers. The binary form alone.

For what stands behind a proxy that loses trailers. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
"""

from collections.abc import Sequence

from towpath._core.errors import Code, RpcError
from towpath._wire import metadata
from towpath._wire.compression import GRPC_FIELDS, Compression
from towpath._wire.grpc import status
from towpath._wire.grpc.enveloped_response import EnvelopedResponseReader
from towpath._wire.http.fields import Field, is_field

_CONTENT_TYPE = b"application/grpc-web"


def head_fields(compression: Compression | None) -> list[Field]:
    """The fields by which a request of gRPC-Web is known."""
    return [(b"content-type", b"application/grpc-web+proto"), (b"x-grpc-web", b"1"), *GRPC_FIELDS.request(compression)]


class GrpcWebResponseReader(EnvelopedResponseReader):
    """A call's answer. One without a body may have its status in the head."""

    __slots__ = ("_head_fields",)

    end_flag = 0x80
    encoding_fields = GRPC_FIELDS

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._head_fields: Sequence[Field] = ()

    def head(self, status_code: bytes, fields: Sequence[Field]) -> None:
        """The head has the status 200 and gRPC-Web's content type, or else a status of gRPC, whatever a proxy made of the rest."""
        found = dict(fields)
        content_type = found.get(b"content-type", b"")
        if b"grpc-status" in found:
            self._head_fields = fields
        elif status_code != b"200" or not content_type.startswith(_CONTENT_TYPE):
            raise status.from_http(status_code, content_type, "gRPC-Web")
        self.compression = GRPC_FIELDS.announced(found)
        self.headers = metadata.decode(fields)

    def concluded(self, ending: bytes | None, fields: Sequence[Field]) -> RpcError | None:
        every = fields or self._head_fields
        if ending is not None:
            lines = (line.partition(b":") for line in ending.split(b"\r\n") if line)
            every = [(name.strip().lower(), value.strip(b" \t")) for name, _, value in lines]
        if not every:
            return RpcError(Code.INTERNAL, "the server ended the call without trailers")
        # HTTP has not looked at what a body says: a line break would become a field of its own where a gateway passes it on.
        fields = [field for field in every if is_field(*field) or field[0].startswith(b"grpc-")]
        self.trailers = metadata.decode(fields)
        return status.decode(fields)
