"""Run the search service: `python -m skyline.search`. It needs the addresses of airports, flights, pricing and weather."""

from skyline.airports.v1.airports_towpath import AirportsServiceClient
from skyline.flights.v1.flights_towpath import FlightsServiceClient
from skyline.pricing.v1.pricing_towpath import PricingServiceClient
from skyline.search.service import Search
from skyline.weather.v1.weather_towpath import WeatherServiceClient
from towpath import App, run


async def main(app: App) -> None:
    """Connect to the four services and serve. What a search can do without, and how long it waits for it, the service file says."""
    app.add(
        Search(
            airports=AirportsServiceClient(app.channel("airports")),
            flights=FlightsServiceClient(app.channel("flights")),
            pricing=PricingServiceClient(app.channel("pricing")),
            weather=WeatherServiceClient(app.channel("weather")),
        )
    )


if __name__ == "__main__":
    run(main)
