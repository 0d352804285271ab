"""towpath: the golden path for Python services. What an application needs is here; everything else has its own import path.

`App`, `connect` and `run` are loaded when first used, because with them come the metrics and the configuration, which a program that only
imports a contract should not pay for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from towpath import _moved
from towpath._core.background import background_task
from towpath._core.calls.asynchronous import BidiStreamingCall, Binder, ClientStreamingCall, ServerStreamingCall
from towpath._core.calls.thread_handlers import blocking
from towpath._core.context import CallOptions, Context, Criticality, Reply, current
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.metadata import Metadata
from towpath._core.service import Idempotency, IdempotencyKey, MethodKind, MethodSpec, Service, ServiceSpec, UnaryCall

if TYPE_CHECKING:
    from towpath._app.application import App
    from towpath._app.client import connect
    from towpath._app.forward import forward
    from towpath._app.process.run import run
    from towpath._app.sync_client import connect_sync

__all__ = [
    "App",
    "BidiStreamingCall",
    "Binder",
    "CallOptions",
    "ClientStreamingCall",
    "Code",
    "Context",
    "Criticality",
    "Decision",
    "Idempotency",
    "IdempotencyKey",
    "Metadata",
    "MethodKind",
    "MethodSpec",
    "Reply",
    "RpcError",
    "ServerStreamingCall",
    "Service",
    "ServiceSpec",
    "SetupError",
    "UnaryCall",
    "background_task",
    "blocking",
    "connect",
    "connect_sync",
    "current",
    "forward",
    "run",
]


_LATER: Final = {
    "App": "towpath._app.application",
    "connect": "towpath._app.client",
    "connect_sync": "towpath._app.sync_client",
    "forward": "towpath._app.forward",
    "run": "towpath._app.process.run",
}


if not TYPE_CHECKING:  # to a type checker a module with `__getattr__` has any name, and a misspelt one would pass

    def __getattr__(name: str) -> Any:
        """The names of the application, from their modules on first use (PEP 562), and modules that nobody has imported yet."""
        module = _LATER.get(name)
        if module is None:
            return _moved.submodule(__name__, name)
        found = globals()[name] = getattr(import_module(module), name)
        return found


def __dir__() -> list[str]:
    """What a prompt completes: the names of the application before their first use, too."""
    return sorted({*globals(), *__all__})
