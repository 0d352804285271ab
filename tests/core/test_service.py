import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from towpath._core.context import Context
from towpath._core.service import (
    DEFAULT_TIMEOUT,
    Handler,
    MethodKind,
    MethodSpec,
    Service,
    ServiceSpec,
    compose,
    roles,
)

SAY = MethodSpec(service="echo.v1.EchoService", name="Say", request=StringValue, response=StringValue)
IMPORT = MethodSpec(service="echo.v1.EchoService", name="Import", request=StringValue, response=StringValue, timeout=1.0)


class Echo(Service):
    spec = ServiceSpec(name="echo.v1.EchoService", methods=(SAY, IMPORT), attributes={"Say": "say", "Import": "import_"})

    async def say(self, request: Message, ctx: Context) -> Message:
        return request

    async def import_(self, request: Message, ctx: Context) -> Message:
        return request


class Marking:
    """Appends its role to the request on the way in and to the response on the way out."""

    def __init__(self, role: str, *, methods: tuple[str, ...] = ("Say",)) -> None:
        self._role = role
        self._methods = methods

    @property
    def role(self) -> str:
        return self._role

    def wrap(self, method: MethodSpec[Message, Message], following: Handler) -> Handler:
        if method.name not in self._methods:
            return following

        async def marked(request: list[str], ctx: Context) -> list[str]:
            response: list[str] = await following([*request, f"{self._role} in"], ctx)
            return [*response, f"{self._role} out"]

        return marked


async def innermost(request: list[str], ctx: Context) -> list[str]:
    return [*request, ctx.method]


def test_a_method_has_a_name_for_people_and_one_for_the_wire() -> None:
    assert SAY.full_name == "echo.v1.EchoService/Say"
    assert SAY.path == "/echo.v1.EchoService/Say"


def test_a_method_that_declares_nothing_is_unary_and_bound_to_nothing() -> None:
    assert (SAY.kind, SAY.timeout, SAY.criticality) == (MethodKind.UNARY, None, None)
    assert SAY.default_timeout == DEFAULT_TIMEOUT


def test_a_method_that_declares_a_timeout_has_that_by_default() -> None:
    assert IMPORT.default_timeout == 1.0


def test_a_service_hands_out_each_method_with_what_serves_it() -> None:
    echo = Echo()
    assert echo.handlers() == [(SAY, echo.say), (IMPORT, echo.import_)]


async def test_the_first_layer_is_outermost() -> None:
    handler = compose([Marking("a"), Marking("b")], SAY, innermost)
    assert await handler([], Context("call")) == ["a in", "b in", "call", "b out", "a out"]


async def test_a_layer_without_work_for_a_method_costs_it_nothing() -> None:
    assert compose([Marking("a"), Marking("b")], IMPORT, innermost) is innermost


@pytest.mark.parametrize(("method", "expected"), [(SAY, ["a", "c"]), (IMPORT, ["b", "c"])])
def test_only_the_roles_that_are_in_a_stack_are_named(method: MethodSpec[Message, Message], expected: list[str]) -> None:
    layers = [Marking("a"), Marking("b", methods=("Import",)), Marking("c", methods=("Say", "Import"))]
    assert roles(layers, method, innermost) == expected
