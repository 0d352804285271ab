"""The policies that stand between a call and its handler: one module a role, each built on `towpath.core` alone."""

from towpath.layers.context import ClientContext, ServerContext
from towpath.layers.deadline import Deadline

__all__ = ["ClientContext", "Deadline", "ServerContext"]
