from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.type import money_pb2 as _money_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Fare(_message.Message):
    __slots__ = ("flight", "price")
    FLIGHT_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    flight: str
    price: _money_pb2.Money
    def __init__(self, flight: _Optional[str] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class BatchGetFaresRequest(_message.Message):
    __slots__ = ("flights",)
    FLIGHTS_FIELD_NUMBER: _ClassVar[int]
    flights: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, flights: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchGetFaresResponse(_message.Message):
    __slots__ = ("fares", "unknown_flights")
    FARES_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FLIGHTS_FIELD_NUMBER: _ClassVar[int]
    fares: _containers.RepeatedCompositeFieldContainer[Fare]
    unknown_flights: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, fares: _Optional[_Iterable[_Union[Fare, _Mapping]]] = ..., unknown_flights: _Optional[_Iterable[str]] = ...) -> None: ...
