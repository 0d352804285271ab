"""Run the inventory service: `python -m skyline.inventory`. TOWPATH_IDEMPOTENCY names another file than the service file does."""

from skyline.data import Dataset
from skyline.inventory.holds import Holds
from skyline.inventory.seats import Seats
from skyline.inventory.service import Inventory
from towpath import App, SetupError, run
from towpath.stores import SqliteStore


async def main(app: App) -> None:
    """Open the file and serve its holds. Holds and idempotency keys are in one file, so that a hold and its answer are one commit."""
    store = await app.store()
    if not isinstance(store, SqliteStore):
        raise SetupError(
            f'{app.config.idempotency_where}: holds are kept in the SQLite file of the idempotency keys; set it to "sqlite:///PATH"'
        )
    dataset = Dataset.open()
    app.add(Inventory(await Holds.open(store), Seats(dataset.flights(), dataset.planes())))


if __name__ == "__main__":
    run(main)
