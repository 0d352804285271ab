"""towpath: the golden path for Python services. What an application needs is here; everything else has its own import path.

`App`, `connect` and `run` are loaded when first used, because with them come the metrics and the configuration, which a program that only
imports a contract should not pay for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from towpath.core.calls.asynchronous import BidiStreamingCall, Binder, ClientStreamingCall, ServerStreamingCall
from towpath.core.calls.blocking import blocking
from towpath.core.context import CallOptions, Context, Criticality, Reply, current
from towpath.core.errors import Code, RpcError, SetupError
from towpath.core.metadata import Metadata
from towpath.core.service import Idempotency, MethodKind, MethodSpec, Service, ServiceSpec, UnaryCall
from towpath.core.signals import Decision

if TYPE_CHECKING:
    from towpath.app.application import App
    from towpath.app.client import connect
    from towpath.app.forward import forward
    from towpath.app.process.run import run
    from towpath.app.sync_client import connect_sync

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
    "blocking",
    "connect",
    "connect_sync",
    "current",
    "forward",
    "run",
]


_LATER: Final = {
    "App": "towpath.app.application",
    "connect": "towpath.app.client",
    "connect_sync": "towpath.app.sync_client",
    "forward": "towpath.app.forward",
    "run": "towpath.app.process.run",
}


def __getattr__(name: str) -> Any:
    """The names of the application, from their modules on first use (PEP 562)."""
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(module), name)
    return found
