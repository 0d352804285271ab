"""A method that its contract calls deprecated is called over real sockets: each side says so once in a process."""

import logging
from typing import Any, ClassVar

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from tests.echo_service import PATIENCE
from towpath import App, CallOptions, Context, MethodSpec, Service, ServiceSpec, connect
from towpath._layers import deprecation
from towpath._telemetry.metrics import CallMetrics
from towpath.settings import ServiceConfig


def made(name: str, *fields: FieldDescriptorProto) -> type[Service]:
    """A service of a contract of its own, of whose methods `Old` is deprecated and `New` is not. Their messages have no fields, but for
    `fields`."""
    file = FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    empty_message = file.message_type.add(name="Empty")
    for field in fields:
        empty_message.field.add().CopyFrom(field)
    service = file.service.add(name="S")
    for method in ("Old", "New"):
        service.method.add(name=method, input_type=f".{name}.Empty", output_type=f".{name}.Empty")
    service.method[0].options.deprecated = True
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    empty = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{name}.Empty"))
    methods = tuple(MethodSpec(service=f"{name}.S", name=method, request=empty, response=empty) for method in ("Old", "New"))

    class Made(Service):
        spec: ClassVar[ServiceSpec] = ServiceSpec(name=f"{name}.S", methods=methods, attributes={"Old": "old", "New": "new"})

        async def old(self, request: Any, ctx: Context) -> Any:
            return request

        async def new(self, request: Any, ctx: Context) -> Any:
            return request

    return Made


async def calls(service: type[Service], config: ServiceConfig, names: list[str], *requests: dict[str, Any]) -> None:
    async with App(config) as app:
        app.add(service())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            methods = {method.name: method for method in service.spec.methods}
            bound = {name: channel.bind(method) for name, method in methods.items()}
            for name in names:
                for request in requests or ({},):
                    await bound[name](methods[name].request(**request), CallOptions(timeout=PATIENCE))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was said yet."""
    monkeypatch.setattr(deprecation, "_said", set[tuple[str, str]]())


async def test_each_side_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    service = made("once")
    for _ in range(2):
        await calls(service, ServiceConfig(), ["New", "Old", "Old"])
    client, server = told(caplog)
    assert client == "this process calls once.S/Old, which is deprecated; its comment in the contract says what to call"
    assert server.startswith("once.S/Old is deprecated, and 127.0.0.1:")


async def test_a_server_need_not_say_it(caplog: pytest.LogCaptureFixture) -> None:
    await calls(made("silent"), ServiceConfig(deprecation_warnings=False), ["Old"])
    assert [text.split()[0] for text in told(caplog)] == ["this"]


async def test_a_method_that_is_not_deprecated_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    await calls(made("fresh"), ServiceConfig(), ["New"])
    assert told(caplog) == []


TEXT, MESSAGE = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_MESSAGE
ONE, MANY = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED


def field(number: int, name: str, *, label: Any = ONE, inner: str = "", deprecated: bool = True) -> FieldDescriptorProto:
    made = FieldDescriptorProto(name=name, number=number, label=label, type=MESSAGE if inner else TEXT, type_name=inner or None)
    made.options.deprecated = deprecated
    return made


async def test_each_side_says_once_which_deprecated_fields_requests_have(caplog: pytest.LogCaptureFixture) -> None:
    service = made(
        "fields",
        field(1, "old"),
        field(2, "new", deprecated=False),
        field(3, "older", label=MANY),
        field(4, "oldest", inner=".fields.Empty"),
        field(5, "unset"),
    )
    requests = ({"new": "x"}, {"old": "x", "older": ["y"]}, {"old": "x"}, {"older": ["y"]}, {"oldest": {}}, {"old": "z"})
    for _ in range(2):
        await calls(service, ServiceConfig(), ["New"], *requests)
    said = told(caplog)
    assert [text for text in said if text.startswith("this process")] == [
        f"this process sets fields.Empty.{name}, which is deprecated; its comment in the contract says what to set"
        for name in ("old", "older", "oldest")
    ]
    server = [text for text in said if not text.startswith("this process")]
    assert [text.partition(" is deprecated, and 127.0.0.1:")[0] for text in server] == [
        f"fields.Empty.{name}" for name in ("old", "older", "oldest")
    ]
    assert server[0].endswith(" sets it in a request of fields.S/New")


async def test_a_deprecated_method_says_what_fields_its_request_has_too(caplog: pytest.LogCaptureFixture) -> None:
    await calls(made("both", field(1, "old")), ServiceConfig(deprecation_warnings=False), ["Old", "Old"], {"old": "x"})
    assert [text.split()[3] for text in told(caplog)] == ["both.S/Old,", "both.Empty.old,"]


async def test_two_methods_that_take_a_message_say_it_once(caplog: pytest.LogCaptureFixture) -> None:
    await calls(made("shared", field(1, "old")), ServiceConfig(deprecation_warnings=False), ["New", "Old"], {"old": "x"})
    assert [text.split()[3] for text in told(caplog)] == ["shared.Empty.old,", "shared.S/Old,"]


def test_fields_are_found_within_messages_each_type_once_and_16_at_the_most() -> None:
    recursive = field(1, "again", inner=".deep.Empty", deprecated=False)
    several = field(3, "several", inner=".deep.Empty", label=MANY, deprecated=False)
    request = made("deep", recursive, several, field(4, "old")).spec.methods[0].request
    (path,) = deprecation.deprecated_fields(request.DESCRIPTOR)
    assert [one.name for one in path] == ["old"]
    many = made("many", *(field(number, f"f{number}") for number in range(1, 30))).spec.methods[0].request
    assert len(deprecation.deprecated_fields(many.DESCRIPTOR)) == 16


def test_a_field_within_an_absent_message_is_not_set() -> None:
    from google.protobuf.descriptor_pb2 import FieldOptions

    (weak,) = deprecation.deprecated_fields(FieldDescriptorProto.DESCRIPTOR)
    assert [one.name for one in weak] == ["options", "weak"]
    assert not deprecation.is_set(FieldDescriptorProto(), weak)
    assert not deprecation.is_set(FieldDescriptorProto(options=FieldOptions(packed=True)), weak)
    assert deprecation.is_set(FieldDescriptorProto(options=FieldOptions(weak=False)), weak)


async def test_a_request_of_a_wrong_type_is_refused_as_without_the_layer() -> None:
    old = FieldDescriptorProto(name="old", number=1, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL)
    old.options.deprecated = True
    service = made("dict_request", old)
    wrong: Any = {"old": "a"}
    async with App(ServiceConfig()) as app:
        app.add(service())
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            with pytest.raises(TypeError, match="dict"):
                await channel.bind(service.spec.methods[1])(wrong, CallOptions(timeout=PATIENCE))
