"""Run the weather service: `python -m skyline.weather`."""

from skyline.data import Dataset
from skyline.weather.almanac import Almanac
from skyline.weather.service import Weather
from towpath import App, run


async def main(app: App) -> None:
    """Load the month's observations and serve them."""
    app.add(Weather(Almanac(Dataset.open().observations())))


if __name__ == "__main__":
    run(main)
