from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Aircraft(_message.Message):
    __slots__ = ("name", "registration", "category", "manufacturer", "model", "engine_type", "engine_count", "seat_count", "manufacture_year", "cruise_speed_mph")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    MANUFACTURER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENGINE_TYPE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEAT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MANUFACTURE_YEAR_FIELD_NUMBER: _ClassVar[int]
    CRUISE_SPEED_MPH_FIELD_NUMBER: _ClassVar[int]
    name: str
    registration: str
    category: str
    manufacturer: str
    model: str
    engine_type: str
    engine_count: int
    seat_count: int
    manufacture_year: int
    cruise_speed_mph: int
    def __init__(self, name: _Optional[str] = ..., registration: _Optional[str] = ..., category: _Optional[str] = ..., manufacturer: _Optional[str] = ..., model: _Optional[str] = ..., engine_type: _Optional[str] = ..., engine_count: _Optional[int] = ..., seat_count: _Optional[int] = ..., manufacture_year: _Optional[int] = ..., cruise_speed_mph: _Optional[int] = ...) -> None: ...

class GetAircraftRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetAircraftResponse(_message.Message):
    __slots__ = ("aircraft",)
    AIRCRAFT_FIELD_NUMBER: _ClassVar[int]
    aircraft: Aircraft
    def __init__(self, aircraft: _Optional[_Union[Aircraft, _Mapping]] = ...) -> None: ...

class ListAircraftRequest(_message.Message):
    __slots__ = ("manufacturer", "page_size", "page_token")
    MANUFACTURER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    manufacturer: str
    page_size: int
    page_token: str
    def __init__(self, manufacturer: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAircraftResponse(_message.Message):
    __slots__ = ("aircraft", "next_page_token")
    AIRCRAFT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    aircraft: _containers.RepeatedCompositeFieldContainer[Aircraft]
    next_page_token: str
    def __init__(self, aircraft: _Optional[_Iterable[_Union[Aircraft, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
