"""`[service.cors]` of the service file: which pages of other origins may call the service.

    [service.cors]
    origins = ["https://shop.example", "http://localhost:5173"]   # or ["*"], for every origin
    methods = ["GET", "POST"]                                     # GET, HEAD, POST, PUT, PATCH and DELETE without it
    headers = ["authorization"]                                   # beside those of the protocols; or ["*"], for every header
    credentials = false                                           # whether cookies may come along; not with "*" as the origin
    max_age = "600s"                                              # how long a browser may keep what it was told, or "off"

`towpath._wire.cors.CorsOptions` explains them. Without the table no response says anything to other origins, and so browsers keep such
responses from pages.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from towpath._app.settings.option_tables import Seconds
from towpath._core.errors import SetupError
from towpath._wire.cors import DEFAULT_MAX_AGE, DEFAULT_METHODS, MAX_AGE, CorsOptions

_MAX_AGE: Final = Seconds("max_age", 1, MAX_AGE, can_be_off=True)


class CorsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[service.cors]`, as the file has it."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = DEFAULT_METHODS
    headers: tuple[str, ...] = ()
    """The headers that a page may send beside those of the protocols, such as `authorization`; or `*` alone, for every header."""
    credentials: bool = False
    max_age: str | None = None

    def options(self, where: str) -> CorsOptions:
        """The options, checked. Raises SetupError that names the place below `where`."""
        max_age = DEFAULT_MAX_AGE if self.max_age is None else _MAX_AGE.read(self.max_age, f"{where}.max_age")
        try:
            return CorsOptions(
                origins=self.origins,
                methods=self.methods,
                headers=self.headers,
                credentials=self.credentials,
                max_age=max_age or 0.0,
            )
        except SetupError as error:
            raise SetupError(f"{where}.{error}") from None


def told(options: CorsOptions) -> Iterator[tuple[str, str, str | None]]:
    """Each key of the table, its value, and the value without it if that is another one."""
    given = (("origins", ", ".join(options.origins), "none"), ("methods", ", ".join(options.methods), ", ".join(DEFAULT_METHODS)))
    yield from ((key, value, None if value == usual else usual) for key, value, usual in given)
    yield "headers", ", ".join(options.headers) or "those of the protocols", "those of the protocols" if options.headers else None
    yield "credentials", str(options.credentials).lower(), "false" if options.credentials else None
    yield "max_age", _MAX_AGE.told(options.max_age or None), None if options.max_age == DEFAULT_MAX_AGE else _MAX_AGE.told(DEFAULT_MAX_AGE)
