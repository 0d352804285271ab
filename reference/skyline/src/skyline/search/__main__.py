"""Run the search service: `python -m skyline.search`. It needs the addresses of airports, flights, pricing and weather."""

from skyline.airports.v1.airports_towpath import AirportsServiceClient
from skyline.flights.v1.flights_towpath import FlightsServiceClient
from skyline.pricing.v1.pricing_pb2 import BatchGetFaresResponse
from skyline.pricing.v1.pricing_towpath import BATCH_GET_FARES, PricingServiceClient
from skyline.search.service import Search
from skyline.weather.v1.weather_pb2 import ListObservationsResponse
from skyline.weather.v1.weather_towpath import LIST_OBSERVATIONS, WeatherServiceClient
from towpath import App, run
from towpath.layers.fallback import FixedAnswer


async def main(app: App) -> None:
    """Connect to the four services and serve. Flights without weather or fares are worth more than an error."""
    without_weather = {LIST_OBSERVATIONS: FixedAnswer(response=ListObservationsResponse())}
    without_fares = {BATCH_GET_FARES: FixedAnswer(response=BatchGetFaresResponse())}
    app.add(
        Search(
            airports=AirportsServiceClient(app.channel("airports")),
            flights=FlightsServiceClient(app.channel("flights")),
            pricing=PricingServiceClient(app.channel("pricing").falling_back(without_fares)),
            weather=WeatherServiceClient(app.channel("weather").falling_back(without_weather)),
        )
    )


if __name__ == "__main__":
    run(main)
