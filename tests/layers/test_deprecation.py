"""A method that its contract calls deprecated is called over real sockets: each side says so once in a process."""

import logging
from typing import Any, ClassVar

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from tests.echo_service import PATIENCE
from towpath import App, CallOptions, Context, MethodSpec, Service, ServiceSpec, connect
from towpath._layers import deprecation
from towpath._telemetry.metrics import CallMetrics
from towpath.settings import ServiceConfig


def made(name: str) -> type[Service]:
    """A service of a contract of its own, of whose methods `Old` is deprecated and `New` is not."""
    file = FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    file.message_type.add(name="Empty")
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


async def calls(service: type[Service], config: ServiceConfig, names: list[str]) -> None:
    async with App(config) as app:
        app.add(service())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            methods = {method.name: method for method in service.spec.methods}
            bound = {name: channel.bind(method) for name, method in methods.items()}
            for name in names:
                await bound[name](methods[name].request(), CallOptions(timeout=PATIENCE))


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
