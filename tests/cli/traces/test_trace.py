"""`towpath trace` over rings of files: which trace is shown, and what is said where there is none."""

import json
import os
import re
import struct
from pathlib import Path

import pytest

from tests.recordings import MS, System, marks, once, plain
from towpath._cli.main import main
from towpath._cli.traces import files
from towpath._core import clock
from towpath._telemetry.flight_recorder.ring_files import open_writer
from towpath._telemetry.flight_recorder.row import STREAM, Kind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rings of two services: ten traces a minute apart, the newest now, and the fourth and eighth failed."""
    folder = tmp_path / "rings"
    folder.mkdir()
    system = System({"cart": 7200.0}, folder=folder, rows=64)
    now = clock.now()
    for number in range(10):
        took = (10 - number) * MS
        root = plain("front", took, once(10, plain("cart", took - 100, method="shop.Cart/Get")), method="shop.Front/Get")
        root.code = 14 if number % 4 == 3 else 0
        system.add((0xAB + number % 2) << 120 | number, root, at=now - 60 * (9 - number) - 1)
    return folder


def trace(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["trace", *arguments]) == 0
    return capsys.readouterr().out


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["trace", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ([], "10.0 ms  front Front/Get  OK"),
        (["--slowest"], "10.0 ms  front Front/Get  OK"),
        (["--slowest", "--last", "5m"], "5.0 ms  front Front/Get  OK"),
        (["--failed"], "3.0 ms  front Front/Get  UNAVAILABLE"),
        (["--failed", "--slowest"], "7.0 ms  front Front/Get  UNAVAILABLE"),
        ([f"{0xAC << 120 | 5:032x}"], "5.0 ms  front Front/Get  OK"),
        ([f"{0xAB << 120 | 8:032x}"[:32].upper()], "2.0 ms  front Front/Get  OK"),
    ],
)
def test_which_trace_is_shown(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], first: str) -> None:
    text = trace(capsys, *arguments, "--file", str(folder))
    assert text.startswith(first)
    assert "2 of 2 hops answered" in " ".join(text.split())
    assert "the median of 9 other traces" in text
    slower = float(first.split(maxsplit=1)[0]) > 5.0  # than the half of them
    assert ("GUILTY  cart Cart/Get: handler" in text) is slower
    assert ("AS USUAL  no phase took much longer than usual. The longest is cart Cart/Get: handler" in text) is not slower


def test_a_stream_is_the_slowest_only_of_streams(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    system = System(folder=tmp_path)
    system.add(1, plain("a", 900 * MS, flags=STREAM), at=clock.now())
    assert trace(capsys, "--file", str(tmp_path)).startswith("900.0 ms")
    system.add(2, plain("a", 5 * MS), at=clock.now())
    assert trace(capsys, "--file", str(tmp_path)).startswith("5.0 ms")


def test_what_a_caller_gave_up_is_not_what_failed_last(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    system = System(folder=tmp_path)
    system.add(1, plain("a", 5 * MS, code=1), at=clock.now())
    assert "no call failed" in error(capsys, "--failed", "--file", str(tmp_path))
    system.add(2, plain("a", 7 * MS, code=13), at=clock.now() - 60)
    assert trace(capsys, "--failed", "--file", str(tmp_path)).startswith("7.0 ms")


def test_the_traces_through_a_service(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = System(folder=folder, rows=64)
    system.add(0xFF << 120, plain("lonely", 90 * MS, method="shop.Lonely/Get"), at=clock.now())
    (path,) = folder.glob("cart-*.ring")
    process = path.stem.rpartition("-")[2]
    here = ["--file", str(folder)]
    assert trace(capsys, *here).startswith("90.0 ms  lonely")
    assert trace(capsys, "cart", *here).startswith("10.0 ms  front Front/Get")
    assert trace(capsys, process, *here).startswith("10.0 ms  front Front/Get")
    assert trace(capsys, "cart", "--last", "5m", *here).startswith("5.0 ms  front")
    assert trace(capsys, "front", "--failed", *here).startswith("3.0 ms  front Front/Get  UNAVAILABLE")
    assert "no call failed; " in error(capsys, "cart", "--failed", *here)


def test_files_one_by_one_and_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    front, cart = sorted(folder.glob("*.ring"), reverse=True)
    assert "no row of 10.0.0.7:8080 was seen" in trace(capsys, "--file", str(front))
    assert "2 of 2 hops" in trace(capsys, "--file", str(front), str(cart), str(front), str(folder))


def test_json_has_all_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(trace(capsys, "--json", "--file", str(folder)))
    assert (found["ms"], found["answered"], found["compared_with"], found["guilty"]["hop"]) == (10.0, 2, 9, 1)
    hops = found["hops"]
    assert [(hop["caller"], hop["service"], hop["method"], hop["code"]) for hop in hops] == [
        (None, "front", "shop.Front/Get", "OK"),
        (0, "cart", "shop.Cart/Get", "OK"),
    ]
    assert sum(part["ms"] for hop in hops for part in hop["parts"]) == pytest.approx(found["ms"])
    assert hops[0]["parts"][0] == {"phase": "handler", "on_path": True, "ms": 0.1, "usual": 0.1, "spans": [[0.0, 0.01], [9.91, 10.0]]}


def test_a_page_is_written_in_place_of_the_text(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "x.html"
    assert trace(capsys, "--html", str(page), "--file", str(folder)) == ""
    assert "front Front/Get" in page.read_text()
    assert json.loads(trace(capsys, "--json", "--html", str(page), "--file", str(folder)))["ms"] == 10.0


def test_a_folder_of_the_user_is_where_rings_are_looked_for(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "old.ring").write_bytes(b"of another version")
    monkeypatch.setattr(files, "ring_files", lambda: sorted(folder.iterdir()))
    assert main(["trace"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("10.0 ms")
    assert re.fullmatch(r"left out: .*/old\.ring is not the file of a flight recorder\n", captured.err)


def test_last_is_counted_from_now_without_files_and_from_the_newest_call_with_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = System(folder=tmp_path)
    system.add(1, plain("a", 5 * MS), at=clock.now() - 86_400)
    assert trace(capsys, "--last", "1m", "--file", str(tmp_path)).startswith("5.0 ms")
    monkeypatch.setattr(files, "ring_files", lambda: list(tmp_path.iterdir()))
    said = error(capsys, "--last", "1m")
    assert said.startswith("error: no call is recorded in the last 1m; the rings of a hold 1 received calls, from ")


def test_one_clear_sentence(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.ring").write_text("hello")
    ring = next(folder.glob("front*.ring")).read_bytes()
    (tmp_path / "old.ring").write_bytes(ring[:8] + struct.pack("<H", 9) + ring[10:])
    (tmp_path / "cut.ring").write_bytes(ring[:-1])
    here = ["--file", str(folder)]
    monkeypatch.setattr(files, "ring_files", lambda directory=None: [])
    cases = {
        ("--file", str(tmp_path / "no.ring")): r"no\.ring cannot be read: No such file or directory; name the file of a flight recorder",
        ("--file", str(tmp_path / "text.ring")): r"text\.ring is not the file of a flight recorder",
        ("--file", str(tmp_path / "old.ring")): r"of version 9, and this towpath reads version 1; use the version of towpath that wrote it",
        ("--file", str(tmp_path / "cut.ring")): r"cut\.ring is cut off: it has \d+ bytes of \d+",
        ("--file", str(tmp_path / "empty")): r"empty has no file of a flight recorder, which would be called \*\.ring",
        (): r"no process of this user has a flight recorder's file in /dev/shm or \S+; start a service, or name files or",
        ("ff", *here): r"no trace begins with ff; the rings of cart, front hold 20 received calls, from \S+ to \S+$",
        ("a", *here): r"10 traces begin with a; give more digits: ab0{28}00, ab0{28}02, ab0{28}04, \.\.\.$",
        ("xyz", *here): r"'xyz' is no id of a trace, such as 8f3a91d2, and no service whose calls are recorded here; there are cart, front",
        ("a" * 33, *here): r"is no id of a trace",
        ("--failed", "--last", "1s", *here): r"no call failed in the last 1s; the rings of cart, front hold 20",
        ("--last", "soon", *here): r"--last is 'soon'; give a duration such as 30s, 5m or 2h",
        ("ab", "--slowest", *here): r"an id and --slowest or --failed ask for different traces; give one of them",
        ("--versus", "10:00-11:00", *here): r"--versus compares many traces; give --many SERVICE/METHOD too",
        ("--many", "a/b", "--html", "x", *here): r"--html shows one trace; leave out --many, or use --json",
    }
    for arguments, says in cases.items():
        said = error(capsys, *arguments)
        assert re.search(says, said.rstrip()), said
        assert said.count("\n") == 1


def test_rings_without_a_call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    System(folder=tmp_path).writer("front")
    assert error(capsys, "--file", str(tmp_path)) == "error: no call is recorded; the rings of front have no call yet\n"


def test_the_folder_that_a_service_file_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    writer, lock = open_writer("front", 64, tmp_path)
    writer.write(Kind.SERVER, 0, 0, 0, clock.now(), b"", 1, 1, 0, 0, 0, 0, *marks(0, 0, 0, 0, 9, 9), 0, 0)
    assert "hops answered" in trace(capsys, "--file", str(tmp_path))
    assert lock is not None
    os.close(lock)


def test_hostile_bytes_in_a_ring(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A ring that somebody filled with noise below its head."""
    system = System(folder=tmp_path, rows=64)
    system.add(1, plain("a", 5 * MS))
    (path,) = tmp_path.glob("*.ring")
    data = bytearray(path.read_bytes())
    first = system.writer("a").first_row
    for seed in range(20):
        noise = bytes((seed * 37 + at * at * 31 + at // 7) & 0xFF for at in range(64 * 128))
        data[first : first + len(noise)] = noise
        for row in range(first, first + len(noise), 128):  # so that each is taken for a whole row
            data[row + 124 : row + 128] = data[row : row + 4]
            data[row + 4] = 1 + row % 3
        path.write_bytes(data)
        for arguments in ([], ["--failed"], ["--json"], ["--html", str(tmp_path / "x.html")]):
            assert main(["trace", *arguments, "--file", str(path)]) in {0, 2}
            assert "Traceback" not in capsys.readouterr().err
