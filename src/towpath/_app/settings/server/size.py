"""Sizes in the service file: a number of bytes, or text such as `"32MiB"`."""

import re
from typing import Final

from towpath._core.errors import SetupError
from towpath._transport.message_options import LARGEST_MESSAGE

_UNITS: Final = {"": 1, "B": 1, "kB": 1000, "KiB": 1 << 10, "MB": 1000**2, "MiB": 1 << 20, "GB": 1000**3, "GiB": 1 << 30}
_FORM: Final = re.compile(rf"([0-9]{{1,15}}) ?({'|'.join(_UNITS)})", re.ASCII)


def parse_size(setting: int | str, where: str) -> int:
    """The bytes that `setting` means. Raises SetupError that names the place `where` if it is no size."""
    if not isinstance(setting, str):
        return setting
    found = _FORM.fullmatch(setting)
    if found is None:
        raise SetupError(
            f"{where}: {setting!r} is no size; write a number of bytes, or text such as '32MiB' (units: {', '.join(_UNITS)[2:]})"
        )
    return int(found[1]) * _UNITS[found[2]]


def message_limit_of(setting: int | str, where: str) -> int:
    """The bytes of a `message_limit`. Raises SetupError for one that no message can have."""
    size = parse_size(setting, where)
    if not 1 <= size <= LARGEST_MESSAGE:
        raise SetupError(f"{where}: {setting} is out of range; give 1 to {LARGEST_MESSAGE} bytes")
    return size
