"""The implementation of `file.v1.FileService` that tests reach over REST: it tells what has come."""

import asyncio
from collections.abc import AsyncIterator, Callable

from file.v1 import file_pb2 as pb
from file.v1.file_towpath import FileService
from google.api.httpbody_pb2 import HttpBody

from towpath._core.context import Context
from towpath._core.errors import Code, RpcError


class Files(FileService):
    """`on_piece` is called with each piece of an upload."""

    def __init__(self, on_piece: Callable[[bytes], None] | None = None) -> None:
        self.on_piece = on_piece
        self.body = b""
        self.cancelled = asyncio.Event()

    async def upload(self, requests: AsyncIterator[pb.UploadRequest], ctx: Context) -> pb.UploadResponse:
        found, files = pb.UploadResponse(), dict[str, int]()
        try:
            async for request in requests:
                data = request.content.data
                found.size += len(data)
                found.pieces += 1
                found.name, found.content_type, found.draft = request.name, request.content.content_type, request.draft
                found.filename, found.tags[:], found.digest = request.filename, request.tags, request.digest
                if request.filename:
                    file = f"{request.file_index} {request.filename} {request.content.content_type}"
                    files[file] = files.get(file, 0) + len(data)
                if self.on_piece is not None:
                    self.on_piece(data)
                if data.startswith(b"refuse"):
                    raise RpcError(Code.FAILED_PRECONDITION, "not this one")
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        found.files.extend(f"{file} {size}" for file, size in files.items())
        return found

    async def replace(self, request: pb.ReplaceRequest, ctx: Context) -> pb.ReplaceResponse:
        return pb.ReplaceResponse(request=request)

    async def download(self, request: pb.DownloadRequest, ctx: Context) -> AsyncIterator[HttpBody]:
        for number in range(request.pieces):
            if request.fail_after and number == request.fail_after:
                raise RpcError(Code.DATA_LOSS, "the rest is torn")
            yield HttpBody(content_type=request.content_type, data=bytes(request.size))
        if request.fail_after < 0:
            raise RpcError(Code.NOT_FOUND, "there is nothing")

    async def copy(self, request: HttpBody, ctx: Context) -> HttpBody:
        return request

    async def preview(self, request: pb.PreviewRequest, ctx: Context) -> pb.PreviewResponse:
        return pb.PreviewResponse(image=HttpBody(content_type=request.content_type, data=request.name.encode()))

    async def import_(self, requests: AsyncIterator[pb.ImportRequest], ctx: Context) -> pb.ImportResponse:
        found = pb.ImportResponse()
        async for request in requests:
            found.table = request.table
            found.records += 1
            found.total += request.record.amount
        return found

    async def transform(self, requests: AsyncIterator[pb.TransformRequest], ctx: Context) -> AsyncIterator[pb.TransformResponse]:
        async for request in requests:
            if request.record.amount < 0:
                raise RpcError(Code.OUT_OF_RANGE, "less than nothing")
            yield pb.TransformResponse(record=pb.Record(id=request.record.id, amount=2 * request.record.amount))
