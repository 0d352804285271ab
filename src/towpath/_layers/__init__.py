"""The policies that stand between a call and its handler: one module a role, each built on `towpath._core` alone."""

from towpath._layers.context import ClientContext, ServerContext
from towpath._layers.deadline import Deadline
from towpath._layers.idempotency.idempotency import Idempotency, IdempotencyOptions
from towpath._layers.idempotency.memory_store import MemoryStore
from towpath._layers.idempotency.store import IdempotencyStore

__all__ = ["ClientContext", "Deadline", "Idempotency", "IdempotencyOptions", "IdempotencyStore", "MemoryStore", "ServerContext"]
