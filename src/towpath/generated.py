"""What the code imports that `towpath gen` makes. Code written by hand finds the same names in `towpath`, as far as it needs them."""

from typing import TYPE_CHECKING

from towpath._core.calls.asynchronous import BidiStreamingCall, Binder, ClientStreamingCall, Requests, ServerStreamingCall
from towpath._core.calls.sync_calls import SyncBidiStreamingCall, SyncBinder, SyncClientStreamingCall, SyncServerStreamingCall
from towpath._core.context import CallOptions, Context, Criticality
from towpath._core.errors import Code
from towpath._core.http_bindings import HttpBinding
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._core.service import Idempotency, IdempotencyKey, MethodKind, MethodSpec, Service, ServiceSpec

if TYPE_CHECKING:
    from typing_extensions import deprecated  # type checkers know it without an installation
else:
    from towpath._core.calls.deprecated import deprecated

__all__ = [
    "BidiStreamingCall",
    "Binder",
    "CallOptions",
    "ClientStreamingCall",
    "Code",
    "Context",
    "Criticality",
    "HedgingPolicy",
    "HttpBinding",
    "Idempotency",
    "IdempotencyKey",
    "MethodKind",
    "MethodSpec",
    "Requests",
    "RetryPolicy",
    "ServerStreamingCall",
    "Service",
    "ServiceSpec",
    "SyncBidiStreamingCall",
    "SyncBinder",
    "SyncClientStreamingCall",
    "SyncServerStreamingCall",
    "deprecated",
]
