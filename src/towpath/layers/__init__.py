"""The policies that stand between a call and its handler: one module a role, each built on `towpath.core` alone."""

from towpath.layers.context import ClientContext, ServerContext
from towpath.layers.deadline import Deadline
from towpath.layers.idempotency.idempotency import Idempotency, IdempotencyOptions
from towpath.layers.idempotency.memory_store import MemoryStore
from towpath.layers.idempotency.store import IdempotencyStore

__all__ = ["ClientContext", "Deadline", "Idempotency", "IdempotencyOptions", "IdempotencyStore", "MemoryStore", "ServerContext"]
