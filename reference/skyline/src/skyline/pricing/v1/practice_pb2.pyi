import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SetDelayRequest(_message.Message):
    __slots__ = ("delay",)
    DELAY_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    def __init__(self, delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SetDelayResponse(_message.Message):
    __slots__ = ("previous_delay",)
    PREVIOUS_DELAY_FIELD_NUMBER: _ClassVar[int]
    previous_delay: _duration_pb2.Duration
    def __init__(self, previous_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
