"""Run the airports service: `python -m skyline.airports`."""

from skyline.airports.catalogue import Catalogue
from skyline.airports.service import Airports
from skyline.data import Dataset
from towpath import App, run


async def main(app: App) -> None:
    """Load the airports and serve them."""
    app.add(Airports(Catalogue(Dataset.open().airports())))


if __name__ == "__main__":
    run(main)
