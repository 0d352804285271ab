"""`grpc.reflection` as a client that others wrote sees it: what `grpcurl` asks, in both versions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from everything.v1 import everything_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from tests.echo_service import PATIENCE, Echo, turn_until
from towpath._app.application import App
from towpath._app.settings.service_file import ServiceConfig
from towpath._wire.grpc.standard import REFLECTION

VERSIONS = pytest.mark.parametrize("version", list(REFLECTION))


@asynccontextmanager
async def asking(version: str) -> AsyncIterator[Any]:
    types = REFLECTION[version]
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(app.address) as channel:
            call = channel.stream_stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                request_serializer=types["ServerReflectionRequest"].SerializeToString,
                response_deserializer=types["ServerReflectionResponse"].FromString,
            )(timeout=PATIENCE)

            async def ask(**question: Any) -> Any:
                await call.write(types["ServerReflectionRequest"](host="me", **question))
                return await call.read()

            yield ask
            await call.done_writing()
            assert await call.code() is grpc.StatusCode.OK
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


@VERSIONS
async def test_services_are_listed(version: str) -> None:
    async with asking(version) as ask:
        answer = await ask(list_services="*")
        names = [service.name for service in answer.list_services_response.service]
        assert names == [
            "echo.v1.EchoService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ]
        assert (answer.valid_host, answer.original_request.list_services) == ("me", "*")


@VERSIONS
@pytest.mark.parametrize(
    "question",
    [
        {"file_containing_symbol": "echo.v1.EchoService"},
        {"file_containing_symbol": "echo.v1.SayRequest"},
        {"file_by_filename": "echo/v1/echo.proto"},
        {"file_containing_symbol": "grpc.health.v1.Health"},
        {"file_containing_symbol": "grpc.health.v1.HealthCheckResponse.ServingStatus"},
        {"file_by_filename": "grpc/reflection/v1/reflection.proto"},
    ],
)
async def test_a_file_comes_with_all_that_it_needs(version: str, question: dict[str, str]) -> None:
    async with asking(version) as ask:
        found = (await ask(**question)).file_descriptor_response.file_descriptor_proto
        pool = DescriptorPool()
        for raw in reversed(found):
            pool.AddSerializedFile(raw)
        (asked,) = question.values()
        by_name = "file_by_filename" in question
        assert (pool.FindFileByName(asked) if by_name else pool.FindFileContainingSymbol(asked)).name == FileDescriptorProto.FromString(
            found[0]
        ).name


@VERSIONS
async def test_extensions_are_found(version: str) -> None:
    async with asking(version) as ask:
        options = "google.protobuf.MethodOptions"
        numbers = (await ask(all_extension_numbers_of_type=options)).all_extension_numbers_response
        assert numbers.base_type_name == options
        answer = await ask(file_containing_extension={"containing_type": options, "extension_number": min(numbers.extension_number)})
        assert answer.file_descriptor_response.file_descriptor_proto


@VERSIONS
async def test_a_question_without_an_answer_is_told_so_and_the_stream_goes_on(version: str) -> None:
    async with asking(version) as ask:
        for question in (
            {"file_by_filename": "nobody.proto"},
            {"file_containing_symbol": "no.Body"},
            {"all_extension_numbers_of_type": "no.Body"},
            {"file_containing_extension": {"containing_type": "echo.v1.SayRequest", "extension_number": 1}},
            {},
        ):
            answer = await ask(**question)
            assert answer.error_response.error_code == 5
            assert answer.error_response.error_message


async def test_it_may_be_switched_off() -> None:
    async with App(ServiceConfig(reflection=False)) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(app.address) as channel:
            call = channel.unary_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")(b"", timeout=PATIENCE)
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


@VERSIONS
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("echo.v1.EchoService.Say", "echo/v1/echo.proto"),
        ("echo.v1.SayRequest.id", "echo/v1/echo.proto"),
        ("grpc.health.v1.Health.Watch", "grpc/health/v1/health.proto"),
        ("grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"),
        ("everything.v1.Everything.choice", "everything/v1/everything.proto"),
        ("everything.v1.KIND_ONE", "everything/v1/everything.proto"),
        ("echo.v1.EchoService.Shout", ""),
        ("echo.v1.SayRequest.shout", ""),
        ("echo.v2.EchoService", ""),
        ("", ""),
    ],
)
async def test_a_member_is_found_in_its_owners_file(version: str, symbol: str, file: str) -> None:
    assert everything_pb2.DESCRIPTOR.name == "everything/v1/everything.proto"
    async with asking(version) as ask:
        answer = await ask(file_containing_symbol=symbol)
        found = answer.file_descriptor_response.file_descriptor_proto
        assert (FileDescriptorProto.FromString(found[0]).name if found else "") == file
        assert answer.error_response.error_code == (0 if file else 5)
