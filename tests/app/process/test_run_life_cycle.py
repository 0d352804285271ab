"""The life cycle of a process, as the operating system and an orchestrator see it."""

import signal
import time
from pathlib import Path

import pytest

from tests.app.life_cycle_process import actor, end, got, said, until, until_said
from tests.app.stage import importable


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)


def readyz(address: str) -> str:
    return got(address, "/readyz")


def test_what_begins_ends_in_reverse() -> None:
    with actor("yields") as process:
        until(process, " serves echo.v1.EchoService on ")
        process.terminate()
        assert end(process)[0] == 0
    assert said() == ["+once", "+main", "+pool", "+cache", "-main", "-cache", "-pool", "-once"]


def test_a_resource_that_raises_at_its_end_is_status_1_and_the_others_are_left() -> None:
    with actor("breaks") as process:
        until(process, " serves ")
        process.terminate()
        status, errors = end(process)
    assert (status, errors.splitlines()[-1]) == (1, "error: _AsyncGeneratorContextManager failed at its end: the pool is torn")
    assert said()[-3:] == ["-main", "-cache", "-once"]


def test_a_resource_that_hangs_at_its_end_has_the_grace_and_the_others_are_left(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '0.1s'")
    with actor("hangs") as process:
        until(process, " serves ")
        process.terminate()
        status, errors = end(process)
    assert (status, errors.splitlines()[-1]) == (
        1,
        "error: _AsyncGeneratorContextManager failed at its end: it took longer than was left of service.grace, and was cancelled",
    )
    assert said()[-3:] == ["-main", "-cache", "-once"]


def test_a_second_signal_cuts_a_resource_short_and_the_others_are_left(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '3600s'")
    with actor("hangs") as process:
        until(process, " serves ")
        process.terminate()
        until_said(process, "-cache")
        process.terminate()
        assert end(process)[0] == 1
    assert said()[-3:] == ["-main", "-cache", "-once"]


def test_a_resource_that_raises_at_its_beginning_leaves_those_before_it() -> None:
    with actor("unlucky") as process:
        status, errors = end(process)
    assert (status, errors.splitlines()[-1]) == (1, "OSError: the cache is gone")
    assert said() == ["+once", "+main", "+pool", "-pool", "-once"]


def test_a_signal_while_entering_leaves_what_was_entered() -> None:
    with actor("enters") as process:
        until_said(process, "entering")
        process.terminate()
        assert end(process) == (0, "")
    assert said() == ["+once", "+main", "+pool", "entering", "-pool", "-once"]


def test_a_main_that_yields_without_a_service_is_one_sentence() -> None:
    with actor("idle") as process:
        message = "error: main yields, and has added no service that could be called meanwhile; call app.add(...) before the yield\n"
        assert end(process) == (2, message)
    assert said()[-3:] == ["-cache", "-pool", "-once"]


def test_background_work_alone_is_worth_a_process() -> None:
    with actor("consumer") as process:
        until(process, " serves nothing but its background work on ")
        process.terminate()
        assert end(process)[0] == 0


def test_background_work_may_end_the_service_in_order(tmp_path: Path) -> None:
    with actor("dies") as process:
        until(process, " serves ")
        (tmp_path / "die").touch()
        status, errors = end(process)
    assert (status, errors.splitlines()[-1]) == (1, "error: background work rates returned, and the service is not to go on without it")
    assert said()[-4:] == ["-main", "-cache", "-pool", "-once"]


def test_more_background_work_that_ends_cuts_nothing_short(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("[service]\nsettle = '0.5s'")
    with actor("dies_again") as process:
        until(process, " serves ")
        (tmp_path / "die").touch()
        status, errors = end(process)
    assert "background work prices returned; the service stops" in errors
    assert (status, errors.splitlines()[-1]) == (1, "error: background work rates returned, and the service is not to go on without it")
    assert said()[-4:] == ["-main", "-cache", "-pool", "-once"]


def test_an_orchestrator_is_told_of_a_failing_probe(tmp_path: Path) -> None:
    with actor("probed", TOWPATH_ADMIN="127.0.0.1:0") as process:
        address = until(process, " answers probes on ").rpartition(" ")[2]
        until(process, " serves ")
        assert readyz(address) == "unready\ndb\n"
        (tmp_path / "db").touch()
        while readyz(address) != "serving\n":
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert end(process)[0] == 0


def test_what_is_no_main_is_one_line_and_status_2() -> None:
    with actor("class") as process:
        message = "error: run() was given the class Echo, which has no __aenter__; give a function `async def main(app)`\n"
        assert end(process) == (2, message)
