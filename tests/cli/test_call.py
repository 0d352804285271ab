"""`towpath call` against real servers, towpath's and grpcio's, from the arguments to the exit status."""

import asyncio
import io
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import grpc.aio
import pytest

from tests.echo_service import PATIENCE, Echo, serving
from tests.stream_service import Streams
from towpath._app.application import App
from towpath._app.settings.server_options import ServerOptions
from towpath._app.settings.service_file import ServiceConfig
from towpath._cli.main import main
from towpath._core.propagation.trust import Trust

SAY = "echo.v1.EchoService/Say"


@contextmanager
def beside(serve: Callable[[asyncio.Future[str], asyncio.Event], Coroutine[Any, Any, None]]) -> Iterator[str]:
    """Run a server in a loop of its own; yields its address."""
    loop = asyncio.new_event_loop()
    address: asyncio.Future[str] = loop.create_future()
    over = asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(address, over))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(asyncio.wait_for(address, PATIENCE), loop).result()
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    async def serve(address: asyncio.Future[str], over: asyncio.Event) -> None:
        async with App() as app:
            app.add(Echo(), Streams())
            await app.start("127.0.0.1", 0)
            address.set_result(app.address)
            await over.wait()

    with beside(serve) as found:
        yield found


def lines(capsys: Any) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_unary_call(address, capsys):
    assert main(["call", address, SAY, '{"id": "a", "n": 7, "tags": ["x", "y"]}']) == 0
    assert lines(capsys) == [{"id": "a", "n": "7", "text": "x,y"}]


def test_the_package_may_be_left_out_and_the_request_too(address, capsys):
    assert main(["call", address, "EchoService/Inspect", "-H", "a-b: c", "--header", "x-bin: /w=="]) == 0
    (answer,) = lines(capsys)
    assert answer["metadata"] == [{"key": "a-b", "value": "c"}, {"key": "x-bin", "value": "ff"}]
    assert 0 < answer["remaining"] <= 10


def test_a_header_that_is_an_option_of_a_call_is_taken_as_one(address, capsys):
    owned = ["-H", "Towpath-Tenant: acme", "-H", "towpath-criticality: SHEDDABLE", "-H", "idempotency-key: k"]
    assert main(["call", address, "EchoService/Inspect", *owned]) == 0
    (answer,) = lines(capsys)
    assert (answer["tenant"], answer["criticality"]) == ("acme", "SHEDDABLE")
    assert "metadata" not in answer


def test_services_and_methods_are_listed(address, capsys):
    assert main(["call", address]) == 0
    assert capsys.readouterr().out.split() == [
        "echo.v1.EchoService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "stream.v1.StreamService",
    ]
    assert main(["call", address, "StreamService"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "rpc Repeat(stream.v1.RepeatRequest) returns (stream stream.v1.RepeatResponse)",
        "rpc Collect(stream stream.v1.CollectRequest) returns (stream.v1.CollectResponse)",
        "rpc Converse(stream stream.v1.ConverseRequest) returns (stream stream.v1.ConverseResponse)",
    ]


def test_streams_both_ways(address, capsys, monkeypatch, tmp_path):
    assert main(["call", address, "StreamService/Repeat", '{"answers": [{"size": 1}, {"size": 2}]}']) == 0
    assert lines(capsys) == [{"payload": "AA=="}, {"index": "1", "payload": "AAA="}]
    requests = '{"payload": "AA=="}\n\n{"payload": "AAA="}\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(requests))
    assert main(["call", address, "StreamService/Collect", "-"]) == 0
    (tmp_path / "requests").write_text(requests)
    assert main(["call", address, "StreamService/Collect", f"@{tmp_path / 'requests'}"]) == 0
    assert lines(capsys) == [{"count": "2", "size": "3"}] * 2
    assert main(["call", address, "StreamService/Converse", '{"answers": [{}]}\n{"answers": [{}]}', "--timeout", "0s"]) == 0
    assert [answer.get("index") for answer in lines(capsys)] == [None, "1"]
    assert main(["call", address, "StreamService/Collect"]) == 0
    assert lines(capsys) == [{}]


def test_the_request_may_come_from_a_file_or_standard_input(address, capsys, monkeypatch, tmp_path):
    (tmp_path / "request").write_text('{\n"id": "f"\n}')
    monkeypatch.setattr("sys.stdin", io.StringIO('{\n"id": "s"\n}'))
    assert main(["call", address, SAY, f"@{tmp_path / 'request'}"]) == 0
    assert main(["call", address, SAY, "-"]) == 0
    assert [answer["id"] for answer in lines(capsys)] == ["f", "s"]


def test_a_failed_call_is_told_with_its_details_and_its_code(address, capsys):
    assert main(["call", address, "EchoService/Fail", '{"code": 5, "message": "no such thing", "reason": "GONE"}']) == 64 + 5
    captured = capsys.readouterr()
    assert captured.out == ""
    where = f"[echo.v1.EchoService/Fail to {address}]"
    assert captured.err == f'NOT_FOUND: no such thing {where}\n  google.rpc.ErrorInfo {{"reason":"GONE","domain":"echo"}}\n'
    assert main(["call", address, "EchoService/Fail", '{"code": 5, "reason": "GONE"}', "--json-defaults", "print"]) == 64 + 5
    assert capsys.readouterr().err.endswith('  google.rpc.ErrorInfo {"reason":"GONE","domain":"echo","metadata":{}}\n')
    assert main(["call", address, "EchoService/Sleep", '{"seconds": 1000}', "--timeout", "0.1s"]) == 64 + 4


def test_a_program_is_told_of_a_failed_call_in_objects(address, capsys):
    data = '{"code": 5, "message": "no such thing", "reason": "GONE"}'
    assert main(["call", address, "EchoService/Fail", data, "--json", "--verbose", *PATIENT]) == 64 + 5
    *times, told = map(json.loads, capsys.readouterr().err.splitlines())
    assert [set(time) for time in times] == [{"what", "ms"}] * 2
    assert told.pop("peer") in ("", address)
    assert told == {
        "code": "NOT_FOUND",
        "message": "no such thing",
        "method": "echo.v1.EchoService/Fail",
        "target": address,
        "details": [{"type": "google.rpc.ErrorInfo", "value": {"reason": "GONE", "domain": "echo"}}],
    }


def test_a_call_may_wait_for_its_server(capsys):
    """The service comes up once the call was turned away."""

    async def serve(address: asyncio.Future[str], over: asyncio.Event) -> None:
        knocked = asyncio.Event()

        async def turn_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()
            knocked.set()

        async with await asyncio.start_server(turn_away, "127.0.0.1", 0) as door:
            port = door.sockets[0].getsockname()[1]
            address.set_result(f"127.0.0.1:{port}")
            await knocked.wait()
        async with App() as app:
            app.add(Echo())
            await app.start("127.0.0.1", port)
            await over.wait()

    with beside(serve) as address:
        assert main(["call", address, SAY, "{}", "--wait", *PATIENT]) == 0
    assert len(lines(capsys)) == 1


def test_nobody_there_is_a_status_too(capsys):
    assert main(["call", "127.0.0.1:1", SAY]) == 64 + 14
    assert "cannot connect to 127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["Say"], "service 'Say' is not served here"),
        (["EchoServise/Say"], "service 'EchoServise' is not served here; did you mean"),
        (["ehco.v1.EchoService/Say"], "service 'ehco.v1.EchoService' is not served here; did you mean 'echo.v1.EchoService'"),
        (["EchoService/Sai"], "service echo.v1.EchoService has no method 'Sai'; did you mean 'Say'"),
        (
            ["ServerReflection"],
            "ServerReflection is ambiguous: grpc.reflection.v1.ServerReflection, grpc.reflection.v1alpha.ServerReflection; write",
        ),
        (
            ["ServerReflection/ServerReflectionInfo"],
            "ServerReflection/ServerReflectionInfo is ambiguous: grpc.reflection.v1.ServerReflection/",
        ),
        ([SAY, "{"], "the request is not the JSON of a echo.v1.SayRequest: not JSON"),
        ([SAY, '{"idd": 1}'], "the request is not the JSON of a echo.v1.SayRequest: idd: echo.v1.SayRequest has no such field"),
        ([SAY, ""], "echo.v1.EchoService/Say takes one request, and 0 were given"),
        ([SAY, "@no/such/file"], "no/such/file cannot be read"),
        ([SAY, "{}", "-H", "no-colon"], "--header: 'no-colon' is not 'name: value'"),
        ([SAY, "{}", "-H", "grpc-x: y"], "--header: metadata key 'grpc-x' is reserved"),
        ([SAY, "{}", "-H", "traceparent: y"], "--header: metadata key 'traceparent' is reserved"),
        ([SAY, "{}", "-H", "towpath-criticality: HUGE"], "--header: towpath-criticality is 'HUGE'; give SHEDDABLE, SHEDDABLE_PLUS"),
        ([SAY, "{}", "-H", "towpath-tenant: a", "-H", "towpath-tenant: b"], "--header: towpath-tenant needs one value; give it once"),
        ([SAY, "{}", "-H", "idempotency-key:"], "--header: idempotency-key needs one value"),
        ([SAY, "{}", "-H", "x-bin: *"], "--header: "),
        ([SAY, "{}", "--timeout", "soon"], "--timeout: 'soon' is not a duration"),
        ([SAY, "{}", "--cert", "x"], "tls.certificate and tls.key belong together"),
    ],
)
def test_what_a_person_can_mend_is_status_2(address, capsys, arguments, text):
    assert main(["call", address, *arguments]) == 2
    assert text in capsys.readouterr().err


def test_a_stream_that_is_given_what_is_no_json_says_which(address, capsys):
    assert main(["call", address, "StreamService/Collect", '{}\n{"x": 1}']) == 2
    assert "request 2 is not the JSON of a stream.v1.CollectRequest: x: " in capsys.readouterr().err


def test_beyond_this_machine_plaintext_has_to_be_meant(capsys):
    assert main(["call", "flights:1", SAY]) == 2
    assert "has no TLS" in capsys.readouterr().err


def test_a_server_without_reflection_is_told(capsys):
    async def serve(address: asyncio.Future[str], over: asyncio.Event) -> None:
        async with serving(Echo()) as server:
            address.set_result(server.address)
            await over.wait()

    with beside(serve) as found:
        assert main(["call", found, SAY]) == 64 + 12
        assert "does not serve grpc.reflection" in capsys.readouterr().err


def test_a_server_with_only_the_older_reflection_is_understood(capsys):
    from towpath._app.standard.reflection import reflection_services

    async def serve(address: asyncio.Future[str], over: asyncio.Event) -> None:
        async with App(ServiceConfig(reflection=False)) as app:
            echo = Echo()
            app.add(echo, reflection_services([echo], Trust(everybody=True))[1])
            await app.start("127.0.0.1", 0)
            address.set_result(app.address)
            await over.wait()

    with beside(serve) as found:
        assert main(["call", found, SAY, '{"id": "old"}']) == 0
        assert lines(capsys)[0]["id"] == "old"


def test_another_server_without_reflection(capsys):
    async def serve(address: asyncio.Future[str], over: asyncio.Event) -> None:
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        address.set_result(f"127.0.0.1:{port}")
        await over.wait()
        await server.stop(None)

    with beside(serve) as found:
        assert main(["call", found]) == 64 + 12


PATIENT = ("--timeout", f"{PATIENCE:g}s")


def told(text: str) -> list[str]:
    """What the lines of `--verbose` are about, without their figures."""
    return [line.partition(":")[0] for line in text.splitlines() if line.endswith(" ms")]


def test_verbose_says_where_the_time_went_beside_the_answer(address, capsys):
    assert main(["call", address, SAY, "{}", "-v", *PATIENT]) == 0
    output = capsys.readouterr()
    assert output.out == "{}\n"
    assert told(output.err) == ["connecting, reading contracts", "the call", "in all"]


def test_verbose_tells_of_streams_and_of_calls_that_fail(address, capsys):
    assert main(["call", address, "StreamService/Repeat", '{"answers": [{}, {}, {}]}', "--verbose", *PATIENT]) == 0
    assert told(capsys.readouterr().err) == ["connecting, reading contracts", "to the first response", "the other 2 responses", "in all"]
    assert main(["call", address, "StreamService/Repeat", "{}", "--verbose", *PATIENT]) == 0
    assert told(capsys.readouterr().err) == ["connecting, reading contracts", "the call, with no response", "in all"]
    assert main(["call", address, SAY, "{}", "--timeout", "0.000001s", "-v"]) != 0
    assert "DEADLINE_EXCEEDED" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "option", "printed"),
    [
        (ServiceConfig(), (), False),
        (ServiceConfig(), ("--json-defaults", "print"), True),
        (ServiceConfig(server=ServerOptions(json_defaults="print")), (), True),
        (ServiceConfig(server=ServerOptions(json_defaults="print")), ("--json-defaults", "omit"), False),
    ],
)
def test_fields_with_their_default_are_printed_as_the_server_does_it_itself(capsys, config, option, printed):
    async def serve(address: asyncio.Future[str], over: asyncio.Event) -> None:
        async with App(config) as app:
            app.add(Echo())
            await app.start("127.0.0.1", 0)
            address.set_result(app.address)
            await over.wait()

    with beside(serve) as found:
        assert main(["call", found, SAY, '{"id": "a"}', *option]) == 0
    assert lines(capsys) == [{"id": "a", "n": "0", "text": "", "payload": ""} if printed else {"id": "a"}]
