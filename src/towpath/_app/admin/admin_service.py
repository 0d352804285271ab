"""`towpath.admin.v1.AdminService`: what a process tells operators of itself.

It changes nothing, and is served on the admin listener alone. Rows of single calls name peers and tenants, so they are shown to those
callers alone that the service trusts."""

import os
import platform
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from towpath._admin.gen.towpath.admin.v1 import admin_pb2 as pb
from towpath._admin.gen.towpath.admin.v1.admin_towpath import AdminService
from towpath._app.admin.metric_samples import metrics_of
from towpath._app.application import App
from towpath._app.standard.readers import is_reader
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._telemetry.flight_recorder import process_recorder, ring
from towpath._telemetry.flight_recorder.row import SIZE

_STATES: Final = {"starting": pb.STATE_STARTING, "serving": pb.STATE_SERVING, "stopping": pb.STATE_STOPPING}
MAX_TRACES: Final = 64
"""Traces that one call asks for. The rows are searched once for each, on the event loop."""

_PIECE: Final = 1024
"""Rows in one message, 128 KiB."""


class AppAdmin(AdminService):
    """The admin service of `app`, in a process that has begun now."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._began = clock.now()

    async def get_process(self, request: pb.GetProcessRequest, ctx: Context) -> pb.GetProcessResponse:
        """What the process is, and how it is."""
        app = self._app
        unready = app.state == "serving" and app.readiness.failed
        return pb.GetProcessResponse(
            service=app.config.name,
            towpath_version=_version(),
            python_version=platform.python_version(),
            pid=os.getpid(),
            worker=app.config.worker,
            state=pb.STATE_UNREADY if unready else _STATES[app.state],
            uptime=timedelta(seconds=clock.now() - self._began),
            address=app.address,
            failed_probes=app.readiness.failed,
        )

    async def list_metrics(self, request: pb.ListMetricsRequest, ctx: Context) -> pb.ListMetricsResponse:
        """Every metric with its samples."""
        return pb.ListMetricsResponse(metrics=metrics_of(self._app.metrics.registry, request.prefixes))

    async def read_rows(self, request: pb.ReadRowsRequest, ctx: Context) -> AsyncIterator[pb.ReadRowsResponse]:
        """Rows of the flight recorder. Raises INVALID_ARGUMENT for what is no trace id, FAILED_PRECONDITION without a recorder, and
        PERMISSION_DENIED for a caller that the service does not trust."""
        if not is_reader(self._app.config.trust, ctx):
            raise RpcError(Code.PERMISSION_DENIED, "rows of calls are shown to callers that the service trusts (service.trust)")
        if len(request.trace_ids) > MAX_TRACES:
            raise RpcError(Code.INVALID_ARGUMENT, f"trace_ids has {len(request.trace_ids)} entries; give {MAX_TRACES} at the most")
        wanted = list(dict.fromkeys(map(_trace_id, request.trace_ids)))
        recorder = process_recorder.of_process()
        if recorder is None:
            raise RpcError(Code.FAILED_PRECONDITION, "this process has no flight recorder; telemetry.recorder switches it on")
        recording, rows = ring.copied(recorder.writer, request.after, wanted, kept=request.kept)
        yield pb.ReadRowsResponse(
            recording=pb.Recording(
                version=ring.VERSION,
                service=recording.service,
                pid=recording.process,
                names=recording.names,
                monotonic=recording.monotonic,
                time_of_day=recording.time_of_day,
            )
        )
        for at in range(0, len(rows), _PIECE * SIZE):
            yield pb.ReadRowsResponse(rows=rows[at : at + _PIECE * SIZE])


def _trace_id(text: str) -> bytes:
    if len(text) == 32 and set(text) <= set("0123456789abcdef"):
        return text.encode()
    raise RpcError(Code.INVALID_ARGUMENT, f"trace_ids has {text[:40]!r}; give 32 hex digits")


def _version() -> str:
    try:
        return version("towpath")
    except PackageNotFoundError:  # run from its sources
        return ""
