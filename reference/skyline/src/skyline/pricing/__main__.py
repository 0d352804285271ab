"""Run the pricing service: `python -m skyline.pricing`."""

from skyline.data import Dataset
from skyline.pricing.service import Practice, Pricing
from skyline.pricing.tariff import Tariff
from towpath import App, run


async def main(app: App) -> None:
    """Price the month's flights and serve the fares, and what makes them late."""
    pricing = Pricing(Tariff(Dataset.open().flights()))
    app.add(pricing, Practice(pricing))


if __name__ == "__main__":
    run(main)
