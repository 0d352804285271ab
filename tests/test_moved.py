"""Import paths of before give the same modules, and say where they are now."""

import importlib.util
import subprocess
import sys
from importlib import import_module

import pytest

from towpath import Context, layers
from towpath._moved import MOVED, OldPaths, install, new_path
from towpath.settings import ServiceConfig
from towpath.transport import ClientTls


@pytest.mark.parametrize(
    ("old", "name", "found"),
    [
        ("towpath.core.context", "Context", Context),
        ("towpath.app.config", "ServiceConfig", ServiceConfig),
        ("towpath.transport.tls", "ClientTls", ClientTls),
    ],
)
def test_an_old_path_gives_the_module_itself(old, name, found):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is internal and now called {new_path(old)}".replace(".", r"\.")):
        module = import_module(old)
    assert getattr(module, name) is found
    assert module.__name__ == module.__spec__.name == new_path(old)


@pytest.mark.parametrize("old", sorted(MOVED))
def test_every_old_path_leads_somewhere(old):
    assert import_module(new_path(f"towpath.{old}")).__name__ == f"towpath.{MOVED[old]}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the parent, which did exist
@pytest.mark.parametrize("path", ["towpath.core.nothing", "towpath.nothing", "towpath.app.config.nothing"])
def test_what_never_was_is_not_found(path):
    with pytest.raises(ModuleNotFoundError):
        import_module(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("old", "before", "now"),
    [
        ("app.lifeline", "Lifeline", "ParentWatch"),
        ("app.signals", "Asked", "StopRequest"),
        ("app.workers", "Crew", "WorkerPool"),
        ("contracts.diagnostics", "Place", "SourceLocation"),
        ("layers.budget", "Allowance", "RetryTokenBucket"),
        ("layers.excess", "Excess", "LoadShedding"),
        ("layers.idempotency_store", "Held", "KeyLease"),
        ("layers.lane", "Lane", "MethodQueue"),
        ("layers.turns", "Turns", "Scheduler"),
        ("stores.transaction", "holding", "lease_of"),
    ],
)
def test_a_class_that_was_renamed_is_found_by_its_old_path(old, before, now):
    module = import_module(f"towpath.{old}")
    assert getattr(module, before) is getattr(module, now)


def test_old_generated_code_still_imports():
    lines = [
        "from towpath.core.calls import Binder",
        "from towpath.core.context import CallOptions, Context, Criticality",
        "from towpath.core.http import HttpBinding",
        "from towpath.core.service import Idempotency, MethodSpec, Service, ServiceSpec",
        "from towpath.core.sync_calls import SyncBinder",
        "import towpath.generated as new",
        "assert (Binder, Context, MethodSpec, SyncBinder) == (new.Binder, new.Context, new.MethodSpec, new.SyncBinder)",
    ]
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", "\n".join(lines)], check=True)


def test_a_module_may_have_the_name_of_a_package_that_is_there_now():
    lines = [
        "from towpath.core import calls",
        "from towpath.app import process",
        "import towpath._core.calls.blocking as blocking",
        "import towpath._app.process.workers as workers",
        "assert calls.Binder and process.run and blocking.blocking and workers",
    ]
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", "\n".join(lines)], check=True)


def test_finding_a_module_warns_of_nothing():
    spec = importlib.util.find_spec("towpath.core.outcome")
    assert spec is not None


def test_the_finder_is_there_once():
    install()
    assert [type(finder).__name__ for finder in sys.meta_path].count("OldPaths") == 1
    assert isinstance(sys.meta_path[0], OldPaths)


@pytest.mark.parametrize(
    "name", ["ClientContext", "Deadline", "Idempotency", "IdempotencyOptions", "IdempotencyStore", "MemoryStore", "ServerContext"]
)
def test_what_the_package_of_layers_exported_is_found_there(name):
    with pytest.warns(DeprecationWarning, match=name):
        assert getattr(layers, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        layers.nothing  # noqa: B018 # looked up, which is what fails
