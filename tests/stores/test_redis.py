import pytest

from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import StoreUnavailable
from towpath._stores.redis import RedisStore


async def test_a_server_that_does_not_answer_is_a_matter_of_setup_and_later_of_the_store() -> None:
    store = RedisStore("redis://127.0.0.1:1/0")
    with pytest.raises(SetupError, match="could not be reached"):
        await store.open()
    with pytest.raises(StoreUnavailable, match="Redis"):
        await store.claim("k", b"", "h", 1)
    await store.close()
