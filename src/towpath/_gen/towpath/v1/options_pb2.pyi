import datetime

from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import code_pb2 as _code_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IdempotencyKey(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IDEMPOTENCY_KEY_UNSPECIFIED: _ClassVar[IdempotencyKey]
    IDEMPOTENCY_KEY_REQUIRED: _ClassVar[IdempotencyKey]
    IDEMPOTENCY_KEY_AUTO: _ClassVar[IdempotencyKey]

class Criticality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CRITICALITY_UNSPECIFIED: _ClassVar[Criticality]
    CRITICALITY_SHEDDABLE: _ClassVar[Criticality]
    CRITICALITY_SHEDDABLE_PLUS: _ClassVar[Criticality]
    CRITICALITY_CRITICAL: _ClassVar[Criticality]
    CRITICALITY_CRITICAL_PLUS: _ClassVar[Criticality]
IDEMPOTENCY_KEY_UNSPECIFIED: IdempotencyKey
IDEMPOTENCY_KEY_REQUIRED: IdempotencyKey
IDEMPOTENCY_KEY_AUTO: IdempotencyKey
CRITICALITY_UNSPECIFIED: Criticality
CRITICALITY_SHEDDABLE: Criticality
CRITICALITY_SHEDDABLE_PLUS: Criticality
CRITICALITY_CRITICAL: Criticality
CRITICALITY_CRITICAL_PLUS: Criticality
METHOD_FIELD_NUMBER: _ClassVar[int]
method: _descriptor.FieldDescriptor

class MethodOptions(_message.Message):
    __slots__ = ("timeout", "criticality", "retry", "hedge", "idempotency_key")
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CRITICALITY_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    HEDGE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    timeout: _duration_pb2.Duration
    criticality: Criticality
    retry: RetryPolicy
    hedge: HedgingPolicy
    idempotency_key: IdempotencyKey
    def __init__(self, timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., criticality: _Optional[_Union[Criticality, str]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., hedge: _Optional[_Union[HedgingPolicy, _Mapping]] = ..., idempotency_key: _Optional[_Union[IdempotencyKey, str]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("max_attempts", "initial_backoff", "max_backoff", "backoff_multiplier", "retryable_status_codes")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_STATUS_CODES_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    initial_backoff: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    backoff_multiplier: float
    retryable_status_codes: _containers.RepeatedScalarFieldContainer[_code_pb2.Code]
    def __init__(self, max_attempts: _Optional[int] = ..., initial_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., backoff_multiplier: _Optional[float] = ..., retryable_status_codes: _Optional[_Iterable[_Union[_code_pb2.Code, str]]] = ...) -> None: ...

class HedgingPolicy(_message.Message):
    __slots__ = ("max_attempts", "hedging_delay", "extra_load", "non_fatal_status_codes")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    HEDGING_DELAY_FIELD_NUMBER: _ClassVar[int]
    EXTRA_LOAD_FIELD_NUMBER: _ClassVar[int]
    NON_FATAL_STATUS_CODES_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    hedging_delay: _duration_pb2.Duration
    extra_load: float
    non_fatal_status_codes: _containers.RepeatedScalarFieldContainer[_code_pb2.Code]
    def __init__(self, max_attempts: _Optional[int] = ..., hedging_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., extra_load: _Optional[float] = ..., non_fatal_status_codes: _Optional[_Iterable[_Union[_code_pb2.Code, str]]] = ...) -> None: ...
