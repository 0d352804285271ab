import datetime

from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Criticality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CRITICALITY_UNSPECIFIED: _ClassVar[Criticality]
    CRITICALITY_SHEDDABLE: _ClassVar[Criticality]
    CRITICALITY_SHEDDABLE_PLUS: _ClassVar[Criticality]
    CRITICALITY_CRITICAL: _ClassVar[Criticality]
    CRITICALITY_CRITICAL_PLUS: _ClassVar[Criticality]
CRITICALITY_UNSPECIFIED: Criticality
CRITICALITY_SHEDDABLE: Criticality
CRITICALITY_SHEDDABLE_PLUS: Criticality
CRITICALITY_CRITICAL: Criticality
CRITICALITY_CRITICAL_PLUS: Criticality
METHOD_FIELD_NUMBER: _ClassVar[int]
method: _descriptor.FieldDescriptor

class MethodOptions(_message.Message):
    __slots__ = ("timeout", "criticality")
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CRITICALITY_FIELD_NUMBER: _ClassVar[int]
    timeout: _duration_pb2.Duration
    criticality: Criticality
    def __init__(self, timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., criticality: _Optional[_Union[Criticality, str]] = ...) -> None: ...
