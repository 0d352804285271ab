"""Run the fleet service: `python -m skyline.fleet`."""

from skyline.data import Dataset
from skyline.fleet.hangar import Hangar
from skyline.fleet.service import Fleet
from towpath import App, run


async def main(app: App) -> None:
    """Load the aircraft and serve them."""
    app.add(Fleet(Hangar(Dataset.open().planes())))


if __name__ == "__main__":
    run(main)
