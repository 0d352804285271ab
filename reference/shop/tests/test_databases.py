"""Services whose databases are not there: each says so in one line, and no more."""

import sys
from pathlib import Path

import pytest

from programs import PATIENCE, held_port, running

SHOP = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("service", "variable"),
    [("catalogue", "TOWPATH_SETTINGS_DATABASE"), ("checkout", "TOWPATH_IDEMPOTENCY")],
    ids=["catalogue", "checkout"],
)
def test_a_service_without_its_database_says_so_in_one_line(service: str, variable: str) -> None:
    with held_port() as nobody:
        variables = {
            variable: f"postgresql://postgres:secret@127.0.0.1:{nobody}/postgres",
            "TOWPATH_LISTEN": "127.0.0.1:0",
            "TOWPATH_CONFIG": str(SHOP / service / "towpath.toml"),
            "PYTHONPATH": "src",
        }
        with running([sys.executable, "-m", service], SHOP / service, **variables) as program:
            told = program.line("error: .*")[0]
            assert program.line(".*")[0] == told  # nothing comes before it
            assert program.process.wait(PATIENCE) > 0
    assert "PostgreSQL" in told
    assert "secret" not in told
