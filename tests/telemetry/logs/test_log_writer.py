"""The writer against readers that stop, leave and come back."""

import errno
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from towpath._telemetry.logs.log_writer import LogWriter

LINE = b"x" * 99 + b"\n"
ENOUGH = 3_000
"""Lines that no pipe, terminal or socket takes without a reader."""

PATIENCE = 60.0


def told(count: int) -> bytes:
    return b"dropped %d\n" % count


def read_all(descriptor: int) -> bytes:
    data = b""
    while True:
        try:
            part = os.read(descriptor, 1 << 16)
        except OSError as error:  # a terminal whose other end is closed
            assert error.errno == errno.EIO
            return data
        if not part:
            return data
        data += part


def reading(descriptor: int, until: Callable[[bytes], bool]) -> bytes:
    """What is read, once it is enough."""
    data = b""
    while not until(data):
        data += os.read(descriptor, 1 << 16)
    return data


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def sockets() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def terminal() -> tuple[int, int]:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    return ours, theirs


def test_what_a_reader_takes_is_written_at_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = LogWriter(writer, told)
    for number in range(3):
        log.write(b"%d\n" % number)
        assert os.read(reader, 100) == b"%d\n" % number
    assert not log.pending
    assert log.finish(0)


@pytest.mark.parametrize("opened", [os.pipe, sockets, terminal])
def test_a_reader_that_stops_holds_up_nobody_and_gets_what_was_kept_and_the_count(opened: Callable[[], tuple[int, int]]) -> None:
    reader, writer = opened()
    log = LogWriter(writer, told, max_lines=10)
    flags = os.get_blocking(writer)
    for number in range(ENOUGH):
        log.write(b"%099d\n" % number)  # a write that waited would wait for ever
    assert log.pending
    assert not log.finish(0)
    assert os.get_blocking(writer) is flags is True  # others who write there, such as a shell, may wait
    data = reading(reader, lambda so_far: b"dropped" in so_far and so_far.endswith(b"\n"))
    lines = data.splitlines()
    kept = [int(line) for line in lines if not line.startswith(b"dropped")]
    assert kept == list(range(len(kept)))
    assert lines[-1] == b"dropped %d" % (ENOUGH - len(kept))
    assert log.finish(PATIENCE)
    for descriptor in (reader, writer):
        os.close(descriptor)


def test_a_descriptor_that_cannot_be_opened_anew_is_asked_before_each_write(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe

    def refused(*_: object) -> int:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refused)  # as for a process that has given up the rights with which it was started
        log = LogWriter(writer, told, max_lines=10)
    for number in range(ENOUGH):
        log.write(b"%099d\n" % number)
    assert log.pending
    assert os.get_blocking(writer)
    reading(reader, lambda so_far: b"dropped" in so_far)


def test_the_end_waits_for_a_reader_that_goes_on(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = LogWriter(writer, told)
    for _ in range(1_500):
        log.write(LINE)
    assert log.pending
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(reading(reader, lambda so_far: len(so_far) == 1_500 * len(LINE))))
    thread.start()
    assert log.finish(PATIENCE)
    thread.join()
    assert got == [LINE * 1_500]


def test_the_thread_that_waits_writes_the_rest_and_ends_and_another_takes_its_place(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = LogWriter(writer, told)
    for _ in range(3):
        for _ in range(1_500):
            log.write(LINE)
        assert log.pending
        assert reading(reader, lambda so_far: len(so_far) == 1_500 * len(LINE)) == LINE * 1_500


def test_a_reader_that_is_gone_costs_the_lines_and_raises_nothing(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = LogWriter(writer, told)
    os.close(reader)
    for _ in range(10):
        log.write(LINE)
    assert not log.pending
    assert log.finish(0)


def test_a_full_disk_costs_lines_which_are_counted_and_no_line_is_torn(tmp_path: Path) -> None:
    program = f"""
import resource, signal, sys
from towpath._telemetry.logs.log_writer import LogWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = open({str(tmp_path / "log")!r}, "wb")
log = LogWriter(file.fileno(), lambda count: b"dropped %d\\n" % count)
resource.setrlimit(resource.RLIMIT_FSIZE, (250, resource.RLIM_INFINITY))
for number in range(10):
    log.write(b"%099d\\n" % number)
assert not log.pending
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.write(b"again\\n")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert [int(line) for line in lines[:2]] == [0, 1]
    assert re.fullmatch(rb"0{50}", lines[2])  # half of a line, which nothing is written behind
    assert lines[3:] == [b"again", b"dropped 8"]


def test_lines_of_several_processes_on_one_pipe_do_not_mix(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    program = """
import sys
from towpath._telemetry.logs.log_writer import LogWriter
log = LogWriter(2, lambda count: b"dropped\\n", max_lines=100_000)
for _ in range(2_000):
    log.write(sys.argv[1].encode() * 500 + b"\\n")
assert log.finish(60)
"""
    writing = [subprocess.Popen([sys.executable, "-c", program, letter], stderr=writer) for letter in "ab"]
    os.close(writer)
    lines = read_all(reader).splitlines()
    for process in writing:
        assert process.wait(PATIENCE) == 0
    assert sorted(lines) == [b"a" * 500] * 2_000 + [b"b" * 500] * 2_000


def test_what_waits_at_a_fork_is_written_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    program = """
import os
from towpath._telemetry.logs.log_writer import LogWriter
log = LogWriter(2, lambda count: b"dropped\\n")
for number in range(1_500):
    log.write(b"%099d\\n" % number)
assert log.pending
child = os.fork()
if not child:
    assert not log.pending
    log.write(b"child\\n")
else:
    print("forked", flush=True)
assert log.finish(60)
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", program], stdout=-1, stderr=writer) as process:
        os.close(writer)
        assert process.stdout is not None
        assert process.stdout.readline() == b"forked\n"
        lines = read_all(reader).splitlines()
        assert process.wait(PATIENCE) == 0
    assert sorted(lines) == [*(b"%099d" % number for number in range(1_500)), b"child"]


def test_a_line_that_is_written_in_the_midst_of_another_comes_after_it(pipe: tuple[int, int]) -> None:
    """As by a signal handler, or by a finalizer."""
    reader, writer = pipe

    def telling(count: int) -> bytes:
        log.write(b"within\n")
        return told(count)

    log = LogWriter(writer, telling, max_lines=1)
    while not log.pending:
        log.write(LINE)
    for _ in range(2):
        log.write(LINE)
    data = reading(reader, lambda so_far: b"within" in so_far)
    assert data.endswith((b"dropped 1\nwithin\n", b"dropped 2\nwithin\n"))


def test_threads_lose_no_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        log = LogWriter(file.fileno(), told)

        def write(name: int) -> None:
            for number in range(500):
                log.write(b"%d %d\n" % (name, number))

        threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.finish(PATIENCE)
    lines = (tmp_path / "log").read_bytes().splitlines()
    for name in range(8):
        assert [line for line in lines if line.startswith(b"%d " % name)] == [b"%d %d" % (name, number) for number in range(500)]
