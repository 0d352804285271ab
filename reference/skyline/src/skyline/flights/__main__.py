"""Run the flights service: `python -m skyline.flights`."""

from skyline.data import Dataset
from skyline.flights.service import Flights
from skyline.flights.timetable import Timetable
from towpath import App, run


async def main(app: App) -> None:
    """Load the month's departures and serve them."""
    dataset = Dataset.open()
    app.add(Flights(Timetable(dataset.flights(), dataset.airlines())))


if __name__ == "__main__":
    run(main)
