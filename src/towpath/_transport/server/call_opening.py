"""How a call begins that a dialect speaks: what its head says, and the answer to a head that begins none."""

from collections.abc import Sequence

from towpath._core import clock
from towpath._core.calls.recording import PIN_FIELD
from towpath._core.errors import RpcError
from towpath._transport.server.call import CallLink, cap_deadline
from towpath._transport.server.exchange import ServerExchange
from towpath._transport.server.mounts.mount_route import MountRoute
from towpath._transport.server.mounts.mounted_call import MountedCall
from towpath._transport.server.mounts.request_body import RequestBody
from towpath._transport.server.recorded_calls import RecordedExchange, RecordedMountedCall
from towpath._transport.server.response_writer import ResponseWriter
from towpath._transport.server.routes import DialectRoute
from towpath._wire import propagation
from towpath._wire.dialect import WholeResponse
from towpath._wire.http.fields import Field


def open_call(
    link: CallLink, writer: ResponseWriter, route: DialectRoute | MountRoute, extra: Sequence[Field]
) -> ServerExchange | WholeResponse:
    """The call that a request asks for; or the answer to one that cannot begin. `extra` are the fields of its head beside the route's."""
    if type(route) is MountRoute:
        return open_mounted(link, writer, route, extra)
    method_route = route.method_route
    negotiation = route.negotiation(extra)
    dialect = route.dialects.dialect(negotiation, method_route.compression, method_route.message_limit)
    if negotiation.fault is not None:
        method_route.tell_unstarted(negotiation.fault.code)
        return route.dialects.error_response(dialect, negotiation.fault)
    try:
        now = clock.now()
        ctx = propagation.received(method_route.name, route.inherited, extra, link.peer, method_route.timeout, now)
    except RpcError as error:
        method_route.tell_unstarted(error.code)
        return dialect.error_response(error, None)
    ctx.caller = link.caller
    if method_route.max_timeout is not None:
        cap_deadline(ctx, now, method_route.max_timeout, link.signal)
    rows = method_route.rows
    if rows is None:
        return ServerExchange(link, writer, method_route, dialect, ctx)
    if extra and extra[-1][0] == PIN_FIELD and route.inherited.trusted:
        rows.pinned(extra[-1][1])
    return RecordedExchange(link, writer, method_route, dialect, ctx)


def open_mounted(link: CallLink, writer: ResponseWriter, route: MountRoute, extra: Sequence[Field]) -> ServerExchange | WholeResponse:
    """The same for a request to a mounted application."""
    method_route = route.method_route
    now = clock.now()
    try:
        ctx = propagation.received(method_route.name, route.inherited, extra, link.peer, method_route.timeout, now)
    except RpcError as error:
        method_route.tell_unstarted(error.code)
        return RequestBody(None).error_response(error, None)
    ctx.caller = link.caller
    kind = MountedCall if method_route.rows is None else RecordedMountedCall
    return kind(link, writer, route, extra, ctx)
