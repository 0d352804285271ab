"""The implementation of `library.v1.LibraryService` that tests reach over REST: it answers with what it was asked, as it understood it."""

import asyncio
from collections.abc import AsyncIterator

from library.v1 import library_pb2 as pb
from library.v1.library_towpath import LibraryService

from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata


class Library(LibraryService):
    """Has every book but the one called `missing`."""

    async def get_book(self, request: pb.GetBookRequest, ctx: Context) -> pb.GetBookResponse:
        if request.name.endswith("/missing"):
            raise RpcError(Code.NOT_FOUND, f"there is no {request.name}")
        ctx.reply.headers = Metadata([("etag", '"1"')])
        return pb.GetBookResponse(book=pb.Book(name=request.name, title="Emma", page_count=474, genre=pb.GENRE_FICTION))

    async def list_books(self, request: pb.ListBooksRequest, ctx: Context) -> pb.ListBooksResponse:
        return pb.ListBooksResponse(request=request)

    async def create_book(self, request: pb.CreateBookRequest, ctx: Context) -> pb.CreateBookResponse:
        request.book.name = f"{request.parent}/books/{request.book_id or 'new'}"
        return pb.CreateBookResponse(book=request.book)

    async def update_book(self, request: pb.UpdateBookRequest, ctx: Context) -> pb.UpdateBookResponse:
        return pb.UpdateBookResponse(request=request)

    async def move_book(self, request: pb.MoveBookRequest, ctx: Context) -> pb.MoveBookResponse:
        return pb.MoveBookResponse(request=request)

    async def read_archive(self, request: pb.ReadArchiveRequest, ctx: Context) -> pb.ReadArchiveResponse:
        return pb.ReadArchiveResponse(path=request.path)

    async def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> AsyncIterator[pb.ReadPagesResponse]:
        for number in range(1, request.count + 1):
            if request.fail_after == number - 1 and request.fail_after:
                raise RpcError(Code.DATA_LOSS, "the rest is torn out")
            yield pb.ReadPagesResponse(number=number, text=f"page {number}")
            await asyncio.sleep(0)
