import pytest

from tests.architecture.test_import_weight import loaded_by
from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import StoreUnavailable
from towpath._stores.postgres import PostgresStore

ABSENT = """
import sys
sys.modules[{driver!r}] = None
from towpath._core.errors import SetupError
try:
    import towpath._stores.{module}
except SetupError as error:
    assert "install towpath[{module}]" in str(error)
else:
    raise AssertionError
"""


async def test_a_server_that_does_not_answer_is_a_matter_of_setup() -> None:
    with pytest.raises(SetupError, match="could not be opened"):
        await PostgresStore("postgresql://postgres@127.0.0.1:1/postgres").open()


async def test_a_store_that_is_not_open_says_so() -> None:
    with pytest.raises(StoreUnavailable, match="is not open"):
        await PostgresStore("postgresql://postgres@127.0.0.1:1/postgres").claim("k", b"", "h", 1)


@pytest.mark.parametrize(("module", "driver"), [("postgres", "asyncpg"), ("redis", "redis")])
def test_without_its_driver_a_store_names_the_extra(module: str, driver: str) -> None:
    assert loaded_by(ABSENT.format(module=module, driver=driver), ("no_such_module",)) == []


@pytest.mark.parametrize(("module", "others"), [("sqlite", ("asyncpg", "redis")), ("postgres", ("redis",)), ("redis", ("asyncpg",))])
def test_a_store_loads_no_driver_but_its_own(module: str, others: tuple[str, ...]) -> None:
    assert loaded_by(f"import towpath._stores.{module}", others) == []
