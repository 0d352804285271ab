from everything.v1 import everything_pb2 as _everything_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WeighRequest(_message.Message):
    __slots__ = ("content", "echo")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    content: _everything_pb2.Everything
    echo: bool
    def __init__(self, content: _Optional[_Union[_everything_pb2.Everything, _Mapping]] = ..., echo: _Optional[bool] = ...) -> None: ...

class WeighResponse(_message.Message):
    __slots__ = ("size", "content")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    size: int
    content: _everything_pb2.Everything
    def __init__(self, size: _Optional[int] = ..., content: _Optional[_Union[_everything_pb2.Everything, _Mapping]] = ...) -> None: ...

class CensusRequest(_message.Message):
    __slots__ = ("forget_peak",)
    FORGET_PEAK_FIELD_NUMBER: _ClassVar[int]
    forget_peak: bool
    def __init__(self, forget_peak: _Optional[bool] = ...) -> None: ...

class CensusResponse(_message.Message):
    __slots__ = ("tasks", "descriptors", "memory", "peak", "faults", "last_fault")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTORS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    PEAK_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    LAST_FAULT_FIELD_NUMBER: _ClassVar[int]
    tasks: int
    descriptors: int
    memory: int
    peak: int
    faults: int
    last_fault: str
    def __init__(self, tasks: _Optional[int] = ..., descriptors: _Optional[int] = ..., memory: _Optional[int] = ..., peak: _Optional[int] = ..., faults: _Optional[int] = ..., last_fault: _Optional[str] = ...) -> None: ...
