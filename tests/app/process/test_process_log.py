"""The log of `towpath.run`: its form, its level, its levels, and what it is while a program has its own."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import logging, sys, towpath
async def main(app):
    try:
        raise ValueError("asked for\\n2026-11-28 00:00:00,000 ERROR root: forged \\x1b[2J")
    except ValueError:
        logging.getLogger("shop").exception("failed for %s", "bob\\r\\n\\x1b[31mroot")
    logging.getLogger("shop").debug("fine")
    logging.getLogger("shop.stock").debug("finer")
towpath.run(main)
"""


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("TOWPATH_LOG_FORMAT", "NO_COLOR", "FORCE_COLOR", "TERM")}
    return {**kept, **variables}


def ran(program: str, folder: Path, **variables: str) -> str:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == ""
    return done.stderr


def test_in_a_pipe_each_record_is_one_line_of_json(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text('[service]\nname = "shop"')
    first, last = map(json.loads, ran(PROGRAM, tmp_path).splitlines())
    assert first["message"] == "failed for bob\r\n\x1b[31mroot"
    assert (first["severity"], first["logger"], first["service"]) == ("ERROR", "shop", "shop")
    assert first["exception.stacktrace"].endswith("ERROR root: forged \x1b[2J")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", last["timestamp"])


@pytest.mark.parametrize("how", ["file", "variable"])
def test_as_text_nobody_can_forge_a_record(tmp_path: Path, how: str) -> None:
    (tmp_path / "towpath.toml").write_text("[telemetry.logs]\nformat = 'console'" if how == "file" else "[telemetry.logs]\nformat = 'json'")
    said = ran(PROGRAM, tmp_path, **({"TOWPATH_LOG_FORMAT": "console"} if how == "variable" else {}))
    lines = said.splitlines()
    assert lines[0].endswith(" ERROR shop: failed for bob\\r")
    assert "  2026-11-28 00:00:00,000 ERROR root: forged \\x1b[2J" in lines
    assert "\x1b" not in said
    assert "  Traceback (most recent call last):" in lines


def test_levels_are_those_of_the_file_and_a_variable_wins(tmp_path: Path) -> None:
    def said(text: str, **variables: str) -> list[str]:
        (tmp_path / "towpath.toml").write_text(f"[telemetry.logs]\n{text}")
        return [json.loads(line)["message"] for line in ran(PROGRAM, tmp_path, **variables).splitlines()]

    assert [told for told in said("level = 'debug'") if told.startswith("fine")] == ["fine", "finer"]
    assert [told for told in said("levels = { 'shop.stock' = 'DEBUG' }") if told.startswith("fine")] == ["finer"]
    assert said("level = 'DEBUG'", TOWPATH_LOG_LEVEL="CRITICAL") == []


OWN = """
import logging, sys, towpath
logging.basicConfig(level=logging.WARNING, format="own %(message)s")
async def main(app):
    logging.info("no")
    logging.warning("yes")
towpath.run(main)
"""


def test_a_program_with_a_log_of_its_own_keeps_it(tmp_path: Path) -> None:
    assert ran(OWN, tmp_path) == "own yes\n"
    (tmp_path / "towpath.toml").write_text("[telemetry.logs]\nlevel = 'DEBUG'")
    assert ran(OWN, tmp_path).splitlines() == [
        "own telemetry.logs.level and format are not taken over, since the program has configured its logging by itself",
        "own yes",
    ]


STREAMS = """
import io, logging, sys, towpath
async def main(app):
    logging.warning("said")
sys.stderr = {stream}
towpath.run(main)
sys.__stdout__.flush()
"""


def test_standard_error_may_be_what_a_tool_has_put_there_or_nothing(tmp_path: Path) -> None:
    for stream in ("None", "sys.stdout"):
        command = [sys.executable, "-c", STREAMS.format(stream=stream)]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=True)
        assert ("said" in done.stdout) is (stream != "None")
    program = STREAMS.format(stream="io.StringIO()").replace("sys.__stdout__.flush()", "sys.__stderr__.write(sys.stderr.getvalue())")
    assert "said" in ran(program, tmp_path)


def test_standard_error_that_is_closed_costs_the_log_alone(tmp_path: Path) -> None:
    program = "import sys\nsys.stderr.close()\n" + PROGRAM + 'print("went on")'
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment(), stdout=-1, text=True, timeout=120, check=True)
    assert done.stdout == "went on\n"


def test_on_a_terminal_it_is_text_in_colour_unless_that_is_not_wanted(tmp_path: Path) -> None:
    for variables, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        with subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment(**variables), stderr=theirs) as process:
            os.close(theirs)
            said = b""
            with os.fdopen(ours, "rb", 0) as terminal:
                try:
                    while part := terminal.read(1 << 16):
                        said += part
                except OSError:  # the other end is closed
                    pass
            assert process.wait(120) == 0
        assert (b"\x1b[31mERROR\x1b[0m" in said) is coloured
        assert b"\x1b[2J" not in said
        assert re.search(rb"^(\x1b\[2m)?\d\d:\d\d:\d\d\.\d{3}", said)


SERVES = """
import logging, towpath
async def work():
    import asyncio
    log = logging.getLogger("shop")
    while True:
        log.debug("fine")
        await asyncio.sleep(0.01)
async def main(app):
    app.background(work())
towpath.run(main, config="towpath.toml")
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "towpath.toml").write_text("[service]\nname = 'shop'")
    with subprocess.Popen([sys.executable, "-c", SERVES], cwd=tmp_path, env=environment(), stderr=-1, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], message: str) -> dict[str, Any]:
    assert process.stderr is not None
    for line in process.stderr:
        told = json.loads(line)
        if message in told["message"]:
            return told
    pytest.fail(f"the process ended, and never said {message!r}")


def test_the_level_changes_while_the_process_runs(service: subprocess.Popen[str], tmp_path: Path) -> None:
    until(service, "serves")
    for text, wanted in (("level = 'DEBUG'", "fine"), ("levels = { shop = 'DEBUG' }", "fine")):
        (tmp_path / "towpath.toml").write_text(f"[service]\nname = 'shop'\n[telemetry.logs]\n{text}")
        service.send_signal(signal.SIGHUP)
        until(service, "was read anew")
        assert until(service, wanted)["severity"] == "DEBUG"
    (tmp_path / "towpath.toml").write_text("[service]\nname = 'shop'\n[telemetry.logs]\nlevel = 'LOUD'")
    service.send_signal(signal.SIGHUP)
    assert "telemetry.logs.level: unknown value 'LOUD'; known values: " in until(service, "nothing was taken over")["message"]
    until(service, "fine")  # as before
    (tmp_path / "towpath.toml").write_text("[service]\nname = 'shop'")
    service.send_signal(signal.SIGHUP)
    until(service, "was read anew")
    service.send_signal(signal.SIGTERM)
    assert service.stderr is not None
    assert [line for line in service.stderr if "fine" in line] == []


FLOOD = """
import asyncio, logging, sys, towpath
log = logging.getLogger("shop")
async def main(app):
    for number in range(20_000):
        log.info("line %d of many", number)
        if number % 1000 == 0:
            await asyncio.sleep(0)
    print("went on", flush=True)
towpath.run(main)
"""


def test_a_reader_that_has_stopped_does_not_hold_up_the_loop_nor_the_end(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", FLOOD], cwd=tmp_path, env=environment(), stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "went on\n"
        assert process.wait(120) == 0


def test_what_is_kept_is_written_at_the_end_if_somebody_reads(tmp_path: Path) -> None:
    program = FLOOD.replace("20_000", "1_500")
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment(), stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "went on\n"
        messages = [json.loads(line)["message"] for line in process.stderr]
        assert process.wait(120) == 0
    assert messages[:1_500] == [f"line {number} of many" for number in range(1_500)]


ENDED = """
import asyncio, logging, sys, towpath
from towpath._telemetry.logs import access_log
seen = []
async def main(app):
    seen.append(len(access_log.layers_of("server")))
    if len(seen) == 3:
        raise towpath.RpcError(towpath.Code.NOT_FOUND, "no")
for _ in range(2):
    try:
        towpath.run(main)
    except SystemExit:
        pass
    seen.append(len(access_log.layers_of("server")))
print(seen)
"""


def test_an_application_after_run_has_no_lines_for_calls(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[1, 0, 1, 0]\n"
