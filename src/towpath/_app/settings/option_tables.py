"""Tables of the service file that set the options of one class: for each key its option, its unit and its range.

A table is a struct, whose fields say which keys there are, and a mapping of `Key`s, which says what they mean. So a value out of its range
ends in an error that names file, key and range, and `towpath explain` shows a value as the file would have it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec

from towpath._app.settings.duration import parse_duration
from towpath._core.errors import SetupError

OFF: Final = "off"
"""The value of a setting that switches off what another value would limit."""

YEAR: Final = 365 * 86_400.0
"""The longest duration in seconds that a limit may have: timers and sockets can hold it."""

Options = TypeVar("Options")


class Key(Protocol):
    """One key of a table."""

    @property
    def option(self) -> str:
        """The option that the key sets."""
        ...

    def read(self, value: Any, where: str, /) -> Any:
        """The option's value for the `value` in the file. Raises SetupError that names the place `where`."""
        ...

    def told(self, value: Any, /) -> str:
        """An option's value as the file would have it."""
        ...


@dataclass(frozen=True)
class Number:
    """A key whose value is a number in a range."""

    option: str
    least: float
    most: float
    unit: str = ""
    """The unit in messages, such as "bytes"."""

    def read(self, value: float, where: str, /) -> float:
        """`value` itself."""
        if not self.least <= value <= self.most:
            raise SetupError(f"{where}: {value} is out of range; give {self.told(self.least)} to {self.told(self.most)}{self._unit}")
        return value

    def told(self, value: float | None, /) -> str:
        """The number; "none" for no bound."""
        return "none" if value is None else str(value) if isinstance(value, int) else f"{value:.12g}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


@dataclass(frozen=True)
class Seconds:
    """A key whose value is a duration such as "0.5s". With `can_be_off` it may be "off" too, which is None as an option."""

    option: str
    least: float = 0.001
    most: float = YEAR
    can_be_off: bool = False

    def read(self, value: str, where: str, /) -> float | None:
        """The seconds of the duration."""
        if self.can_be_off and value == OFF:
            return None
        seconds = parse_duration(value, where)
        if not self.least <= seconds <= self.most:
            off = f', or "{OFF}"' if self.can_be_off else ""
            raise SetupError(f'{where}: {value!r} is out of range; give "{self.told(self.least)}" to "{self.told(self.most)}"{off}')
        return seconds

    def told(self, value: float | None, /) -> str:
        """The duration; "off" for none."""
        return OFF if value is None else f"{value:.12g}s"


Keys = Mapping[str, Key]
"""The keys of a table by their names in the file."""


def options(into: Callable[..., Options], table: msgspec.Struct, keys: Keys, where: str) -> Options:
    """An `into` with the option of each of `keys` that `table` has. Raises SetupError that names the place `where`, and the key unless
    it is about several."""
    given: dict[str, Any] = {}
    for name, key in keys.items():
        value = getattr(table, name)
        if value is not None:
            given[key.option] = key.read(value, f"{where}.{name}")
    try:
        return into(**given)
    except (SetupError, ValueError) as error:
        raise SetupError(f"{where}: {error}") from None


def told(keys: Keys, value: object, default: object) -> Iterator[tuple[str, str, str | None]]:
    """Each of `keys`, its value in the options `value`, and its value in the options `default` if that is another one."""
    for name, key in keys.items():
        held, usual = getattr(value, key.option), getattr(default, key.option)
        yield name, key.told(held), None if held == usual else key.told(usual)
