"""The admin contract, asked over the admin listener as operators' tools ask it."""

import asyncio
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from echo.v1.echo_pb2 import FailRequest, SayRequest
from echo.v1.echo_towpath import EchoServiceClient
from prometheus_client import Histogram

from tests.echo_service import Echo
from towpath import App, Code, RpcError, connect
from towpath._admin.gen.towpath.admin.v1 import admin_pb2 as pb
from towpath._admin.gen.towpath.admin.v1.admin_towpath import AdminServiceClient
from towpath._app.admin.admin_service import MAX_TRACES
from towpath._app.admin.local_sockets import local_processes
from towpath._app.process.admin_server import admin, local_admin
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.propagation.trust import Trust
from towpath._telemetry.flight_recorder import process_recorder, ring
from towpath._telemetry.flight_recorder.recorder import Recorder
from towpath._telemetry.flight_recorder.row import SIZE, unpacked
from towpath._telemetry.runtime_folder import VARIABLE
from towpath._transport import Address, Channel

FREE = Address("127.0.0.1", 0)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """The recorder of this process, while the test runs."""
    made = Recorder(ring.Writer(None, service="echo", rows=4096))
    process_recorder.install(made)
    yield made
    process_recorder.install(None)


def record(recorder: Recorder, *trace_ids: str) -> None:
    """Write one row for each."""
    writer = recorder.writer
    for serial, trace_id in enumerate(trace_ids):
        trace = b"00-" + trace_id.encode() + b"-" + b"cd" * 8
        writer.write(1, 0, 0, 0, 1.0, trace, serial, 0, writer.intern("echo.v1.EchoService/Say"), 0, 0, 0, *[0] * 8, 0, 0)


async def rows(client: AdminServiceClient, request: pb.ReadRowsRequest) -> tuple[pb.Recording, list[Any]]:
    first, *pieces = [piece async for piece in client.read_rows(request)]
    assert not first.rows
    data = b"".join(piece.rows for piece in pieces)
    return first.recording, [unpacked(data, at) for at in range(0, len(data), SIZE)]


async def test_a_process_says_what_it_is() -> None:
    app = App(ServiceConfig(name="shop"))
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        client = AdminServiceClient(channel)
        process = await client.get_process(pb.GetProcessRequest())
        assert (process.service, process.pid, process.state, process.address) == ("shop", os.getpid(), pb.STATE_STARTING, "")
        assert not process.HasField("worker")
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        process = await client.get_process(pb.GetProcessRequest())
        assert (process.state, process.address) == (pb.STATE_SERVING, app.address)
        assert process.uptime.ToNanoseconds() > 0


async def test_a_process_says_what_it_lacks() -> None:
    app = App(ServiceConfig(workers=2, worker=1))

    async def probe() -> bool:
        return False

    app.ready("db", probe)
    app.add(Echo())
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        await app.start("127.0.0.1", 0)
        process = await AdminServiceClient(channel).get_process(pb.GetProcessRequest())
    assert (process.worker, process.state, list(process.failed_probes)) == (1, pb.STATE_UNREADY, ["db"])


async def test_the_metrics_are_those_of_the_exposition() -> None:
    app = App()
    app.add(Echo())
    own_histogram = Histogram("payments_seconds", "Of a service's own.", buckets=(1, 2), registry=app.metrics.registry)
    own_histogram.observe(1.5)
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as own:
            client = EchoServiceClient(own)
            for _ in range(3):
                await client.say(SayRequest())
            with pytest.raises(RpcError):
                await client.fail(FailRequest(code=Code.NOT_FOUND.value))
        asked = AdminServiceClient(channel)
        metrics = {metric.name: metric for metric in (await asked.list_metrics(pb.ListMetricsRequest())).metrics}
        durations = metrics["rpc_server_call_duration_seconds"]
        assert durations.kind == pb.Metric.KIND_HISTOGRAM
        counts = {sample.labels["rpc_method"]: sum(sample.counts) for sample in durations.samples}
        assert counts == {"echo.v1.EchoService/Say": 3, "echo.v1.EchoService/Fail": 1} | {
            method: 0 for method in counts if method.rpartition("/")[2] not in ("Say", "Fail")
        }
        for sample in durations.samples:
            assert list(sample.bounds) == sorted(sample.bounds)
            assert len(sample.counts) == len(sample.bounds) + 1
            assert (sample.value > 0) == (sum(sample.counts) > 0)
            assert len(sample.bounds) > 90  # all that are counted, and not those of the text format alone
        assert metrics["towpath_decisions"].kind == pb.Metric.KIND_COUNTER
        (payments,) = metrics["payments_seconds"].samples
        assert (list(payments.bounds), list(payments.counts), payments.value) == ([1.0, 2.0], [0, 1, 0], 1.5)
        chosen = (await asked.list_metrics(pb.ListMetricsRequest(prefixes=["towpath_dec"]))).metrics
        assert [metric.name for metric in chosen] == ["towpath_decisions"]


async def test_the_rows_of_a_trace_come_with_their_names(recorder: Recorder) -> None:
    app = App()
    one, other = "ab" * 16, "cd" * 16
    record(recorder, one, other, one)
    recorder.writer.keep(2)
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        client = AdminServiceClient(channel)
        recording, found = await rows(client, pb.ReadRowsRequest(trace_ids=[one]))
        assert [row.serial for row in found] == [0, 2]
        assert (recording.service, recording.pid, recording.version) == ("echo", os.getpid(), ring.VERSION)
        assert recording.names[found[0].method] == "echo.v1.EchoService/Say"
        _, found = await rows(client, pb.ReadRowsRequest(trace_ids=["cd" * 8 + "ab" * 8]))
        assert found == []
        _, found = await rows(client, pb.ReadRowsRequest(kept=True))
        assert [row.serial for row in found] == [1]
        _, found = await rows(client, pb.ReadRowsRequest(kept=True, trace_ids=[one]))
        assert found == []


async def test_many_rows_come_in_pieces_and_once(recorder: Recorder) -> None:
    app = App()
    record(recorder, *["ab" * 16] * 5000)
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        client = AdminServiceClient(channel)
        _, found = await rows(client, pb.ReadRowsRequest())
        assert [row.serial for row in found] == list(range(904, 5000))
        _, found = await rows(client, pb.ReadRowsRequest(after=4990))
        assert [row.serial for row in found] == list(range(4990, 5000))
        _, found = await rows(client, pb.ReadRowsRequest(after=5000))
        assert found == []


@pytest.mark.parametrize("trace_id", ["", "ab", "AB" * 16, "é" * 32])
async def test_what_is_no_trace_id_is_refused(recorder: Recorder, trace_id: str) -> None:
    app = App()
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        with pytest.raises(RpcError, match="give 32 hex digits") as caught:
            await rows(AdminServiceClient(channel), pb.ReadRowsRequest(trace_ids=[trace_id]))
    assert caught.value.code is Code.INVALID_ARGUMENT


async def test_so_many_traces_are_asked_for_at_once_and_no_more(recorder: Recorder) -> None:
    app = App()
    one = "ab" * 16
    record(recorder, one)
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        client = AdminServiceClient(channel)
        _, found = await rows(client, pb.ReadRowsRequest(trace_ids=[one] * MAX_TRACES))
        assert [row.serial for row in found] == [0]
        with pytest.raises(RpcError, match="give 64 at the most") as caught:
            await rows(client, pb.ReadRowsRequest(trace_ids=[one] * (MAX_TRACES + 1)))
    assert caught.value.code is Code.INVALID_ARGUMENT


async def test_without_a_recorder_there_are_no_rows() -> None:
    app = App()
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        with pytest.raises(RpcError, match="has no flight recorder") as caught:
            await rows(AdminServiceClient(channel), pb.ReadRowsRequest())
    assert caught.value.code is Code.FAILED_PRECONDITION


async def test_strangers_see_no_rows(recorder: Recorder) -> None:
    record(recorder, "ab" * 16)
    app = App(ServiceConfig(trust=Trust(private=False)))
    async with app, admin(app, FREE) as address, Channel(address) as channel:
        client = AdminServiceClient(channel)
        with pytest.raises(RpcError, match=r"service\.trust") as caught:
            await rows(client, pb.ReadRowsRequest())
        assert caught.value.code is Code.PERMISSION_DENIED
        assert (await client.get_process(pb.GetProcessRequest())).pid == os.getpid()


async def test_a_browser_or_curl_asks_in_json() -> None:
    app = App(ServiceConfig(name="shop"))
    question = urllib.parse.urlencode({"connect": "v1", "encoding": "json", "message": "{}"})

    def fetched(address: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{address}/towpath.admin.v1.AdminService/GetProcess?{question}", timeout=120) as answer:
            return json.load(answer)

    async with app, admin(app, FREE) as address:
        answer = await asyncio.to_thread(fetched, address)
    assert answer["service"] == "shop"


async def test_tools_find_the_process_at_its_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    app = App(ServiceConfig(name="shop"))
    async with app, local_admin(app):
        (path,) = local_processes()
        async with Channel(f"unix:{path}") as channel:
            assert (await AdminServiceClient(channel).get_process(pb.GetProcessRequest())).service == "shop"
    assert local_processes() == []
    assert not path.exists()


async def test_a_process_without_a_socket_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    app = App()
    async with app, local_admin(app):
        assert local_processes() == []
    assert "towpath top does not find this process" in caplog.text
