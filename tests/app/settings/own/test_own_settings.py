"""The service's own settings: file and environment into a team's class, and what is refused with which words."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from towpath import App, SetupError
from towpath._app.settings.own.classes import is_secret
from towpath._app.settings.own.own_settings import OwnSettings, shown, without_password
from towpath.settings import Seconds, Secret, load


class Database(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    pool: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5


class Shipping(msgspec.Struct, frozen=True):
    country: str
    price: float = 4.5


class Shop(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    currency: Literal["EUR", "USD"] = "EUR"
    page_size: int = 20
    beta: bool = False
    patience: Seconds = 2.0
    longest: Seconds | None = None
    countries: tuple[str, ...] = ()
    prices: dict[str, float] = {}
    shipping: tuple[Shipping, ...] = ()
    shops: dict[str, Shipping] = {}
    database: Database | None = None
    mail_key: Secret = ""


@dataclass(frozen=True, kw_only=True)
class Cart:
    limit: int
    database: Database = field(default_factory=lambda: Database(url="sqlite:///cart.db"))
    made: str = field(init=False, default="by towpath")


WHOLE = """
[settings]
currency = "USD"
page-size = 50
beta = true
patience = "0.5s"
longest = "0s"
countries = ["at", "de"]
prices = { at = 3.5 }
mail-key = "abc"

[[settings.shipping]]
country = "at"

[settings.shops.vienna]
country = "at"
price = 1

[settings.database]
url = "postgresql://shop:pw@db/shop"
"""

READ = Shop(
    currency="USD",
    page_size=50,
    beta=True,
    patience=0.5,
    longest=0.0,
    countries=("at", "de"),
    prices={"at": 3.5},
    shipping=(Shipping("at"),),
    shops={"vienna": Shipping("at", 1.0)},
    database=Database(url="postgresql://shop:pw@db/shop"),
    mail_key="abc",
)


def own(folder: Path, text: str, **variables: str) -> OwnSettings:
    (folder / "towpath.toml").write_text(text)
    return load(folder / "towpath.toml", {f"TOWPATH_SETTINGS_{name}": value for name, value in variables.items()}).own


def test_a_whole_table_is_an_object_of_the_class(tmp_path: Path) -> None:
    assert own(tmp_path, WHOLE).read(Shop) == READ


def test_without_a_table_the_defaults_of_the_class_hold(tmp_path: Path) -> None:
    assert own(tmp_path, "").read(Shop) == Shop()
    assert OwnSettings().read(Shop) == Shop()


def test_a_dataclass_is_as_good(tmp_path: Path) -> None:
    assert own(tmp_path, "[settings]\nlimit = 3").read(Cart) == Cart(limit=3)
    read = own(tmp_path, "[settings]\nlimit = 3\n[settings.database]\nurl = 'x'").read(Cart)
    assert read == Cart(limit=3, database=Database(url="x"))


def test_a_variable_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    given = {
        "CURRENCY": "EUR",
        "PAGE_SIZE": "7",
        "BETA": "false",
        "PATIENCE": "3s",
        "COUNTRIES": "fr, it",
        "DATABASE_POOL": "9",
        "MAIL_KEY": "",
    }
    read = own(tmp_path, WHOLE, **given).read(Shop)
    assert (read.currency, read.page_size, read.beta, read.patience, read.countries) == ("EUR", 7, False, 3.0, ("fr", "it"))
    assert read.database == Database(url="postgresql://shop:pw@db/shop", pool=9)
    assert read.mail_key == "abc"  # an empty variable is none


def test_variables_alone_make_a_table_of_the_class(tmp_path: Path) -> None:
    assert own(tmp_path, "", DATABASE_URL="x").read(Shop).database == Database(url="x")
    with pytest.raises(SetupError, match=r"settings.database.url is missing; add it, or set TOWPATH_SETTINGS_DATABASE_URL$"):
        own(tmp_path, "", DATABASE_POOL="3").read(Shop)


class Mixed(msgspec.Struct, frozen=True):
    any_of: int | str = 1
    odd: complex = 0j


class Meeting(msgspec.Struct, frozen=True):
    database_url: str = ""
    database: Database | None = None


class Checked(msgspec.Struct, frozen=True):
    low: int = 1
    high: int = 2

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high; give the first no larger")


class Needs(msgspec.Struct, frozen=True):
    database: Database
    shipping: tuple[Shipping, ...] = ()


FILE = "{folder}/towpath.toml: "


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Shop, "currncy = 'EUR'", FILE + "unknown key settings.currncy; did you mean 'currency'"),
        (Shop, "page-size = 'x'", FILE + "settings.page-size: expected `int`, got `str`"),
        (Shop, "currency = 'EURO'", FILE + "settings.currency: 'EURO' is none of its values; did you mean 'EUR'"),
        (Shop, "patience = 2", FILE + 'settings.patience: expected a duration such as "0.5s", got int; write "2s"'),
        (
            Shop,
            "patience = 'soon'",
            FILE + "settings.patience: 'soon' is not a duration; write seconds with a final s, such as '2s' or '0.25s'",
        ),
        (Shop, "countries = [1]", FILE + "settings.countries[0]: expected `str`, got `int`"),
        (Shop, "database = 'x'", FILE + "settings.database must be a table, not str"),
        (Shop, "database = { url = 'x', pol = 1 }", FILE + "unknown key settings.database.pol; did you mean 'pool'"),
        (Shop, "database = { url = 'x', pool = 0 }", FILE + "settings.database.pool: expected `int` >= 1"),
        (Shop, "shipping = [{ contry = 'at' }]", FILE + "unknown key settings.shipping[0].contry; did you mean 'country'"),
        (Shop, "shipping = [{ price = 1 }]", FILE + "settings.shipping[0].country is missing; add it"),
        (Shop, "shops = { vienna = 3 }", FILE + "settings.shops.vienna must be a table, not int"),
        (Shop, "mail-key = 123456", FILE + "settings.mail-key: the value, which is a secret and not shown, is no str"),
        (Cart, "", FILE + "settings.limit is missing; add it, or set TOWPATH_SETTINGS_LIMIT"),
        (Cart, "limit = 1\nmade = 'x'", FILE + "unknown key settings.made; known keys here: database, limit"),
        (Needs, "", FILE + "settings.database is missing; add the table [settings.database]"),
        (Checked, "low = 3", FILE + "settings: low is above high; give the first no larger"),
        (Mixed, "odd = 1", FILE + "settings.odd: expected `complex`, got `int`"),
    ],
)
def test_what_does_not_fit_the_class_is_named_with_its_place(tmp_path: Path, kind: type, text: str, message: str) -> None:
    with pytest.raises(SetupError) as caught:
        own(tmp_path, f"[settings]\n{text}").read(kind)
    assert str(caught.value) == message.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("kind", "variable", "text", "message"),
    [
        (Shop, "PAGESIZE", "1", "unknown variable TOWPATH_SETTINGS_PAGESIZE; did you mean 'TOWPATH_SETTINGS_PAGE_SIZE'"),
        (Shop, "PAGE_SIZE", "many", "TOWPATH_SETTINGS_PAGE_SIZE: 'many' cannot be read as `int`"),
        (Shop, "BETA", "maybe", "TOWPATH_SETTINGS_BETA: 'maybe' cannot be read as `bool`"),
        (Shop, "CURRENCY", "EURO", "TOWPATH_SETTINGS_CURRENCY: 'EURO' is none of its values; did you mean 'EUR'"),
        (
            Shop,
            "PATIENCE",
            "5",
            "TOWPATH_SETTINGS_PATIENCE: '5' is not a duration; write seconds with a final s, such as '2s' or '0.25s'",
        ),
        (Shop, "PRICES", "at=1", "TOWPATH_SETTINGS_PRICES: settings.prices is a table, which no variable can hold; set it in the file"),
        (Shop, "SHIPPING", "at", "TOWPATH_SETTINGS_SHIPPING: settings.shipping is a table, which no variable can hold; set it in the file"),
        (
            Meeting,
            "DATABASE_URL",
            "x",
            "settings.database_url and settings.database.url would both be set by TOWPATH_SETTINGS_DATABASE_URL; rename one of them",
        ),
    ],
)
def test_a_variable_that_does_not_fit_is_named(tmp_path: Path, kind: type, variable: str, text: str, message: str) -> None:
    with pytest.raises(SetupError) as caught:
        own(tmp_path, "", **{variable: text}).read(kind)
    assert str(caught.value) == message


class Thawed(msgspec.Struct):
    a: int = 1


@dataclass
class Loose:
    a: int = 1


@dataclass(frozen=True)
class Unknown:
    a: "Nowhere"  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Shop(), "app.settings_of was given an object of Shop; give the class itself"),
        (dict, "dict is no class of settings; give a frozen msgspec.Struct or a frozen dataclass"),
        (Thawed, "Thawed can be changed, and all handlers share its object; write frozen=True"),
        (Loose, "Loose can be changed, and all handlers share its object; write frozen=True"),
        (
            Unknown,
            "Unknown: the type of a field cannot be found: name 'Nowhere' is not defined; define or import it at the top of its module",
        ),
    ],
)
def test_what_is_no_settings_class_is_one_sentence(kind: Any, message: str) -> None:
    with pytest.raises(SetupError) as caught:
        OwnSettings().read(kind)
    assert str(caught.value) == message


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"towpath.toml: settings: expected `table`, got `int`$"):
        own(tmp_path, "settings = 3")


def test_each_setting_has_its_source_and_secrets_are_hidden(tmp_path: Path) -> None:
    rows = own(tmp_path, WHOLE, PAGE_SIZE="7").read_rows(Shop)[1]
    told = {row.key: (shown(row), row.source.replace(str(tmp_path), "")) for row in rows}
    assert told["settings.page-size"] == (7, "TOWPATH_SETTINGS_PAGE_SIZE")
    assert told["settings.currency"] == ("USD", "/towpath.toml: settings.currency")
    assert told["settings.database.pool"] == (5, "default")
    assert told["settings.database.url"] == ("postgresql://shop:***@db/shop", "/towpath.toml: settings.database.url")
    assert told["settings.mail-key"] == ("***", "/towpath.toml: settings.mail-key")
    assert told["settings.shipping"][0] == [{"country": "at", "price": 4.5}]
    assert told["settings.prices"][0] == {"at": 3.5}


def test_defaults_of_a_nested_class_are_rows_of_their_own(tmp_path: Path) -> None:
    rows = own(tmp_path, "[settings]\nlimit = 1").read_rows(Cart)[1]
    assert [(row.key, row.source) for row in rows][1:] == [("settings.database.url", "default"), ("settings.database.pool", "default")]


@pytest.mark.parametrize("name", ["password", "DB_PASSWORD", "api-key", "auth_token", "client_secret", "private_key", "dsn"])
def test_a_name_may_say_that_a_setting_is_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["page_size", "tokens_per_second", "key", "keyboard", "secretary", "monkey"])
def test_other_names_do_not(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("redis://:pw@cache:6379/0", "redis://:***@cache:6379/0"),
        ("postgresql://shop:p@w@db/shop", "postgresql://shop:***@db/shop"),
        ("https://example.com/a:b@c", "https://example.com/a:b@c"),
        ("memory", "memory"),
    ],
)
def test_the_password_of_an_address_is_hidden(text: str, told: str) -> None:
    assert without_password(text) == told


def test_no_configuration_shows_them_by_accident(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(WHOLE)
    assert "abc" not in repr(load(tmp_path / "towpath.toml", {}))


async def test_an_application_reads_them_once(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(WHOLE)
    async with App(load(tmp_path / "towpath.toml", {})) as app:
        assert app.settings_of(Shop) == READ
        assert app.settings_of(Shop) is app.settings_of(Shop)


async def test_settings_that_nobody_reads_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "towpath.app")
    (tmp_path / "towpath.toml").write_text(WHOLE)
    config = load(tmp_path / "towpath.toml", {})
    for reads in (True, False):
        async with App(config) as app:
            if reads:
                app.settings_of(Shop)
            await app.start()
    assert caplog.messages == [
        f"{tmp_path}/towpath.toml has settings of the service's own, and main reads none of them: call app.settings_of(...)"
    ]
