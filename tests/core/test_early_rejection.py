"""The transport asks the first layer of a stack that decides early."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from towpath._core.context import Context
from towpath._core.early_rejection import ADMIT, EarlyRejection, PendingCall, Rejection, RequestHeaders, Verdict, early_rejection_of
from towpath._core.service import Handler, MethodSpec

SAY = MethodSpec(service="echo.v1.EchoService", name="Say", request=StringValue, response=StringValue)
IMPORT = MethodSpec(service="echo.v1.EchoService", name="Import", request=StringValue, response=StringValue)


class Plain:
    """A layer that does nothing."""

    role = "plain"

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        return following


class Admitting(EarlyRejection):
    """Rejects nobody."""

    def on_headers(self, headers: RequestHeaders, extra: Sequence[tuple[bytes, bytes]], /) -> Rejection | None:
        return None

    def on_arrival(self, ctx: Context, call: PendingCall, /) -> Verdict | Rejection:
        return ADMIT


class Deciding(Plain):
    """A layer that decides early on the calls of `methods`."""

    def __init__(self, *methods: str) -> None:
        self._early = {name: Admitting() for name in methods}

    def early_rejection(self, method: MethodSpec[Message, Message], /) -> EarlyRejection | None:
        return self._early.get(method.name)


def test_a_method_has_the_first_early_rejection_of_its_layers_if_any_has_one() -> None:
    first, second = Deciding("Say"), Deciding("Say", "Import")
    assert early_rejection_of([Plain(), first, second], SAY) is first.early_rejection(SAY)
    assert early_rejection_of([first, second], IMPORT) is second.early_rejection(IMPORT)
    assert early_rejection_of([Plain(), first], IMPORT) is None
