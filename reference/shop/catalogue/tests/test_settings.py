"""The settings of towpath.toml and of the environment."""

from pathlib import Path

import pytest
from towpath import SetupError
from towpath.settings import load

from catalogue.settings import Settings

FILE = Path(__file__).parents[1] / "towpath.toml"


def test_the_file_has_what_the_service_needs() -> None:
    assert load(FILE, {}).own.read(Settings).key


def test_a_variable_wins_over_the_file() -> None:
    assert load(FILE, {"TOWPATH_SETTINGS_KEY": "of the vault"}).own.read(Settings).key == "of the vault"


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(SetupError, match="TOWPATH_SETTINGS_MAX_PICTURE"):
        load(FILE, {"TOWPATH_SETTINGS_MAX_PICTURE": "many"}).own.read(Settings)
