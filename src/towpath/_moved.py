"""Import paths of before, which lead to where their modules are now, with a DeprecationWarning.

Code that was written or generated for an earlier towpath imports modules that have moved into rooms and are internal now. Each old path
gives the module itself and no copy, so that a class from either path is one class. The paths go away with 1.0."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import ExecutionLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from inspect import currentframe
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, cast

from towpath._core.errors import SetupError

_PACKAGES: Final = ("app", "cli", "contracts", "core", "layers", "stores", "telemetry", "transport", "wire")
"""Each of them is a folder of that name with an underscore in front."""

MOVED: Final = {
    "app.admin": "_app.process.admin_server",
    "app.attemptsfile": "_app.settings.method_config",
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
    "core.blocking": "_core.calls.thread_handlers",
    "core.calls": "_core.calls.asynchronous",
    "core.http": "_core.http_bindings",
    "core.signals": "_core.decisions",
    "core.streaming": "_core.calls.stream_handler",
    "core.sync_calls": "_core.calls.sync_calls",
    "core.trace": "_core.propagation.trace",
    "layers.admission": "_layers.admission.admission",
    "layers.budget": "_layers.retry_budget",
    "layers.codel": "_layers.admission.codel",
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
    "stores.transaction": "_layers.idempotency.transaction",
    "transport.backoff": "_transport.client.connection_backoff",
    "transport.balancer": "_transport.client.load_balancing.balancer",
    "transport.calling": "_transport.client.grpc_unary",
    "transport.channel": "_transport.client.channel",
    "transport.client_link": "_transport.client.endpoints.connection",
    "transport.client_stream": "_transport.client.stream",
    "transport.connections": "_transport.server.connections.connection_limits",
    "transport.dialer": "_transport.client.endpoints.dialer",
    "transport.dialogues": "_wire.protocol",
    "transport.ejection": "_transport.client.load_balancing.outlier_ejection",
    "transport.endpoint": "_transport.client.endpoints.endpoint",
    "transport.exchange": "_transport.server.exchange",
    "transport.front": "_transport.server.connections.protocol_detection",
    "transport.guarding": "_transport.client.load_balancing.endpoint_guard",
    "transport.handling": "_transport.server.call",
    "transport.health": "_transport.client.endpoints.health_check",
    "transport.held": "_transport.server.held_calls",
    "transport.hosting": "_transport.server.connections.connection",
    "transport.http1_link": "_transport.server.connections.http1_connection",
    "transport.http2_exchange": "_transport.server.http2_exchange",
    "transport.http2_link": "_transport.server.connections.http2_connection",
    "transport.keepalive": "_transport.client.endpoints.keepalive",
    "transport.limits": "_transport.connection_age",
    "transport.link": "_transport.connection_driver",
    "transport.options": "_transport.client.options",
    "transport.outlet": "_transport.server.response_writer",
    "transport.pool": "_transport.client.endpoints.pool",
    "transport.resolver": "_transport.client.endpoints.resolver",
    "transport.rest": "_wire.rest.protocol",
    "transport.routes": "_transport.server.routes",
    "transport.server": "_transport.server.server",
    "transport.serving": "_transport.server.grpc_unary",
    "transport.spoken_stream": "_transport.client.stream",
    "transport.target": "_transport.client.endpoints.target",
    "transport.unhurried": "_transport.server.connections.deferred_writes",
    "transport.whole_call": "_transport.client.unary",
    "wire.answer": "_wire.response_reader",
    "wire.grpc.ended": "_wire.grpc.enveloped_response",
    "wire.grpc.metadata": "_wire.metadata",
    "wire.grpc.propagation": "_wire.propagation",
    "wire.grpc.timeout": "_wire.timeout",
    "wire.http2.budget": "_wire.http.abuse_budget",
    "wire.http2.owner": "_wire.http2.delegate",
    "wire.spoken": "_wire.protocol",
    "wire.spread": "_wire.key_crowding",
}
"""Modules that have moved to another folder or have another name."""


RENAMED: Final[dict[str, dict[str, str]]] = {
    "app.keystore": {"Opened": "OpenableStore"},
    "app.lifeline": {"Lifeline": "ParentWatch"},
    "app.signals": {"Asked": "StopRequest"},
    "app.targets": {"normal": "normal_name"},
    "app.tlsfile": {"ClientSettings": "ClientTlsSettings", "ServerSettings": "ServerTlsSettings"},
    "app.workers": {"Crew": "WorkerPool"},
    "contracts.diagnostics": {"Place": "SourceLocation"},
    "core.calls": {"Wire": "ClientStreamTransport"},
    "core.signals": {"refusal": "rejection", "refused": "was_rejected"},
    "layers.budget": {"Allowance": "RetryTokenBucket"},
    "layers.excess": {"CLASS": "LEVELS_PER_CLASS", "Excess": "LoadShedding"},
    "layers.idempotency_store": {"Held": "KeyLease", "held": "current_lease"},
    "layers.lag": {"EASY": "LATE_FROM"},
    "layers.lane": {"Lane": "MethodQueue"},
    "layers.pace": {"Pace": "ServiceRate"},
    "layers.patience": {"Patience": "CallerTimeout"},
    "layers.places": {"Place": "QueueEntry"},
    "layers.refusals": {"Refusals": "Rejections"},
    "layers.trial": {"Trial": "RecoveryProbe"},
    "layers.turns": {"MAX_AT_ONCE": "MAX_BATCH", "Turns": "Scheduler", "Waiting": "CallQueue"},
    "layers.waiter": {"Queue": "TaskQueue", "Waiter": "WaitingTask"},
    "layers.waits": {"MIN_ROOM": "MIN_CAPACITY", "Waits": "WaitLimits"},
    "stores.transaction": {"holding": "lease_of"},
    "transport.calling": {"ClientCall": "GrpcUnaryStream"},
    "transport.client_stream": {"MOST_QUEUED": "towpath._transport.connection_driver.MAX_SEND_QUEUE"},
    "transport.dialogues": {"Endpoint": "towpath._transport.server.method_route.MethodRoute"},
    "transport.health": {"Told": "OnHealth"},
    "transport.tls": {"caller_of": "towpath._transport.peer_certificate.caller_of"},
    "transport.whole_call": {"WholeCall": "UnaryStream"},
    "wire.hpack": {"Field": "towpath._wire.http.Field"},
    "wire.http2": {"Field": "towpath._wire.http.Field", "Section": "towpath._wire.http.Section", "Template": "towpath._wire.http.Template"},
    "wire.http2.budget": {"Budget": "AbuseBudget"},
    "wire.spoken": {"SPOKEN": "towpath._wire.protocols.CLIENT_HALVES", "Spoken": "ClientHalf"},
}
"""What has another name beside another module, by the module of before. A name with dots has left the module, too."""

_HOMES: Final = {
    "_app": "towpath",
    "_app.process.signals": "towpath.system",
    "_app.settings": "towpath.settings",
    "_app.system": "towpath.system",
    "_contracts.codegen": "towpath.codegen",
    "_contracts.policy": "towpath.settings",
    "_core": "towpath",
    "_core.calls.message_interception": "towpath.layers",
    "_core.calls.deprecated": "towpath.generated",
    "_core.calls.sync_calls": "towpath.generated",
    "_core.early_rejection": "towpath.layers",
    "_core.http_bindings": "towpath.generated",
    "_core.policies": "towpath.generated",
    "_core.propagation.trust": "towpath.settings",
    "_core.calls.unstarted_calls": "towpath.layers",
    "_layers": "towpath.layers",
    "_layers.admission.adaptive_limit": "towpath.settings",
    "_layers.admission.wait_limits": "towpath.settings",
    "_layers.breaker": "towpath.settings",
    "_layers.bucket": "towpath.settings",
    "_layers.bulkhead": "towpath.settings",
    "_layers.idempotency": "towpath.stores",
    "_layers.quota": "towpath.settings",
    "_layers.retry_budget": "towpath.settings",
    "_layers.throttle": "towpath.settings",
    "_stores": "towpath.stores",
    "_telemetry": "towpath.telemetry",
    "_telemetry.logs.access_log": "towpath.settings",
    "_telemetry.otlp.options": "towpath.settings",
    "_transport": "towpath.transport",
    "_transport.message_options": "towpath.settings",
    "_wire": "towpath.wire",
    "_wire.cors": "towpath.settings",
    "compat._grpcio": "towpath.compat.grpcio",
    "testing": "towpath.testing",
}
"""The public module that has what users need of an internal module or package."""


def public_home(path: str) -> str | None:
    """The public module that has what users need of the internal module at `path`; None if there is nothing for them in it."""
    below = path.removeprefix("towpath.")
    while below and below not in _HOMES:
        below = below.rpartition(".")[0]
    return _HOMES.get(below)


def new_path(path: str) -> str | None:
    """Where the module is now that was at `path`; None if there was none or it is still there."""
    below = path.removeprefix("towpath.")
    if below == path:
        return None
    moved = MOVED.get(below)
    if moved is None and below.split(".")[0] in _PACKAGES:
        moved = f"_{below}"
    return None if moved is None else f"towpath.{moved}"


_PUBLIC_PACKAGES: Final = frozenset(f"towpath.{name}" for name in ("layers", "stores", "telemetry", "transport", "wire"))
"""Packages of before that public modules have the names of."""

_SPECS: Final[dict[str, ModuleSpec | None]] = {}
"""The spec of each module that an old path leads to, by the path of now."""


def submodule(package: str, name: str) -> ModuleType:
    """The module `name` of `package` as its attribute, without an import of it in the user's code: the package of before had imported it.
    Raises AttributeError where there was none, or where it needs a driver that is not installed: `hasattr` asks, and must not fail."""
    path, fault = f"{package}.{name}", ""
    if not name.startswith("_"):
        try:
            return import_module(path)
        except (ImportError, SetupError) as error:
            if getattr(error, "name", "") != path:
                fault = f": {error}"
    raise AttributeError(f"module {package!r} has no attribute {name!r}{fault}")


_NOT_THE_USER: Final = frozenset({"_frozen_importlib", "_frozen_importlib_external", "importlib", "towpath"})
"""Packages whose frames a warning passes over."""


def _warn(old: str, now: str) -> None:
    """Say where `old` is, at the line that imports it: that line is above the frames of the import system and of towpath."""
    frame = cast("FrameType", currentframe())
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in _NOT_THE_USER:
        frame = frame.f_back
    names = ", ".join(f"{before} is {name}" for before, name in RENAMED.get(old.removeprefix("towpath."), {}).items())
    called = f"{now} ({names})" if names else now
    public = public_home(now)
    home = f"what users need of it is in `{public}`" if public else "it has nothing for users"
    warnings.warn_explicit(
        f"{old} is internal and now called {called}; {home}. Run `towpath gen` again for generated code",
        DeprecationWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        str(frame.f_globals.get("__name__", "sys")),
        frame.f_globals.setdefault("__warningregistry__", {}),
    )


class _OldPackage(Loader):
    """Makes a package with the names of the new one. The new package itself must not stand there: Python would look for the modules of old
    paths in its folder, where modules of other names are, and another finder would load a module from it a second time."""

    def __init__(self, now: str) -> None:
        self._now = now

    def create_module(self, spec: ModuleSpec) -> None:
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Look for each name when it is asked for. Warn where the package exported something."""
        old, package = module.__name__, import_module(self._now)
        renamed = RENAMED.get(old.removeprefix("towpath."), {})
        exported = cast("Sequence[str]", getattr(package, "__all__", ()))

        def find(name: str) -> Any:
            if name in renamed:
                return _renamed(package, renamed[name])
            return getattr(package, name) if name == "__all__" or name in exported else submodule(old, name)

        def names() -> list[str]:
            return sorted({*vars(module), *exported, *renamed})

        module.__doc__ = package.__doc__
        vars(module).update(__getattr__=find, __dir__=names)
        if exported:
            _warn(old, package.__name__)


class _Alias(ExecutionLoader):
    """Gives the module of the new path."""

    def __init__(self, old: str, now: ModuleSpec) -> None:
        self._old = old
        self._now = now.name
        self._loader = cast("ExecutionLoader", now.loader)  # those of files and of archives know a module's text

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        del spec
        module = import_module(self._now)
        _SPECS.setdefault(self._now, module.__spec__)  # the first time: later another thread may be between here and `exec_module`
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Warn of the old path; finding a module by it, without an import, does not."""
        module.__spec__ = _SPECS[self._now]  # the import system has put the spec of the old path there
        for before, now in RENAMED.get(self._old.removeprefix("towpath."), {}).items():
            setattr(module, before, _renamed(module, now))
        _warn(self._old, self._now)

    def get_filename(self, fullname: str) -> str:
        """The module's file, for tools that show it."""
        del fullname
        return self._loader.get_filename(self._now)

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, for `python -m` with an old path."""
        del fullname
        return self._loader.get_code(self._now)

    def get_source(self, fullname: str) -> str | None:
        """The module's text, for tools that show it."""
        del fullname
        return self._loader.get_source(self._now)

    def is_package(self, fullname: str) -> bool:
        """False: a package has a loader of its own kind."""
        del fullname
        return False


def _renamed(module: ModuleType, now: str) -> Any:
    where, _, name = now.rpartition(".")
    return getattr(import_module(where) if where else module, name)


def _located(path: str) -> ModuleSpec | None:
    """The spec of the module at `path` below towpath, found without an import.

    Python holds the lock of all imports while it asks a finder. A finder that imported would wait with that lock for a thread that is
    importing the same module, and that thread would wait for the lock.
    """
    name, spec = "towpath", sys.modules["towpath"].__spec__
    for part in path.split(".")[1:]:
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations or []) if spec else None
    return spec


class OldPaths(MetaPathFinder):
    """Finds modules by their paths of before."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module at its old path, None for any other."""
        del path, target
        now = None if fullname in _PUBLIC_PACKAGES else new_path(fullname)
        found = _located(now) if now else None
        if found is None:
            return None
        if found.submodule_search_locations is not None:
            return ModuleSpec(fullname, _OldPackage(found.name), is_package=True)
        return ModuleSpec(fullname, _Alias(fullname, found), origin=found.origin)


def install() -> None:
    """Have `import` find old paths, once however often this module is loaded."""
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if type(finder).__qualname__ != OldPaths.__qualname__ or type(finder).__module__ != __name__
    ]
    sys.meta_path.insert(0, OldPaths())


install()
