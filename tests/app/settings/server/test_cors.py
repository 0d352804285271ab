"""`[service.cors]` of the service file, and its rows in `towpath explain`."""

from pathlib import Path

import pytest

from towpath._app.reloading import needs_restart
from towpath._cli.explained.limits import server_limits
from towpath._core.errors import SetupError
from towpath.settings import CorsOptions, ServiceConfig, load


def loaded(folder: Path, text: str) -> ServiceConfig:
    path = folder / "towpath.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def test_without_the_table_no_page_may_call(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert config.server.cors is None
    assert [row[:2] for row in server_limits(config) if row[0].startswith("cors")] == [("cors", "off")]


def test_only_origins_are_needed(tmp_path: Path) -> None:
    config = loaded(tmp_path, '[service.cors]\norigins = ["https://shop.example"]\n')
    assert config.server.cors == CorsOptions(origins=("https://shop.example",))
    rows = {key: (value, origin) for key, value, origin in server_limits(config) if key.startswith("cors")}
    assert rows == {
        "cors.origins": ("https://shop.example; default none", f"{tmp_path}/towpath.toml: service.cors.origins"),
        "cors.methods": ("GET, HEAD, POST, PUT, PATCH, DELETE", "default"),
        "cors.headers": ("those of the protocols", "default"),
        "cors.credentials": ("false", "default"),
        "cors.max_age": ("600s", "default"),
    }


def test_every_key_is_read_and_told(tmp_path: Path) -> None:
    text = 'origins = ["https://a.example"]\nmethods = ["GET"]\nheaders = ["authorization"]\ncredentials = true\nmax_age = "off"\n'
    config = loaded(tmp_path, f"[service.cors]\n{text}")
    assert config.server.cors == CorsOptions(
        origins=("https://a.example",), methods=("GET",), headers=("authorization",), credentials=True, max_age=0.0
    )
    told = {key: value for key, value, _ in server_limits(config) if key.startswith("cors")}
    assert told["cors.headers"] == "authorization; default those of the protocols"
    assert (told["cors.credentials"], told["cors.max_age"]) == ("true; default false", "off; default 600s")
    assert needs_restart(config, loaded(tmp_path, "")) == ("service.cors",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "service.cors.origins: is empty"),
        ('origins = ["https://shop.example/"]', "service.cors.origins: 'https://shop.example/' is no origin"),
        ('origins = ["*"]\ncredentials = true', "service.cors.credentials: is true"),
        ('origins = ["*"]\nmax_age = "2d"', "service.cors.max_age: "),
        ('origins = ["*"]\nmax_age = "86401s"', "service.cors.max_age: "),
        ('origins = "*"', "service.cors.origins"),
        ('origin = ["*"]', "origins"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=error) as caught:
        loaded(tmp_path, f"[service.cors]\n{text}\n")
    assert str(tmp_path) in str(caught.value)
