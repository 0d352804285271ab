import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_ONE: _ClassVar[Kind]
    KIND_TWO: _ClassVar[Kind]
    KIND_NEGATIVE: _ClassVar[Kind]
KIND_UNSPECIFIED: Kind
KIND_ONE: Kind
KIND_TWO: Kind
KIND_NEGATIVE: Kind

class Everything(_message.Message):
    __slots__ = ("a_double", "a_float", "an_int32", "an_int64", "a_uint32", "a_uint64", "a_sint32", "a_sint64", "a_fixed32", "a_fixed64", "an_sfixed32", "an_sfixed64", "a_bool", "a_string", "some_bytes", "a_kind", "nested", "maybe_int32", "maybe_string", "maybe_bool", "maybe_kind", "doubles", "floats", "int32s", "int64s", "uint64s", "bools", "strings", "bytess", "kinds", "children", "strings_by_string", "numbers_by_int32", "bytes_by_bool", "kinds_by_uint64", "children_by_string", "doubles_by_string", "values_by_string", "chosen_number", "chosen_string", "chosen_child", "chosen_null", "timestamp", "duration", "field_mask", "struct", "value", "list_value", "any", "empty", "double_value", "float_value", "int64_value", "uint64_value", "int32_value", "uint32_value", "bool_value", "string_value", "bytes_value", "timestamps", "values", "int64_values", "renamed")
    class StringsByStringEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class NumbersByInt32Entry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class BytesByBoolEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: bool
        value: bytes
        def __init__(self, key: _Optional[bool] = ..., value: _Optional[bytes] = ...) -> None: ...
    class KindsByUint64Entry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Kind
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Kind, str]] = ...) -> None: ...
    class ChildrenByStringEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Everything
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Everything, _Mapping]] = ...) -> None: ...
    class DoublesByStringEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ValuesByStringEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    A_DOUBLE_FIELD_NUMBER: _ClassVar[int]
    A_FLOAT_FIELD_NUMBER: _ClassVar[int]
    AN_INT32_FIELD_NUMBER: _ClassVar[int]
    AN_INT64_FIELD_NUMBER: _ClassVar[int]
    A_UINT32_FIELD_NUMBER: _ClassVar[int]
    A_UINT64_FIELD_NUMBER: _ClassVar[int]
    A_SINT32_FIELD_NUMBER: _ClassVar[int]
    A_SINT64_FIELD_NUMBER: _ClassVar[int]
    A_FIXED32_FIELD_NUMBER: _ClassVar[int]
    A_FIXED64_FIELD_NUMBER: _ClassVar[int]
    AN_SFIXED32_FIELD_NUMBER: _ClassVar[int]
    AN_SFIXED64_FIELD_NUMBER: _ClassVar[int]
    A_BOOL_FIELD_NUMBER: _ClassVar[int]
    A_STRING_FIELD_NUMBER: _ClassVar[int]
    SOME_BYTES_FIELD_NUMBER: _ClassVar[int]
    A_KIND_FIELD_NUMBER: _ClassVar[int]
    NESTED_FIELD_NUMBER: _ClassVar[int]
    MAYBE_INT32_FIELD_NUMBER: _ClassVar[int]
    MAYBE_STRING_FIELD_NUMBER: _ClassVar[int]
    MAYBE_BOOL_FIELD_NUMBER: _ClassVar[int]
    MAYBE_KIND_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_FIELD_NUMBER: _ClassVar[int]
    FLOATS_FIELD_NUMBER: _ClassVar[int]
    INT32S_FIELD_NUMBER: _ClassVar[int]
    INT64S_FIELD_NUMBER: _ClassVar[int]
    UINT64S_FIELD_NUMBER: _ClassVar[int]
    BOOLS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    BYTESS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    STRINGS_BY_STRING_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_BY_INT32_FIELD_NUMBER: _ClassVar[int]
    BYTES_BY_BOOL_FIELD_NUMBER: _ClassVar[int]
    KINDS_BY_UINT64_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_BY_STRING_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_BY_STRING_FIELD_NUMBER: _ClassVar[int]
    VALUES_BY_STRING_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_STRING_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_CHILD_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_NULL_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FIELD_MASK_FIELD_NUMBER: _ClassVar[int]
    STRUCT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    ANY_FIELD_NUMBER: _ClassVar[int]
    EMPTY_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_VALUE_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    UINT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT32_VALUE_FIELD_NUMBER: _ClassVar[int]
    UINT32_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    BYTES_VALUE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    INT64_VALUES_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    RENAMED_FIELD_NUMBER: _ClassVar[int]
    a_double: float
    a_float: float
    an_int32: int
    an_int64: int
    a_uint32: int
    a_uint64: int
    a_sint32: int
    a_sint64: int
    a_fixed32: int
    a_fixed64: int
    an_sfixed32: int
    an_sfixed64: int
    a_bool: bool
    a_string: str
    some_bytes: bytes
    a_kind: Kind
    nested: Everything
    maybe_int32: int
    maybe_string: str
    maybe_bool: bool
    maybe_kind: Kind
    doubles: _containers.RepeatedScalarFieldContainer[float]
    floats: _containers.RepeatedScalarFieldContainer[float]
    int32s: _containers.RepeatedScalarFieldContainer[int]
    int64s: _containers.RepeatedScalarFieldContainer[int]
    uint64s: _containers.RepeatedScalarFieldContainer[int]
    bools: _containers.RepeatedScalarFieldContainer[bool]
    strings: _containers.RepeatedScalarFieldContainer[str]
    bytess: _containers.RepeatedScalarFieldContainer[bytes]
    kinds: _containers.RepeatedScalarFieldContainer[Kind]
    children: _containers.RepeatedCompositeFieldContainer[Everything]
    strings_by_string: _containers.ScalarMap[str, str]
    numbers_by_int32: _containers.ScalarMap[int, int]
    bytes_by_bool: _containers.ScalarMap[bool, bytes]
    kinds_by_uint64: _containers.ScalarMap[int, Kind]
    children_by_string: _containers.MessageMap[str, Everything]
    doubles_by_string: _containers.ScalarMap[str, float]
    values_by_string: _containers.MessageMap[str, _struct_pb2.Value]
    chosen_number: int
    chosen_string: str
    chosen_child: Everything
    chosen_null: _struct_pb2.NullValue
    timestamp: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    field_mask: _field_mask_pb2.FieldMask
    struct: _struct_pb2.Struct
    value: _struct_pb2.Value
    list_value: _struct_pb2.ListValue
    any: _any_pb2.Any
    empty: _empty_pb2.Empty
    double_value: _wrappers_pb2.DoubleValue
    float_value: _wrappers_pb2.FloatValue
    int64_value: _wrappers_pb2.Int64Value
    uint64_value: _wrappers_pb2.UInt64Value
    int32_value: _wrappers_pb2.Int32Value
    uint32_value: _wrappers_pb2.UInt32Value
    bool_value: _wrappers_pb2.BoolValue
    string_value: _wrappers_pb2.StringValue
    bytes_value: _wrappers_pb2.BytesValue
    timestamps: _containers.RepeatedCompositeFieldContainer[_timestamp_pb2.Timestamp]
    values: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    int64_values: _containers.RepeatedCompositeFieldContainer[_wrappers_pb2.Int64Value]
    renamed: str
    def __init__(self, a_double: _Optional[float] = ..., a_float: _Optional[float] = ..., an_int32: _Optional[int] = ..., an_int64: _Optional[int] = ..., a_uint32: _Optional[int] = ..., a_uint64: _Optional[int] = ..., a_sint32: _Optional[int] = ..., a_sint64: _Optional[int] = ..., a_fixed32: _Optional[int] = ..., a_fixed64: _Optional[int] = ..., an_sfixed32: _Optional[int] = ..., an_sfixed64: _Optional[int] = ..., a_bool: _Optional[bool] = ..., a_string: _Optional[str] = ..., some_bytes: _Optional[bytes] = ..., a_kind: _Optional[_Union[Kind, str]] = ..., nested: _Optional[_Union[Everything, _Mapping]] = ..., maybe_int32: _Optional[int] = ..., maybe_string: _Optional[str] = ..., maybe_bool: _Optional[bool] = ..., maybe_kind: _Optional[_Union[Kind, str]] = ..., doubles: _Optional[_Iterable[float]] = ..., floats: _Optional[_Iterable[float]] = ..., int32s: _Optional[_Iterable[int]] = ..., int64s: _Optional[_Iterable[int]] = ..., uint64s: _Optional[_Iterable[int]] = ..., bools: _Optional[_Iterable[bool]] = ..., strings: _Optional[_Iterable[str]] = ..., bytess: _Optional[_Iterable[bytes]] = ..., kinds: _Optional[_Iterable[_Union[Kind, str]]] = ..., children: _Optional[_Iterable[_Union[Everything, _Mapping]]] = ..., strings_by_string: _Optional[_Mapping[str, str]] = ..., numbers_by_int32: _Optional[_Mapping[int, int]] = ..., bytes_by_bool: _Optional[_Mapping[bool, bytes]] = ..., kinds_by_uint64: _Optional[_Mapping[int, Kind]] = ..., children_by_string: _Optional[_Mapping[str, Everything]] = ..., doubles_by_string: _Optional[_Mapping[str, float]] = ..., values_by_string: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., chosen_number: _Optional[int] = ..., chosen_string: _Optional[str] = ..., chosen_child: _Optional[_Union[Everything, _Mapping]] = ..., chosen_null: _Optional[_Union[_struct_pb2.NullValue, str]] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., field_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., struct: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., list_value: _Optional[_Union[_struct_pb2.ListValue, _Mapping]] = ..., any: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., empty: _Optional[_Union[_empty_pb2.Empty, _Mapping]] = ..., double_value: _Optional[_Union[_wrappers_pb2.DoubleValue, _Mapping]] = ..., float_value: _Optional[_Union[_wrappers_pb2.FloatValue, _Mapping]] = ..., int64_value: _Optional[_Union[_wrappers_pb2.Int64Value, _Mapping]] = ..., uint64_value: _Optional[_Union[_wrappers_pb2.UInt64Value, _Mapping]] = ..., int32_value: _Optional[_Union[_wrappers_pb2.Int32Value, _Mapping]] = ..., uint32_value: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., bool_value: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., string_value: _Optional[_Union[_wrappers_pb2.StringValue, _Mapping]] = ..., bytes_value: _Optional[_Union[_wrappers_pb2.BytesValue, _Mapping]] = ..., timestamps: _Optional[_Iterable[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]]] = ..., values: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ..., int64_values: _Optional[_Iterable[_Union[_wrappers_pb2.Int64Value, _Mapping]]] = ..., renamed: _Optional[str] = ..., **kwargs) -> None: ...

class Order(_message.Message):
    __slots__ = ("id", "customer_number", "currency", "address", "lines", "kind", "paid")
    ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAID_FIELD_NUMBER: _ClassVar[int]
    id: str
    customer_number: int
    currency: str
    address: Address
    lines: _containers.RepeatedCompositeFieldContainer[Line]
    kind: Kind
    paid: bool
    def __init__(self, id: _Optional[str] = ..., customer_number: _Optional[int] = ..., currency: _Optional[str] = ..., address: _Optional[_Union[Address, _Mapping]] = ..., lines: _Optional[_Iterable[_Union[Line, _Mapping]]] = ..., kind: _Optional[_Union[Kind, str]] = ..., paid: _Optional[bool] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("street", "city", "postal_code")
    STREET_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    street: str
    city: str
    postal_code: str
    def __init__(self, street: _Optional[str] = ..., city: _Optional[str] = ..., postal_code: _Optional[str] = ...) -> None: ...

class Line(_message.Message):
    __slots__ = ("article", "quantity", "price_cents")
    ARTICLE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_CENTS_FIELD_NUMBER: _ClassVar[int]
    article: str
    quantity: int
    price_cents: int
    def __init__(self, article: _Optional[str] = ..., quantity: _Optional[int] = ..., price_cents: _Optional[int] = ...) -> None: ...
