"""Run the gateway: `python -m skyline.gateway`. It needs the addresses of all other services.

It has no contract of its own: it serves theirs, by calling them. So one port speaks for the whole system, in every protocol that towpath
has, and describes its REST API at `/openapi.json`.
"""

from typing import Final

from skyline.airports.v1.airports_towpath import AirportsService
from skyline.fleet.v1.fleet_towpath import FleetService
from skyline.flights.v1.flights_towpath import FlightsService
from skyline.inventory.v1.inventory_towpath import InventoryService
from skyline.pricing.v1.pricing_towpath import PricingService
from skyline.search.v1.search_towpath import SearchService
from skyline.weather.v1.weather_towpath import WeatherService
from towpath import App, Service, forward, run

CONTRACTS: Final[dict[str, type[Service]]] = {
    "airports": AirportsService,
    "fleet": FleetService,
    "flights": FlightsService,
    "inventory": InventoryService,
    "pricing": PricingService,
    "search": SearchService,
    "weather": WeatherService,
}
"""What is served, by the target that answers it."""


async def main(app: App) -> None:
    """Connect to everything and serve it."""
    app.add(*(forward(contract, app.channel(target)) for target, contract in CONTRACTS.items()))


if __name__ == "__main__":
    run(main)
