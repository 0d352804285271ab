from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.type import date_pb2 as _date_pb2
from google.type import money_pb2 as _money_pb2
from skyline.airports.v1 import airports_pb2 as _airports_pb2
from skyline.flights.v1 import flights_pb2 as _flights_pb2
from skyline.weather.v1 import weather_pb2 as _weather_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchFlightsRequest(_message.Message):
    __slots__ = ("origin", "destination", "date", "page_size", "page_token")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    origin: str
    destination: str
    date: _date_pb2.Date
    page_size: int
    page_token: str
    def __init__(self, origin: _Optional[str] = ..., destination: _Optional[str] = ..., date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchFlightsResponse(_message.Message):
    __slots__ = ("route", "results", "next_page_token")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    route: Route
    results: _containers.RepeatedCompositeFieldContainer[FlightResult]
    next_page_token: str
    def __init__(self, route: _Optional[_Union[Route, _Mapping]] = ..., results: _Optional[_Iterable[_Union[FlightResult, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("origin", "destination", "great_circle_miles")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    GREAT_CIRCLE_MILES_FIELD_NUMBER: _ClassVar[int]
    origin: _airports_pb2.Airport
    destination: _airports_pb2.Airport
    great_circle_miles: float
    def __init__(self, origin: _Optional[_Union[_airports_pb2.Airport, _Mapping]] = ..., destination: _Optional[_Union[_airports_pb2.Airport, _Mapping]] = ..., great_circle_miles: _Optional[float] = ...) -> None: ...

class FlightResult(_message.Message):
    __slots__ = ("flight", "departure_weather", "price")
    FLIGHT_FIELD_NUMBER: _ClassVar[int]
    DEPARTURE_WEATHER_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    flight: _flights_pb2.Flight
    departure_weather: _weather_pb2.Observation
    price: _money_pb2.Money
    def __init__(self, flight: _Optional[_Union[_flights_pb2.Flight, _Mapping]] = ..., departure_weather: _Optional[_Union[_weather_pb2.Observation, _Mapping]] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...
