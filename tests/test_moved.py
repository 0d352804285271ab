"""Import paths of before give the same modules, and say where they are now."""

import importlib.util
import inspect
import pickle
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest

import towpath
from tests.architecture.public_names import SNAPSHOT, listed
from towpath import Context, layers
from towpath._moved import MOVED, RENAMED, OldPaths, install, new_path, public_home
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
@pytest.mark.parametrize(("old", "before"), [(old, before) for old, names in RENAMED.items() for before in names])
def test_what_was_renamed_is_found_by_its_old_path_and_name(old, before):
    assert getattr(import_module(f"towpath.{old}"), before) is not None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_name_is_the_object_of_the_new_one():
    queue = import_module("towpath.layers.lane")
    assert queue.Lane is queue.MethodQueue
    assert import_module("towpath.core.signals").refusal is layers.rejection
    assert import_module("towpath.wire.http2").Section is towpath.wire.Section


def test_the_notes_of_the_change_have_each_path_and_name():
    root = Path(__file__).parents[1]
    notes = "".join(path.read_text() for path in [root / "CHANGELOG.md", *root.glob("changelog.d/*.breaking.md")])
    rows = [f"| `towpath.{old}` | `towpath.{now}`" for old, now in MOVED.items()]
    rows += [f"| `towpath.{old}.{before}` | `{now}` |" for old, names in RENAMED.items() for before, now in names.items()]
    assert [row for row in rows if row not in notes] == []


def in_new_process(*lines, options=("-W", "ignore::DeprecationWarning")):
    """What a process prints that runs `lines`: importing is done once in each."""
    return subprocess.run([sys.executable, *options, "-c", "\n".join(lines)], check=True, capture_output=True, text=True)


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
        "import towpath._core.calls.thread_handlers as blocking",
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


@pytest.mark.parametrize(
    ("old", "home"),
    [("app.config", "towpath.settings"), ("core.context", "towpath"), ("transport.serving", "towpath.transport")],
)
def test_the_warning_names_the_public_module(old, home):
    sys.modules.pop(f"towpath.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"what users need of it is in `{home}`".replace(".", r"\.")):
        import_module(f"towpath.{old}")


def test_the_warning_names_the_class_of_now():
    sys.modules.pop("towpath.layers.lane", None)
    with pytest.warns(DeprecationWarning, match="Lane is MethodQueue"):
        import_module("towpath.layers.lane")


def test_the_public_module_that_a_warning_names_has_the_public_names():
    homes = {}
    for path in listed(SNAPSHOT.read_text()):
        public, _, name = path.rpartition(".")
        module = getattr(getattr(import_module(public), name), "__module__", None) or ""
        if module.startswith("towpath.") and module != public:
            homes.setdefault(module, set()).add(public)
    assert homes
    assert {module: home for module, home in homes.items() if public_home(module) not in home} == {}


def test_the_warning_stands_at_the_line_of_the_user():
    sys.modules.pop("towpath.core.http", None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import_module("towpath.core.http")
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]


@pytest.mark.parametrize(
    "path",
    [
        "towpath.core.context.Context",  # `towpath` had imported what is below `core`
        "towpath.transport.tls.ClientTls",
        "towpath.layers.lane.Lane",
        "towpath.wire.http2.frames",
        "towpath.testing.simulate",
    ],
)
def test_what_was_imported_along_with_towpath_is_an_attribute_of_it(path):
    in_new_process("import towpath", path)


@pytest.mark.parametrize("path", ["towpath.nothing", "towpath.core.nothing", "towpath.transport.nothing", "towpath._nothing"])
def test_what_never_was_is_no_attribute(path):
    lines = ["import towpath", f"try: {path}", "except AttributeError as error: print(error)"]
    package, _, name = path.rpartition(".")
    assert in_new_process(*lines).stdout == f"module {package!r} has no attribute {name!r}\n"


def test_a_prompt_completes_the_names_of_the_application():
    missing = in_new_process("import towpath", "print(set(towpath.__all__) - set(dir(towpath)))").stdout
    assert missing == "set()\n"


@pytest.mark.parametrize("text", ["from towpath.core.context import *; Context", "from towpath.wire.http2 import *; ServerConnection"])
def test_a_star_import_of_an_old_path_gives_its_names(text):
    in_new_process(text)


def test_what_an_old_package_has_is_seen_by_inspection():
    in_new_process("import inspect, towpath.wire.http2 as old", "assert 'ServerConnection' in dict(inspect.getmembers(old))")


def test_an_old_path_can_be_run_and_read():
    spec = importlib.util.find_spec("towpath.cli.main")
    source = Path(importlib.util.find_spec("towpath._cli.main").origin)
    assert spec.origin == str(source)
    assert spec.loader.get_source("towpath.cli.main") == source.read_text()
    assert spec.loader.get_filename("towpath.cli.main") == str(source)
    assert not spec.loader.is_package("towpath.cli.main")
    subprocess.run([sys.executable, "-m", "towpath.cli.main"], check=True)


def test_a_class_pickled_by_an_old_path_is_the_class_of_now():
    sys.modules.pop("towpath.core.errors", None)
    with pytest.warns(DeprecationWarning, match="towpath"):
        found = pickle.loads(b"ctowpath.core.errors\nRpcError\n.")
    assert found is towpath.RpcError
    assert inspect.getmodule(towpath.RpcError).__name__ == "towpath._core.errors"


def test_another_finder_before_this_one_makes_no_second_copy():
    in_new_process(
        "import sys",
        "from importlib.machinery import PathFinder",
        "import towpath",
        "class Hook:",  # as those of pytest, typeguard and beartype look for the modules that they rewrite
        "    def find_spec(self, name, path=None, target=None):",
        "        return PathFinder.find_spec(name, path, target) if name.startswith('towpath.') else None",
        "sys.meta_path.insert(0, Hook())",
        "import towpath.wire.http2.frames as old",
        "assert old is sys.modules['towpath._wire.http2.frames'], old",
    )


def test_two_old_paths_of_one_module_may_be_imported_at_once():
    first = OldPaths().find_spec("towpath.layers.places", None)
    module = importlib.util.module_from_spec(first)  # as one thread does, before another
    second, third = (OldPaths().find_spec("towpath.layers.waiter", None) for _ in range(2))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for spec in (first, second, third):
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert module.__spec__.name == "towpath._layers.admission.admission_queue"
    assert [str(warning.message).split()[0].rpartition(".")[2] for warning in told] == ["places", "waiter", "waiter"]


def test_finding_a_module_imports_nothing():
    """Python holds the lock of all imports while it asks a finder: one that waits for another thread's import waits for ever."""
    in_new_process(
        "import sys",
        "from towpath._moved import OldPaths",
        "assert OldPaths().find_spec('towpath.contracts.graph.checks', None)",
        "assert 'towpath._contracts' not in sys.modules",
    )


def test_threads_may_import_old_paths_at_once():
    in_new_process(
        "import threading, importlib, sys",
        "from towpath._moved import MOVED",
        "failed, start = [], threading.Barrier(8)",
        "def load(paths):",
        "    start.wait()",
        "    for path in paths:",
        "        try: importlib.import_module(f'towpath.{path}')",
        "        except BaseException as error: failed.append((path, error))",
        "paths = sorted(MOVED)",
        "threads = [threading.Thread(target=load, args=(paths if number % 2 else paths[::-1],)) for number in range(8)]",
        "for thread in threads: thread.start()",
        "for thread in threads: thread.join()",
        "assert not failed, failed",
        "wrong = [path for path, now in MOVED.items() if sys.modules[f'towpath.{path}'].__spec__.name != f'towpath.{now}']",
        "assert not wrong, wrong",
    )


def test_a_worker_process_finds_classes_of_old_paths():
    in_new_process(
        "import multiprocessing",
        "from towpath.core.errors import Code, RpcError",
        "if __name__ == '__main__':",
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:",
        "        assert type(pool.apply(RpcError, (Code.NOT_FOUND, 'gone'))) is RpcError",
    )
