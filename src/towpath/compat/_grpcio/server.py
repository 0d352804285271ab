"""`GrpcioServer`: what `add_XServicer_to_server` takes for a server, in front of a towpath `App`."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from towpath._app.application import App
from towpath._core.errors import SetupError
from towpath._core.service import Handler, MethodKind, MethodSpec, Service, ServiceSpec
from towpath.compat._grpcio.aio_handlers import aio_handler
from towpath.compat._grpcio.contract import methods_of, service_named
from towpath.compat._grpcio.sync_handlers import sync_handler

_FUNCTIONS = {
    MethodKind.UNARY: "unary_unary",
    MethodKind.SERVER_STREAMING: "unary_stream",
    MethodKind.CLIENT_STREAMING: "stream_unary",
    MethodKind.BIDI_STREAMING: "stream_stream",
}


class GrpcioServer:
    """Adds servicers that were written for grpcio to `app`: `add_XServicer_to_server(X(), GrpcioServer(app))`.

    Asynchronous servicers run in the loop, and blocking ones in towpath's threads (`towpath.blocking`), 40 at once. They are served in all
    protocols, with the default stack. A call has no deadline where neither its caller nor the contract gives one. What a servicer raises
    beside `abort` ends the call with INTERNAL and without the text, or with the code that it has set. Raises SetupError for a servicer
    whose messages are not protobuf's.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._added: set[str] = set()

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """Called by newer generated code, beside `add_generic_rpc_handlers`."""
        self._add(service_name, method_handlers)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[Any]) -> None:
        """Called by generated code. Raises SetupError for a handler that is not of one service."""
        for handler in generic_rpc_handlers:
            name = getattr(handler, "service_name", lambda: "")()
            if not name:
                raise SetupError(f"{handler!r} is not of one service; add servicers by the add_..._to_server of their generated code")
            methods = getattr(handler, "_method_handlers", {})
            self._add(name, {path.rpartition("/")[2]: method for path, method in methods.items()})

    def add_insecure_port(self, address: str) -> int:
        """Raises SetupError: the App listens."""
        raise SetupError(f"the App listens, and not the servicer at {address}; set service.listen, or TOWPATH_LISTEN")

    def _add(self, name: str, functions: Mapping[str, Any]) -> None:
        if name in self._added:
            return
        self._added.add(name)
        self._app.add(_served(name, functions))


class _Servicer(Service):
    def __init__(self, handlers: list[tuple[MethodSpec[Any, Any], Handler]]) -> None:
        self._handlers = handlers

    def handlers(self) -> list[tuple[MethodSpec[Any, Any], Handler]]:
        return self._handlers


def _served(name: str, functions: Mapping[str, Any]) -> Service:
    descriptor = service_named(name)
    methods = methods_of(descriptor)
    handlers: list[tuple[MethodSpec[Any, Any], Handler]] = []
    for method_name, method in methods.items():
        given = functions.get(method_name)
        function = None if given is None else getattr(given, _FUNCTIONS[method.kind])
        if function is None:
            raise SetupError(f"the servicer of {name} has no {method.kind.value} method {method_name}; generate its code anew")
        is_aio = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        handlers.append((method, (aio_handler if is_aio else sync_handler)(method.kind, function)))
    spec = ServiceSpec(name=name, methods=tuple(methods.values()), attributes={}, file=descriptor.file)
    kind: type[_Servicer] = type(f"Grpcio{descriptor.name}", (_Servicer,), {"spec": spec})
    return kind(handlers)
