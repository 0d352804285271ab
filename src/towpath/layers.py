"""What a layer of your own is made of, and how it rejects a call as the layers of towpath do."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from towpath import _moved
from towpath._core.calls.message_interception import OnMessage, intercept_messages
from towpath._core.calls.unstarted_calls import HearsUnstarted
from towpath._core.decisions import Decision, Signal, rejection
from towpath._core.early_rejection import ADMIT, WAIT, EarlyRejection, Rejection, RejectsEarly
from towpath._core.service import Handler, Layer

__all__ = [
    "ADMIT",
    "WAIT",
    "Decision",
    "EarlyRejection",
    "Handler",
    "HearsUnstarted",
    "Layer",
    "OnMessage",
    "Rejection",
    "RejectsEarly",
    "Signal",
    "intercept_messages",
    "rejection",
]

_OLD: Final = {
    "ClientContext": "towpath._layers.context",
    "Deadline": "towpath._layers.deadline",
    "Idempotency": "towpath._layers.idempotency.idempotency",
    "IdempotencyOptions": "towpath._layers.idempotency.idempotency",
    "IdempotencyStore": "towpath._layers.idempotency.store",
    "MemoryStore": "towpath._layers.idempotency.memory_store",
    "ServerContext": "towpath._layers.context",
}


if not TYPE_CHECKING:  # see `towpath/__init__.py`

    def __getattr__(name: str) -> Any:
        module = _OLD.get(name)
        if module is None:
            return _moved.submodule(__name__, name)
        text = f"{name} is internal and now in {module}; the stores and their port are in towpath.stores"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(import_module(module), name)


__path__: list[str] = []  # modules of before, which `towpath._moved` finds, were below it
