"""What a team's settings class says of its fields: a frozen `msgspec.Struct` or a frozen dataclass.

Both kinds are read alike, and may be nested in each other. A field is secret if its type says so (`Secret`), or by its name.
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from towpath._core.errors import SetupError


@dataclass(frozen=True)
class Mark:
    """What an annotated type says of its values beyond their type."""

    text: str


SECRET: Final = Mark("secret")
DURATION: Final = Mark("duration")

Secret = Annotated[str, SECRET]
"""The type of a setting whose value is shown nowhere."""

Seconds = Annotated[float, DURATION]
"""The type of a setting that is a number of seconds in the code, and a duration such as "0.5s" in file and environment."""

_SECRETS: Final = re.compile(r"(^|_)(password|passwd|passphrase|pwd|secret|secrets|token|credentials?|private_key|api_key|apikey|dsn)(_|$)")
"""Names of settings whose values are shown nowhere."""


@dataclass(frozen=True)
class Field:
    """One field of a settings class."""

    name: str
    """Its name in the class."""
    key: str
    """Its name in the file."""
    kind: Any
    """Its type."""
    required: bool
    secret: bool

    @property
    def duration(self) -> bool:
        """Whether the file has a duration for it."""
        return DURATION in marks(self.kind)


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret, such as `db_password`."""
    return _SECRETS.search(name.lower().replace("-", "_")) is not None


def marks(kind: Any) -> Iterator[object]:
    """The marks of an annotated type, or of one of the alternatives of a union."""
    if get_origin(kind) is Annotated:
        inner, *given = get_args(kind)
        yield from given
        yield from marks(inner)
    elif get_origin(kind) in (UnionType, Union):
        for one in get_args(kind):
            yield from marks(one)


def bare(kind: Any) -> Any:
    """The type without its marks, and without None as an alternative to one other type."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    if get_origin(kind) in (UnionType, Union):
        others = [one for one in get_args(kind) if one is not NoneType]
        if len(others) == 1:
            return bare(others[0])
    return kind


def is_settings_class(kind: Any) -> bool:
    """Whether a setting of this type is a table with fields of its own."""
    if not isinstance(kind, type):
        return False
    given = cast("type[Any]", kind)
    return issubclass(given, msgspec.Struct) or dataclasses.is_dataclass(given)


def fields(kind: type) -> list[Field]:
    """The fields of a settings class. Raises SetupError for what is none, one that is not frozen, and a type that cannot be found."""
    if not is_settings_class(kind):
        raise SetupError(f"{kind.__name__} is no class of settings; give a frozen msgspec.Struct or a frozen dataclass")
    config = cast("Any", kind)
    frozen = config.__struct_config__.frozen if issubclass(kind, msgspec.Struct) else config.__dataclass_params__.frozen
    if not frozen:
        raise SetupError(f"{kind.__name__} can be changed, and all handlers share its object; write frozen=True")
    try:
        return list(_of_struct(kind) if issubclass(kind, msgspec.Struct) else _of_dataclass(kind))
    except NameError as error:
        remedy = "define or import it at the top of its module"
        raise SetupError(f"{kind.__name__}: the type of a field cannot be found: {error}; {remedy}") from error


def _of_struct(kind: type[msgspec.Struct]) -> Iterator[Field]:
    for field in msgspec.structs.fields(kind):
        yield _field(field.name, field.encode_name, field.type, field.required)


def _of_dataclass(kind: Any) -> Iterator[Field]:
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        if field.init:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            yield _field(field.name, field.name, hints[field.name], required)


def _field(name: str, key: str, kind: Any, required: bool) -> Field:
    return Field(name, key, kind, required, SECRET in marks(kind) or is_secret(name))
