"""Who did what: one line for each call that `SignedIn`, which is outside of `Audit`, let in. So the line has the customer, and a call
without a token has none; a log of those too takes a layer of its own, outside of `SignedIn`."""

import asyncio
import json
import logging
from typing import Any

from towpath import Context, MethodSpec, RpcError
from towpath.layers import Handler

log = logging.getLogger("shop.audit")


class Audit:
    """Logs each call that comes to it but health checks, with the customer and how the call ended."""

    role = "audit"

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for health checks."""
        if method.service.startswith("grpc."):
            return following

        async def handle(request: Any, ctx: Context) -> Any:
            ended = "OK"
            try:
                return await following(request, ctx)
            except BaseException as error:
                ended = _ending(error)
                raise
            finally:
                log.info(json.dumps({"method": method.name, "customer": ctx.tenant, "id": ctx.request_id, "ended": ended}))

        return handle


def _ending(error: BaseException) -> str:
    if isinstance(error, RpcError):
        return error.code.name
    return "CANCELLED" if isinstance(error, asyncio.CancelledError) else "INTERNAL"
