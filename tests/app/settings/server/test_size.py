"""Sizes in the service file."""

import pytest

from towpath._app.settings.server.size import message_limit_of, parse_size
from towpath._core.errors import SetupError


@pytest.mark.parametrize(
    ("setting", "size"),
    [
        (7, 7),
        ("7", 7),
        ("7B", 7),
        ("2kB", 2000),
        ("2 KiB", 2048),
        ("3MB", 3_000_000),
        ("32MiB", 32 << 20),
        ("1GB", 10**9),
        ("1GiB", 1 << 30),
    ],
)
def test_a_size_is_a_number_or_has_a_unit(setting: int | str, size: int) -> None:
    assert parse_size(setting, "here") == size


@pytest.mark.parametrize("setting", ["", "MiB", "1.5MiB", "-1", "32mib", "32 M", "1 TiB", "9" * 16, "\u0663"])
def test_another_text_is_none(setting: str) -> None:
    with pytest.raises(SetupError, match=r"^here: .* is no size; write a number of bytes, or text such as '32MiB'"):
        parse_size(setting, "here")


@pytest.mark.parametrize("setting", [0, -1, "0", 2**32, "4GiB"])
def test_no_message_is_so_small_or_large(setting: int | str) -> None:
    with pytest.raises(SetupError, match=f"^here: {setting} is out of range; give 1 to 4294967295 bytes"):
        message_limit_of(setting, "here")
