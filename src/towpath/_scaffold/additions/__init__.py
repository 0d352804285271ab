"""What `towpath add` does: each addition is a set of edits of a project's files, written together or not at all."""

from towpath._scaffold.additions.client import add_client
from towpath._scaffold.additions.edits import Addition
from towpath._scaffold.additions.member import add_service
from towpath._scaffold.additions.method import Streams, add_method
from towpath._scaffold.additions.store import STORES, add_store

__all__ = ["STORES", "Addition", "Streams", "add_client", "add_method", "add_service", "add_store"]
