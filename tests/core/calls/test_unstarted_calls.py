"""The transport finds the layers of a stack that count calls which never begin."""

from typing import Any

from google.protobuf.wrappers_pb2 import StringValue

from towpath._core.calls.unstarted_calls import OnUnstarted, unstarted_callbacks
from towpath._core.errors import Code
from towpath._core.service import Handler, MethodSpec

SAY = MethodSpec(service="echo.v1.EchoService", name="Say", request=StringValue, response=StringValue)


class Plain:
    """A layer that does nothing."""

    role = "plain"

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        return following


class Counting(Plain):
    """A layer that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Code, float]] = []

    def on_unstarted(self, method: MethodSpec[Any, Any], /) -> OnUnstarted:
        return lambda code, seconds: self.heard.append((method.name, code, seconds))


def test_each_layer_that_wants_to_hears_of_a_call_that_never_began() -> None:
    first, second = Counting(), Counting()
    for on_unstarted in unstarted_callbacks([Plain(), first, second], SAY):
        on_unstarted(Code.CANCELLED, 0.5)
    assert first.heard == second.heard == [("Say", Code.CANCELLED, 0.5)]
    assert unstarted_callbacks([Plain()], SAY) == ()
