"""The services of a system file as child processes: what `towpath up` runs, for tests and tools."""

from towpath._app.process.signals import stopping
from towpath._app.system.supervisor import ServiceDied, System

__all__ = ["ServiceDied", "System", "stopping"]
