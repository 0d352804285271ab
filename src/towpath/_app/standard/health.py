"""`grpc.health.v1.Health`, for orchestrators, load balancers and `grpcurl`
(https://github.com/grpc/grpc/blob/master/doc/health-checking.md).

The empty service name stands for the whole server. `Watch` sends the state at once and then every change. For a name that is not served it
sends SERVICE_UNKNOWN, and `Check` answers NOT_FOUND, as gRPC says.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, ClassVar, Final

from towpath._core.context import Context
from towpath._core.disclosure.printable import shortened
from towpath._core.errors import Code, RpcError
from towpath._core.service import Idempotency, MethodKind, MethodSpec, Service, ServiceSpec
from towpath._wire.grpc.standard import HEALTH, ServingStatus

_SERVICE: Final = "grpc.health.v1.Health"
_Request: Final = HEALTH["HealthCheckRequest"]
_Response: Final = HEALTH["HealthCheckResponse"]

CHECK: Final[MethodSpec[Any, Any]] = MethodSpec(
    service=_SERVICE, name="Check", request=_Request, response=_Response, idempotency=Idempotency.NO_SIDE_EFFECTS
)
WATCH: Final[MethodSpec[Any, Any]] = MethodSpec(
    service=_SERVICE, name="Watch", request=_Request, response=_Response, kind=MethodKind.SERVER_STREAMING
)


class Health(Service):
    """The state of `services`, which are NOT_SERVING until `set_all` says otherwise."""

    spec: ClassVar[ServiceSpec] = ServiceSpec(name=_SERVICE, methods=(CHECK, WATCH), attributes={"Check": "check", "Watch": "watch"})

    def __init__(self, services: Iterable[str]) -> None:
        self._states = dict.fromkeys(("", *services), ServingStatus.NOT_SERVING)
        self._changed = asyncio.Event()
        self._over = False
        self._ready = True

    def set(self, service: str, status: ServingStatus) -> None:
        """Change the state of one service. The empty name is that of the server. Raises KeyError for a service that is not served."""
        if service not in self._states:
            raise KeyError(f"this server has no service {service!r}")
        self._states[service] = status
        self._wake()

    def set_all(self, status: ServingStatus) -> None:
        """Change the state of the server and of all its services."""
        for service in self._states:
            self.set(service, status)

    def set_ready(self, ready: bool) -> None:
        """While the application is not ready, report every service as NOT_SERVING, whatever its own state is."""
        self._ready = ready
        self._wake()

    def shut_down(self) -> None:
        """Change every state to NOT_SERVING for good. Watchers get the state, then UNAVAILABLE, so that the server need not wait for
        them."""
        self._over = True
        self.set_all(ServingStatus.NOT_SERVING)

    async def check(self, request: Any, ctx: Context) -> Any:
        """The state of a service now."""
        status = self._status(request.service)
        if status is None:
            raise RpcError(Code.NOT_FOUND, f"this server has no service {shortened(request.service)!r}")
        return _Response(status=status)

    async def watch(self, request: Any, ctx: Context) -> AsyncIterator[Any]:
        """The state of a service now and after every change."""
        told: ServingStatus | None = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            status = ServingStatus.SERVICE_UNKNOWN if status is None else status
            if status is not told:
                told = status
                yield _Response(status=status)
            if self._over:
                raise RpcError(Code.UNAVAILABLE, "the server is shutting down")
            await changed.wait()

    def _status(self, service: str) -> ServingStatus | None:
        """The state that callers are told; None for a service that is not served."""
        status = self._states.get(service)
        return status if self._ready or status is None else ServingStatus.NOT_SERVING

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
