from google.api import annotations_pb2 as _annotations_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UploadRequest(_message.Message):
    __slots__ = ("name", "content", "draft", "filename", "file_index", "tags", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    FILE_INDEX_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    content: _httpbody_pb2.HttpBody
    draft: bool
    filename: str
    file_index: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    digest: bytes
    def __init__(self, name: _Optional[str] = ..., content: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ..., draft: _Optional[bool] = ..., filename: _Optional[str] = ..., file_index: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ..., digest: _Optional[bytes] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("name", "content_type", "size", "pieces", "draft", "filename", "tags", "digest", "files")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    name: str
    content_type: str
    size: int
    pieces: int
    draft: bool
    filename: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    digest: bytes
    files: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., content_type: _Optional[str] = ..., size: _Optional[int] = ..., pieces: _Optional[int] = ..., draft: _Optional[bool] = ..., filename: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., digest: _Optional[bytes] = ..., files: _Optional[_Iterable[str]] = ...) -> None: ...

class ReplaceRequest(_message.Message):
    __slots__ = ("name", "content", "draft")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    name: str
    content: _httpbody_pb2.HttpBody
    draft: bool
    def __init__(self, name: _Optional[str] = ..., content: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ..., draft: _Optional[bool] = ...) -> None: ...

class ReplaceResponse(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: ReplaceRequest
    def __init__(self, request: _Optional[_Union[ReplaceRequest, _Mapping]] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("name", "pieces", "size", "content_type", "fail_after")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FAIL_AFTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    pieces: int
    size: int
    content_type: str
    fail_after: int
    def __init__(self, name: _Optional[str] = ..., pieces: _Optional[int] = ..., size: _Optional[int] = ..., content_type: _Optional[str] = ..., fail_after: _Optional[int] = ...) -> None: ...

class PreviewRequest(_message.Message):
    __slots__ = ("name", "content_type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    content_type: str
    def __init__(self, name: _Optional[str] = ..., content_type: _Optional[str] = ...) -> None: ...

class PreviewResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: _httpbody_pb2.HttpBody
    def __init__(self, image: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("id", "amount")
    ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    amount: int
    def __init__(self, id: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ("table", "record")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    table: str
    record: Record
    def __init__(self, table: _Optional[str] = ..., record: _Optional[_Union[Record, _Mapping]] = ...) -> None: ...

class ImportResponse(_message.Message):
    __slots__ = ("table", "records", "total")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    table: str
    records: int
    total: int
    def __init__(self, table: _Optional[str] = ..., records: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class TransformRequest(_message.Message):
    __slots__ = ("record",)
    RECORD_FIELD_NUMBER: _ClassVar[int]
    record: Record
    def __init__(self, record: _Optional[_Union[Record, _Mapping]] = ...) -> None: ...

class TransformResponse(_message.Message):
    __slots__ = ("record",)
    RECORD_FIELD_NUMBER: _ClassVar[int]
    record: Record
    def __init__(self, record: _Optional[_Union[Record, _Mapping]] = ...) -> None: ...
