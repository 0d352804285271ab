"""Commands about running services: mistakes end in one clear line, and what is told is shown for every worker."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from towpath._app.process.inspection.debug_documents import debug_documents, shown
from towpath._app.process.worker_probes import probes
from towpath._cli.main import main
from towpath._telemetry.loop_monitor.block import Block, Cause
from towpath._telemetry.runtime_folder import VARIABLE, runtime_folder
from towpath._transport.address import Address, UnixPath, parse_place
from towpath._transport.server.routes import Document

TREE = {
    "count": 3,
    "left_out": 0,
    "deadlocks": [],
    "tasks": [{"name": "t", "coroutine": "f", "at": [], "waits_for": "", "holder": "", "method": "", "count": 3, "children": []}],
}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["tasks", "127.0.0.1:1"], "127.0.0.1:1 cannot be asked: "),
        (["tasks", "nonsense"], "no service of this user runs here; start one, or give"),
        (["tasks", "non:sense"], "the admin listener"),
        (["blocks", "999999999"], "process 999999999 has no file of blocks"),
        (["profile", "127.0.0.1:1", "--seconds", "0"], "--seconds: 0 is out of range; give 1 to 120"),
        (["profile", "127.0.0.1:1", "-o", "x.png"], "--output: x.png is of no known kind"),
        (["tasks", "towpath.toml"], "towpath.toml"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert main(arguments) == 2
    assert error in capsys.readouterr().err


def test_a_service_file_without_an_admin_listener_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("[service]\nname = 'x'\n")
    assert main(["tasks", str(tmp_path)]) == 2
    assert "the service has no admin listener; set service.admin" in capsys.readouterr().err


def test_workers_are_told_one_after_the_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = UnixPath(str(tmp_path / "a.sock"))
    documents = {
        "/debug/tasks": lambda: Document("application/json", json.dumps({"workers": {"0": TREE, "1": None}}).encode()),
        "/debug/blocks": lambda: Document("application/json", b'{"workers": {"0": [], "1": null}}'),
        "/debug/profile/start": lambda: Document("text/plain", b"taken\n", status=409),
    }
    with probes(place, lambda: "serving", CollectorRegistry(), documents):
        assert main(["tasks", str(place)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "worker 0:",
            "3 tasks",
            "t f  x 3 like this",
            "   waits for something unknown",
            "worker 1: it does not answer",
        ]
        assert main(["tasks", str(place), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["workers"]["0"] == TREE
        assert main(["blocks", str(place)]) == 0
        assert capsys.readouterr().out.splitlines() == ["worker 0: the event loop was never blocked", "worker 1: it does not answer"]
        assert main(["profile", str(place)]) == 2
        assert "answers /debug/profile/start with 409: taken" in capsys.readouterr().err
    with probes(place, lambda: "serving", CollectorRegistry()):
        assert main(["tasks", str(place)]) == 2
        assert 'set telemetry.debug_documents = "on"' in capsys.readouterr().err


def test_blocks_have_the_local_time_of_the_day(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = Block(number=1, began=1_700_000_000.0, seconds=0.4, ended=True, cause=Cause.GC)
    place = UnixPath(str(tmp_path / "a.sock"))
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    try:
        with probes(place, lambda: "serving", CollectorRegistry(), debug_documents(lambda: (block,))):
            assert main(["blocks", str(place)]) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    assert capsys.readouterr().out.startswith("07:13:20.000 the event loop stood for 400 ms")


def test_documents_are_shown_at_loopback_addresses_unless_told_otherwise() -> None:
    inside, outside = parse_place("127.0.0.1:9090", "x"), Address("10.0.0.1", 9090)
    assert [shown("loopback", place) for place in (inside, UnixPath("/x"), outside)] == [True, True, False]
    assert shown("on", outside)
    assert not shown("off", inside)


async def test_one_profile_at_a_time() -> None:
    documents = debug_documents(tuple)
    assert documents["/debug/profile/start"]().status == 200
    assert documents["/debug/profile/start"]().status == 409
    assert documents["/debug/profile"]().status == 200
    assert documents["/debug/profile/stop"]().status == 200
    assert documents["/debug/blocks"]().body == b"[]"
    assert json.loads(documents["/debug/tasks"]().body)["deadlocks"] == []


@contextmanager
def process_of(name: str) -> Iterator[None]:
    """A process of this user with an admin socket of this name, whose service says what its tasks are."""
    place = UnixPath(str(runtime_folder() / f"{name}.admin"))
    with probes(place, lambda: "serving", lambda form, fine: iter(()), {"/debug/tasks": lambda: Document("", json.dumps(TREE).encode())}):
        yield


def test_a_process_of_this_user_is_found_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with process_of("order-book-17"):
        for named in ([], ["order-book"], ["17"]):
            assert main(["tasks", *named]) == 0
        assert main(["tasks", "cart"]) == 2
        with process_of("cart-18"):
            assert main(["tasks"]) == 2
            assert main(["tasks", "cart"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "error: no service cart of this user runs here; there are order-book (17)",
        "error: several processes run here: cart (18), order-book (17); give the name or the id of one",
    ]
