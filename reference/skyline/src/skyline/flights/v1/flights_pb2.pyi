import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import date_pb2 as _date_pb2
from google.type import timeofday_pb2 as _timeofday_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Flight(_message.Message):
    __slots__ = ("name", "airline_code", "airline", "flight_number", "tail_number", "origin", "destination", "state", "scheduled_departure_time", "departure_time", "departure_delay", "scheduled_arrival_time", "arrival_time", "arrival_delay", "air_duration", "distance_miles")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Flight.State]
        STATE_ARRIVED: _ClassVar[Flight.State]
        STATE_CANCELLED: _ClassVar[Flight.State]
        STATE_DIVERTED: _ClassVar[Flight.State]
    STATE_UNSPECIFIED: Flight.State
    STATE_ARRIVED: Flight.State
    STATE_CANCELLED: Flight.State
    STATE_DIVERTED: Flight.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    AIRLINE_CODE_FIELD_NUMBER: _ClassVar[int]
    AIRLINE_FIELD_NUMBER: _ClassVar[int]
    FLIGHT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TAIL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_DEPARTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    DEPARTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    DEPARTURE_DELAY_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_ARRIVAL_TIME_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_TIME_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_DELAY_FIELD_NUMBER: _ClassVar[int]
    AIR_DURATION_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_MILES_FIELD_NUMBER: _ClassVar[int]
    name: str
    airline_code: str
    airline: str
    flight_number: int
    tail_number: str
    origin: str
    destination: str
    state: Flight.State
    scheduled_departure_time: _timestamp_pb2.Timestamp
    departure_time: _timestamp_pb2.Timestamp
    departure_delay: _duration_pb2.Duration
    scheduled_arrival_time: _timeofday_pb2.TimeOfDay
    arrival_time: _timeofday_pb2.TimeOfDay
    arrival_delay: _duration_pb2.Duration
    air_duration: _duration_pb2.Duration
    distance_miles: int
    def __init__(self, name: _Optional[str] = ..., airline_code: _Optional[str] = ..., airline: _Optional[str] = ..., flight_number: _Optional[int] = ..., tail_number: _Optional[str] = ..., origin: _Optional[str] = ..., destination: _Optional[str] = ..., state: _Optional[_Union[Flight.State, str]] = ..., scheduled_departure_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., departure_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., departure_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., scheduled_arrival_time: _Optional[_Union[_timeofday_pb2.TimeOfDay, _Mapping]] = ..., arrival_time: _Optional[_Union[_timeofday_pb2.TimeOfDay, _Mapping]] = ..., arrival_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., air_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., distance_miles: _Optional[int] = ...) -> None: ...

class GetFlightRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetFlightResponse(_message.Message):
    __slots__ = ("flight",)
    FLIGHT_FIELD_NUMBER: _ClassVar[int]
    flight: Flight
    def __init__(self, flight: _Optional[_Union[Flight, _Mapping]] = ...) -> None: ...

class ListFlightsRequest(_message.Message):
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

class ListFlightsResponse(_message.Message):
    __slots__ = ("flights", "next_page_token")
    FLIGHTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    flights: _containers.RepeatedCompositeFieldContainer[Flight]
    next_page_token: str
    def __init__(self, flights: _Optional[_Iterable[_Union[Flight, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("date", "origin", "speed")
    DATE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    date: _date_pb2.Date
    origin: str
    speed: int
    def __init__(self, date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., origin: _Optional[str] = ..., speed: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("flight",)
    FLIGHT_FIELD_NUMBER: _ClassVar[int]
    flight: Flight
    def __init__(self, flight: _Optional[_Union[Flight, _Mapping]] = ...) -> None: ...
