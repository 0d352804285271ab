"""The ring of a flight recorder, written by one process and read by others."""

import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder import ring
from towpath._telemetry.flight_recorder.row import LONGEST, NOT_REACHED, NUMBERS, SAMPLED, SIZE, ClientMark, Kind, mark_after, unpacked

TRACE = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8


def written(writer: ring.Writer, **changed: Any) -> None:
    """Write one row, whose values are distinct unless `changed`."""
    values: dict[str, Any] = {
        "flags": SAMPLED | 2 << 3,
        "attempt": 2,
        "base": 12.5,
        "trace": TRACE + b"-01",
        "serial": 7,
        "branch": 8,
        "method": writer.intern("shop.Cart/Add"),
        "peer": writer.intern("10.0.0.1:80"),
        "tenant": 0,
        "reason": 0,
        "marks": tuple(range(10, 18)),
        "sizes": (100, 200),
    } | changed
    marks, sizes = values.pop("marks"), values.pop("sizes")
    writer.write(Kind.ATTEMPT, 14, *values.values(), *marks, *sizes)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[ring.Writer]:
    writer = ring.Writer(tmp_path / "cart.ring", service="cart", rows=8)
    yield writer
    writer.close()


def test_a_row_comes_back_as_it_was_written(writer: ring.Writer) -> None:
    written(writer)
    assert writer.path is not None
    recording = ring.read(writer.path)
    (row,) = recording.rows
    assert (recording.service, recording.process) == ("cart", os.getpid())
    assert (row.number, row.kind, row.code, row.attempt, row.base) == (1, Kind.ATTEMPT, 14, 2, 12.5)
    assert (row.trace_id, row.span_id, row.serial, row.branch) == ("ab" * 16, "cd" * 8, 7, 8)
    assert (recording.name(row.method), recording.name(row.peer), recording.name(row.tenant)) == ("shop.Cart/Add", "10.0.0.1:80", "")
    assert (row.flag(SAMPLED), row.criticality, row.marks, row.request_size, row.response_size) == (True, 3, tuple(range(10, 18)), 100, 200)
    assert row.seconds(ClientMark.BEGAN) == 1e-5


def test_the_oldest_rows_are_overwritten(writer: ring.Writer) -> None:
    for serial in range(20):
        written(writer, serial=serial)
    assert writer.path is not None
    assert [row.serial for row in ring.read(writer.path).rows] == list(range(12, 20))


def test_rows_are_in_order_after_the_numbers_began_anew(writer: ring.Writer) -> None:
    writer.number = NUMBERS - 4
    for serial in range(8):
        written(writer, serial=serial)
    assert writer.path is not None
    rows = ring.read(writer.path).rows
    assert [row.serial for row in rows] == list(range(8))[-len(rows) :]
    assert len(rows) >= 7  # number 0 is left out, so that one place of the ring is skipped


def test_a_row_that_is_being_written_is_left_out(writer: ring.Writer) -> None:
    written(writer)
    row = writer.first_row + SIZE
    assert unpacked(writer.buffer, row) is not None
    struct.pack_into("<I", writer.buffer, row, 99)
    assert unpacked(writer.buffer, row) is None


def test_a_name_without_room_is_other(writer: ring.Writer) -> None:
    indexes = {writer.intern(f"{number:0255}") for number in range(2000)}
    assert ring.OTHER in indexes
    assert writer.intern(f"{0:0255}") != ring.OTHER
    assert writer.path is not None
    assert ring.read(writer.path).name(ring.OTHER) == "_OTHER"
    assert ring.read(writer.path).name(60_000) == "_OTHER"


def test_a_time_as_a_mark() -> None:
    assert mark_after(10.0, 0.0) == NOT_REACHED
    assert mark_after(10.0, 10.000_002_5) == 2
    assert mark_after(10.0, 9.0) == 0
    assert mark_after(10.0, 10.0 + 86_400) == LONGEST


def test_only_its_owner_may_read_the_file_and_it_goes_with_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.ring"
    writer = ring.Writer(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SetupError, match=r"a\.ring cannot be made: File exists"):
        ring.Writer(path)
    writer.close()
    writer.close()
    assert not path.exists()


def test_a_ring_in_memory_has_no_file() -> None:
    writer = ring.Writer(None, rows=2)
    written(writer)
    assert len(ring.parsed(memoryview(writer.buffer), "memory").rows) == 1


def test_the_number_of_rows_is_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="rows is 3; give a power of two"):
        ring.Writer(None, rows=3)


KILLED = """
import os, signal, sys
from pathlib import Path
from towpath._telemetry.flight_recorder import ring
writer = ring.Writer(Path(sys.argv[1]), service="killed", rows=8)
marks = [0] * 8
writer.write(1, 0, 0, 0, 1.0, b"", 1, 2, 0, 0, 0, 0, *marks, 0, 0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_of_a_killed_process_is_read(tmp_path: Path) -> None:
    path = tmp_path / "killed.ring"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    recording = ring.read(path)
    assert (recording.service, len(recording.rows)) == ("killed", 1)


@pytest.mark.parametrize(
    ("at", "bytes_there", "length", "says"),
    [
        (0, b"", 0, "is not the file of a flight recorder"),
        (0, b"X", None, "is not the file of a flight recorder"),
        (8, b"\x07\x00", None, "of version 7, and this towpath reads version 1"),
        (0, b"", -1, "is cut off: it has"),
    ],
)
def test_another_file_is_refused(writer: ring.Writer, tmp_path: Path, at: int, bytes_there: bytes, length: int | None, says: str) -> None:
    assert writer.path is not None
    data = writer.path.read_bytes()
    spoiled = tmp_path / "spoiled.ring"
    spoiled.write_bytes((data[:at] + bytes_there + data[at + len(bytes_there) :])[:length])
    with pytest.raises(SetupError, match=says):
        ring.read(spoiled)


def test_names_that_threads_give_at_once_stay_apart() -> None:
    found = ring.Writer(None, rows=8)
    indexes: list[dict[str, int]] = [{} for _ in range(4)]

    def name(thread: int) -> None:
        for number in range(500):
            indexes[thread][f"{thread}/{number}"] = found.intern(f"{thread}/{number}")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=name, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    names = ring.parsed(memoryview(found.buffer), "memory").names
    assert {name: index for of_one in indexes for name, index in of_one.items()} == {
        name: at for at, name in enumerate(names) if "/" in name
    }
    assert list(names) == found.names


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"none\.ring cannot be read: No such file"):
        ring.read(tmp_path / "none.ring")
