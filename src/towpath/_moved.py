"""Import paths of before, which lead to where their modules are now, with a DeprecationWarning.

Code that was written or generated for an earlier towpath imports modules that have moved into rooms and are internal now. Each old path
gives the module itself and no copy, so that a class from either path is one class. The paths go away with 1.0."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_PACKAGES: Final = ("app", "cli", "contracts", "core", "layers", "stores", "telemetry", "transport", "wire")
"""Each of them is a folder of that name with an underscore in front."""

MOVED: Final = {
    "app.admin": "_app.process.admin_server",
    "app.attemptsfile": "_app.settings.attempts",
    "app.child": "_app.process.child",
    "app.config": "_app.settings.service_file",
    "app.declared": "_app.system.declared_calls",
    "app.duration": "_app.settings.duration",
    "app.fallbackfile": "_app.settings.fallback",
    "app.graphfile": "_app.settings.declarations",
    "app.health": "_app.standard.health",
    "app.inherited": "_app.process.inherited_socket",
    "app.keystore": "_app.settings.idempotency_store",
    "app.lifeline": "_app.process.parent_watch",
    "app.limitsfile": "_app.settings.quotas_and_bulkheads",
    "app.loops": "_app.event_loop",
    "app.output": "_app.process.child_output",
    "app.process": "_app.process.run",
    "app.reflection": "_app.standard.reflection",
    "app.resilience": "_app.settings.resilience",
    "app.servicegraph": "_app.system.service_graph",
    "app.signals": "_app.process.signals",
    "app.suggest": "_app.settings.suggest",
    "app.supervisor": "_app.system.supervisor",
    "app.system": "_app.system.system_file",
    "app.targets": "_app.settings.targets",
    "app.tlsfile": "_app.settings.tls",
    "app.tomlfile": "_app.settings.toml",
    "app.worker_probes": "_app.process.worker_probes",
    "app.workers": "_app.process.workers",
    "contracts.docstrings": "_contracts.codegen.docstrings",
    "contracts.emitter": "_contracts.codegen.emitter",
    "contracts.generator": "_contracts.codegen.generator",
    "contracts.leftovers": "_contracts.codegen.leftovers",
    "contracts.namespace": "_contracts.codegen.namespace",
    "core.blocking": "_core.calls.blocking",
    "core.calls": "_core.calls.asynchronous",
    "core.streaming": "_core.calls.stream_handler",
    "core.sync_calls": "_core.calls.synchronous",
    "core.trace": "_core.propagation.trace",
    "layers.admission": "_layers.admission.admission",
    "layers.codel": "_layers.admission.codel",
    "layers.budget": "_layers.retry_budget",
    "layers.excess": "_layers.admission.load_shedding",
    "layers.idempotency": "_layers.idempotency.idempotency",
    "layers.idempotency_store": "_layers.idempotency.store",
    "layers.lag": "_layers.admission.loop_lag",
    "layers.lane": "_layers.admission.method_queue",
    "layers.limit": "_layers.admission.adaptive_limit",
    "layers.memory_store": "_layers.idempotency.memory_store",
    "layers.pace": "_layers.admission.service_rate",
    "layers.patience": "_layers.admission.caller_timeout",
    "layers.places": "_layers.admission.admission_queue",
    "layers.priority": "_layers.admission.priority",
    "layers.rate": "_layers.quota",
    "layers.refusals": "_layers.admission.rejections",
    "layers.trial": "_layers.admission.overload",
    "layers.turns": "_layers.admission.scheduler",
    "layers.waiter": "_layers.admission.admission_queue",
    "layers.waits": "_layers.admission.wait_limits",
    "testing.cpu": "testing._cpu",
    "testing.faults": "testing._faults",
    "testing.link": "testing._link",
    "testing.loop": "testing._loop",
    "testing.network": "testing._network",
    "testing.simulation": "testing._simulation",
    "testing.stream": "testing._stream",
    "transport.backoff": "_transport.client.connection_backoff",
    "transport.balancer": "_transport.client.load_balancing.balancer",
    "transport.calling": "_transport.client.grpc_unary",
    "transport.channel": "_transport.client.channel",
    "transport.client_link": "_transport.client.endpoints.connection",
    "transport.client_stream": "_transport.client.stream",
    "transport.connections": "_transport.server.connection_limits",
    "transport.dialer": "_transport.client.endpoints.dialer",
    "transport.dialogues": "_transport.server.protocols",
    "transport.ejection": "_transport.client.load_balancing.outlier_ejection",
    "transport.endpoint": "_transport.client.endpoints.endpoint",
    "transport.exchange": "_transport.server.exchange",
    "transport.front": "_transport.server.protocol_detection",
    "transport.guarding": "_transport.client.load_balancing.endpoint_guard",
    "transport.handling": "_transport.server.call",
    "transport.health": "_transport.client.endpoints.health_check",
    "transport.held": "_transport.server.held_calls",
    "transport.hosting": "_transport.server.connection",
    "transport.http1_link": "_transport.server.http1_connection",
    "transport.http2_exchange": "_transport.server.http2_exchange",
    "transport.http2_link": "_transport.server.http2_connection",
    "transport.keepalive": "_transport.client.endpoints.keepalive",
    "transport.link": "_transport.connection_driver",
    "transport.options": "_transport.client.options",
    "transport.outlet": "_transport.server.response_writer",
    "transport.pool": "_transport.client.endpoints.pool",
    "transport.resolver": "_transport.client.endpoints.resolver",
    "transport.rest": "_transport.server.rest",
    "transport.routes": "_transport.server.routes",
    "transport.server": "_transport.server.server",
    "transport.serving": "_transport.server.grpc_unary",
    "transport.spoken_stream": "_transport.client.stream",
    "transport.target": "_transport.client.endpoints.target",
    "transport.unhurried": "_transport.server.deferred_writes",
    "transport.whole_call": "_transport.client.unary",
    "wire.http2.budget": "_wire.http2.abuse_budget",
    "wire.spoken": "_wire.client_protocol",
}
"""Modules that have moved to another folder or have another name."""


_RENAMED: Final[dict[str, dict[str, str]]] = {
    "app.lifeline": {"Lifeline": "ParentWatch"},
    "app.signals": {"Asked": "StopRequest"},
    "app.workers": {"Crew": "WorkerPool"},
    "contracts.diagnostics": {"Place": "SourceLocation"},
    "layers.budget": {"Allowance": "RetryTokenBucket"},
    "layers.excess": {"Excess": "LoadShedding"},
    "layers.idempotency_store": {"Held": "KeyLease", "held": "current_lease"},
    "layers.lane": {"Lane": "MethodQueue"},
    "layers.turns": {"Turns": "Scheduler"},
    "stores.transaction": {"holding": "lease_of"},
}
"""Names that have changed beside their module's, by the module of before."""


def new_path(path: str) -> str | None:
    """Where the module is now that was at `path`; None if there was none or it is still there."""
    below = path.removeprefix("towpath.")
    if below == path:
        return None
    moved = MOVED.get(below)
    if moved is None and below.split(".")[0] in _PACKAGES:
        moved = f"_{below}"
    return None if moved is None else f"towpath.{moved}"


_PUBLIC: Final = frozenset(f"towpath.{name}" for name in ("layers", "stores", "telemetry", "transport", "wire"))
"""Packages of before that public modules have the names of."""


class _OldPackage(Loader):
    """Makes an empty package. The new package itself must not stand there: Python would put the modules of old paths into it, where modules
    of other names are."""

    def create_module(self, spec: ModuleSpec) -> None:
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """None of the packages of before exported anything."""


class _Alias(Loader):
    """Gives a module that is imported by its new path already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        del spec
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Warn of the old path; finding a module by it, without an import, does not."""
        old, module.__spec__ = module.__spec__, self._spec  # the import system has put the spec of the old path there
        renamed = _RENAMED.get(old.name.removeprefix("towpath."), {}) if old else {}
        for before, now in renamed.items():
            setattr(module, before, getattr(module, now))
        warnings.warn(
            f"{old.name if old else module.__name__} is internal and now called {module.__name__}; import what you need from `towpath` or "
            "a public module of it, and run `towpath gen` again for generated code",
            DeprecationWarning,
            stacklevel=2,
        )


class OldPaths(MetaPathFinder):
    """Finds modules by their paths of before."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module at its old path, None for any other."""
        del path, target
        below = fullname.removeprefix("towpath.")
        if below in _PACKAGES and below != fullname:
            return None if fullname in _PUBLIC else ModuleSpec(fullname, _OldPackage(), is_package=True)
        found = new_path(fullname)
        if found is None:
            return None
        try:
            module = import_module(found)
        except ModuleNotFoundError as missing:
            if missing.name == found:
                return None
            raise
        return ModuleSpec(fullname, _Alias(module))


def install() -> None:
    """Have `import` find old paths, once however often this module is loaded."""
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if type(finder).__qualname__ != OldPaths.__qualname__ or type(finder).__module__ != __name__
    ]
    sys.meta_path.insert(0, OldPaths())


install()
