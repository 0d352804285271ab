"""What becomes of a head whose response is known already, such as an error."""

from collections.abc import Sequence

from towpath._core.calls.unstarted_calls import OnUnknown
from towpath._wire.cors import CorsFields
from towpath._wire.dialect import WholeResponse
from towpath._wire.grpc.dialect import HEAD as GRPC_HEAD
from towpath._wire.http.fields import Field


class DirectResponse:
    """A head whose response needs no call: an error, or a document."""

    __slots__ = ("_response",)

    def __init__(self, response: WholeResponse) -> None:
        self._response = response

    def answer(self, _extra: Sequence[Field], /) -> WholeResponse:
        """What to send now. The fields of the head that vary are given."""
        return self._response

    def with_cors(self, cors: CorsFields) -> "DirectResponse":
        """The same, with fields for pages of other origins, unless it is one in gRPC, which no page can read."""
        return DirectResponse(self._for_pages(cors))

    def _for_pages(self, cors: CorsFields) -> WholeResponse:
        return self._response if self._response.head is GRPC_HEAD else cors.response(self._response)


class UnknownMethodResponse(DirectResponse):
    """A head that asks for a method which the server does not have. Each function of `on_unknown` is told of each call with it."""

    __slots__ = ("_on_unknown",)

    def __init__(self, response: WholeResponse, on_unknown: Sequence[OnUnknown]) -> None:
        super().__init__(response)
        self._on_unknown = on_unknown

    def answer(self, _extra: Sequence[Field], /) -> WholeResponse:
        """The error, which counts."""
        for tell in self._on_unknown:
            tell()
        return self._response

    def with_cors(self, cors: CorsFields) -> "UnknownMethodResponse":
        """The same, with fields for pages of other origins."""
        return UnknownMethodResponse(self._for_pages(cors), self._on_unknown)
