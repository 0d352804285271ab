"""The pictures, one file each. They are read and written piece by piece, so that the memory of a picture is that of a piece."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import uuid4

_PIECE: Final = 65536
_FILE_NAME: Final = re.compile(r"[\w-]+", re.ASCII)


class PictureTooLargeError(Exception):
    """A picture is larger than the settings allow."""


class Pictures:
    """Pictures of up to `max_size` bytes in `folder`."""

    def __init__(self, folder: Path, max_size: int) -> None:
        self._folder = folder
        self._max_size = max_size

    async def keep(self, sku: str, pieces: AsyncIterator[bytes]) -> int:
        """Keep the picture of `sku` that `pieces` make, and return its size. It takes the place of the one before when it is whole, so that
        nobody ever sees a half. Raises PictureTooLargeError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{uuid4().hex}.part"
        size = 0
        try:
            with part.open("wb") as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > self._max_size:
                        raise PictureTooLargeError
                    await asyncio.to_thread(file.write, piece)
            part.replace(self._path(sku))
        finally:
            part.unlink(missing_ok=True)
        return size

    async def read(self, sku: str) -> AsyncIterator[bytes]:
        """The picture of `sku`, in pieces. Raises FileNotFoundError."""
        with self._path(sku).open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    def _path(self, sku: str) -> Path:
        if not _FILE_NAME.fullmatch(sku):
            raise FileNotFoundError(sku)
        return self._folder / sku
