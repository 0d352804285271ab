import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import date_pb2 as _date_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Observation(_message.Message):
    __slots__ = ("name", "observation_time", "temperature_fahrenheit", "dew_point_fahrenheit", "humidity_percent", "wind_direction_degrees", "wind_speed_mph", "wind_gust_mph", "precipitation_inches", "pressure_millibars", "visibility_miles")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_TIME_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FAHRENHEIT_FIELD_NUMBER: _ClassVar[int]
    DEW_POINT_FAHRENHEIT_FIELD_NUMBER: _ClassVar[int]
    HUMIDITY_PERCENT_FIELD_NUMBER: _ClassVar[int]
    WIND_DIRECTION_DEGREES_FIELD_NUMBER: _ClassVar[int]
    WIND_SPEED_MPH_FIELD_NUMBER: _ClassVar[int]
    WIND_GUST_MPH_FIELD_NUMBER: _ClassVar[int]
    PRECIPITATION_INCHES_FIELD_NUMBER: _ClassVar[int]
    PRESSURE_MILLIBARS_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_MILES_FIELD_NUMBER: _ClassVar[int]
    name: str
    observation_time: _timestamp_pb2.Timestamp
    temperature_fahrenheit: float
    dew_point_fahrenheit: float
    humidity_percent: float
    wind_direction_degrees: float
    wind_speed_mph: float
    wind_gust_mph: float
    precipitation_inches: float
    pressure_millibars: float
    visibility_miles: float
    def __init__(self, name: _Optional[str] = ..., observation_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., temperature_fahrenheit: _Optional[float] = ..., dew_point_fahrenheit: _Optional[float] = ..., humidity_percent: _Optional[float] = ..., wind_direction_degrees: _Optional[float] = ..., wind_speed_mph: _Optional[float] = ..., wind_gust_mph: _Optional[float] = ..., precipitation_inches: _Optional[float] = ..., pressure_millibars: _Optional[float] = ..., visibility_miles: _Optional[float] = ...) -> None: ...

class GetObservationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetObservationResponse(_message.Message):
    __slots__ = ("observation",)
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    observation: Observation
    def __init__(self, observation: _Optional[_Union[Observation, _Mapping]] = ...) -> None: ...

class ListObservationsRequest(_message.Message):
    __slots__ = ("parent", "date", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    date: _date_pb2.Date
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListObservationsResponse(_message.Message):
    __slots__ = ("observations", "next_page_token")
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    next_page_token: str
    def __init__(self, observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
