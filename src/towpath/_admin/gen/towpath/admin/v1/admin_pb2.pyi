import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from towpath._gen.towpath.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_UNSPECIFIED: _ClassVar[State]
    STATE_STARTING: _ClassVar[State]
    STATE_SERVING: _ClassVar[State]
    STATE_UNREADY: _ClassVar[State]
    STATE_STOPPING: _ClassVar[State]
STATE_UNSPECIFIED: State
STATE_STARTING: State
STATE_SERVING: State
STATE_UNREADY: State
STATE_STOPPING: State

class GetProcessRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProcessResponse(_message.Message):
    __slots__ = ("service", "towpath_version", "python_version", "pid", "worker", "state", "uptime", "address", "failed_probes")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    TOWPATH_VERSION_FIELD_NUMBER: _ClassVar[int]
    PYTHON_VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FAILED_PROBES_FIELD_NUMBER: _ClassVar[int]
    service: str
    towpath_version: str
    python_version: str
    pid: int
    worker: int
    state: State
    uptime: _duration_pb2.Duration
    address: str
    failed_probes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, service: _Optional[str] = ..., towpath_version: _Optional[str] = ..., python_version: _Optional[str] = ..., pid: _Optional[int] = ..., worker: _Optional[int] = ..., state: _Optional[_Union[State, str]] = ..., uptime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., address: _Optional[str] = ..., failed_probes: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMetricsRequest(_message.Message):
    __slots__ = ("prefixes",)
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, prefixes: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMetricsResponse(_message.Message):
    __slots__ = ("metrics",)
    METRICS_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    def __init__(self, metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("name", "kind", "samples")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Metric.Kind]
        KIND_COUNTER: _ClassVar[Metric.Kind]
        KIND_GAUGE: _ClassVar[Metric.Kind]
        KIND_HISTOGRAM: _ClassVar[Metric.Kind]
    KIND_UNSPECIFIED: Metric.Kind
    KIND_COUNTER: Metric.Kind
    KIND_GAUGE: Metric.Kind
    KIND_HISTOGRAM: Metric.Kind
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: Metric.Kind
    samples: _containers.RepeatedCompositeFieldContainer[Sample]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[Metric.Kind, str]] = ..., samples: _Optional[_Iterable[_Union[Sample, _Mapping]]] = ...) -> None: ...

class Sample(_message.Message):
    __slots__ = ("labels", "value", "bounds", "counts")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.ScalarMap[str, str]
    value: float
    bounds: _containers.RepeatedScalarFieldContainer[float]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, labels: _Optional[_Mapping[str, str]] = ..., value: _Optional[float] = ..., bounds: _Optional[_Iterable[float]] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...

class ReadRowsRequest(_message.Message):
    __slots__ = ("trace_ids", "after", "kept")
    TRACE_IDS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    trace_ids: _containers.RepeatedScalarFieldContainer[str]
    after: int
    kept: bool
    def __init__(self, trace_ids: _Optional[_Iterable[str]] = ..., after: _Optional[int] = ..., kept: _Optional[bool] = ...) -> None: ...

class ReadRowsResponse(_message.Message):
    __slots__ = ("recording", "rows")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    recording: Recording
    rows: bytes
    def __init__(self, recording: _Optional[_Union[Recording, _Mapping]] = ..., rows: _Optional[bytes] = ...) -> None: ...

class Recording(_message.Message):
    __slots__ = ("version", "service", "pid", "names", "monotonic", "time_of_day")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    MONOTONIC_FIELD_NUMBER: _ClassVar[int]
    TIME_OF_DAY_FIELD_NUMBER: _ClassVar[int]
    version: int
    service: str
    pid: int
    names: _containers.RepeatedScalarFieldContainer[str]
    monotonic: float
    time_of_day: float
    def __init__(self, version: _Optional[int] = ..., service: _Optional[str] = ..., pid: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ..., monotonic: _Optional[float] = ..., time_of_day: _Optional[float] = ...) -> None: ...
