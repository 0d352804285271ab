from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.type import latlng_pb2 as _latlng_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Airport(_message.Message):
    __slots__ = ("name", "code", "display_name", "location", "elevation_feet", "time_zone")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    ELEVATION_FEET_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    name: str
    code: str
    display_name: str
    location: _latlng_pb2.LatLng
    elevation_feet: int
    time_zone: str
    def __init__(self, name: _Optional[str] = ..., code: _Optional[str] = ..., display_name: _Optional[str] = ..., location: _Optional[_Union[_latlng_pb2.LatLng, _Mapping]] = ..., elevation_feet: _Optional[int] = ..., time_zone: _Optional[str] = ...) -> None: ...

class GetAirportRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetAirportResponse(_message.Message):
    __slots__ = ("airport",)
    AIRPORT_FIELD_NUMBER: _ClassVar[int]
    airport: Airport
    def __init__(self, airport: _Optional[_Union[Airport, _Mapping]] = ...) -> None: ...

class BatchGetAirportsRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchGetAirportsResponse(_message.Message):
    __slots__ = ("airports", "unknown_names")
    AIRPORTS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_NAMES_FIELD_NUMBER: _ClassVar[int]
    airports: _containers.RepeatedCompositeFieldContainer[Airport]
    unknown_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, airports: _Optional[_Iterable[_Union[Airport, _Mapping]]] = ..., unknown_names: _Optional[_Iterable[str]] = ...) -> None: ...

class ListAirportsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAirportsResponse(_message.Message):
    __slots__ = ("airports", "next_page_token")
    AIRPORTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    airports: _containers.RepeatedCompositeFieldContainer[Airport]
    next_page_token: str
    def __init__(self, airports: _Optional[_Iterable[_Union[Airport, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
