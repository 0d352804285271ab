"""Where answers by idempotency key are kept, as a service's file says."""

import pytest

from towpath._app.settings.idempotency_store import OpenableStore, store_of
from towpath._app.settings.service_file import load
from towpath._core.errors import SetupError
from towpath._layers.idempotency.memory_store import MemoryStore
from towpath._stores.postgres import PostgresStore
from towpath._stores.redis import RedisStore
from towpath._stores.sqlite import SqliteStore


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("memory", MemoryStore),
        ("sqlite:////run/keys.db", SqliteStore),
        ("postgresql://u:p@h/db", PostgresStore),
        ("redis://h:1/0", RedisStore),
    ],
)
def test_a_setting_names_a_store(setting, kind):
    store = store_of(setting, "here")
    assert type(store) is kind
    assert isinstance(store, OpenableStore) is (kind is not MemoryStore)


def test_off_is_none():
    assert store_of("off", "here") is None


@pytest.mark.parametrize("setting", ["", "sqlite:///", "mysql://u:secret@h", "secret"])
def test_anything_else_is_refused_without_showing_it(setting):
    with pytest.raises(SetupError, match=r"^here: does not name a store") as caught:
        store_of(setting, "here")
    assert "secret" not in str(caught.value)


def test_the_file_says_where_and_its_password_is_in_no_repr(tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text('[service]\nidempotency = "redis://:hunter2@h"\n')
    config = load(file, {})
    assert config.idempotency == "redis://:hunter2@h"
    assert config.idempotency_where == f"{file}: service.idempotency"
    assert "hunter2" not in repr(config)
    assert load(None, {}).idempotency == "memory"
