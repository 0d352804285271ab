"""Where answers by idempotency key are kept, as a service's file says."""

import logging

import pytest
from echo.v1.echo_towpath import EchoService
from payment.v1.payment_towpath import PaymentService

from tests.logs import told
from towpath._app.settings.idempotency_store import OpenableStore, check_keys, store_of
from towpath._app.settings.service_file import load
from towpath._core.errors import SetupError
from towpath._layers.idempotency.memory_store import DEFAULT_MAX_BYTES, MemoryStore
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


def test_the_file_bounds_the_store_in_memory(tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text("[service]\nidempotency_memory = 65536\n")
    config = load(file, {})
    store = store_of(config.idempotency, config.idempotency_where, config.idempotency_memory)
    assert isinstance(store, MemoryStore)
    assert store.max_bytes == 65536
    assert load(None, {}).idempotency_memory == DEFAULT_MAX_BYTES == 32 * 1024 * 1024


@pytest.mark.parametrize("size", [-1, 0, 65535, (1 << 40) + 1])
def test_a_bound_out_of_its_range_is_refused(size, tmp_path):
    file = tmp_path / "towpath.toml"
    file.write_text(f"[service]\nidempotency_memory = {size}\n")
    with pytest.raises(SetupError, match=rf"service\.idempotency_memory: {size} is out of range; give 65536 to 1099511627776 bytes"):
        load(file, {})


ECHO, PAYMENT = EchoService.spec.methods, PaymentService.spec.methods


@pytest.mark.parametrize(("store", "workers", "told"), [(None, 1, 'is "off"'), (MemoryStore(), 2, "each of the 2 workers has for itself")])
def test_a_contract_that_declares_keys_needs_a_store_that_all_workers_share(store, workers, told):
    with pytest.raises(SetupError, match=rf"^here: .*{told}.*PaymentService/Charge.*give \"sqlite"):
        check_keys(store, PAYMENT, "here", workers=workers, tells=True)


def test_workers_that_keep_answers_for_themselves_are_told_of(caplog, tmp_path):
    caplog.set_level(logging.WARNING, "towpath.app")
    check_keys(MemoryStore(), ECHO, "here", workers=1, tells=True)
    check_keys(MemoryStore(), PAYMENT, "here", workers=1, tells=True)
    check_keys(MemoryStore(), ECHO, "here", workers=2, tells=False)
    check_keys(MemoryStore(), ECHO[:1], "here", workers=2, tells=True)  # it has no side effects
    check_keys(None, ECHO, "here", workers=2, tells=True)
    check_keys(SqliteStore(tmp_path / "x.db"), PAYMENT, "here", workers=2, tells=True)
    assert told(caplog) == []
    check_keys(MemoryStore(), ECHO, "here", workers=2, tells=True)
    (message,) = caplog.messages
    assert message.startswith('here is "memory", which each of the 2 workers has for itself: a call of echo.v1.EchoService/Fail with an')
