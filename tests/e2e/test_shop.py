"""The example system in `reference/shop` is a project of its own: its tests are run by its Makefile, as a team would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import needed
from tests.scaffold.projects import environment

SHOP = Path(__file__).parents[2] / "reference" / "shop"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", ["catalogue", "cart", "checkout", "whole"])
def test_the_shops_own_tests_pass(part: str, postgres: str, valkey: str) -> None:
    if os.environ.get("CI") == "true":
        needed("curl")  # without it the shop's own tests skip what the tutorial calls, which nobody would see here
    target = ("test-system",) if part == "whole" else ("-C", part, "test")
    command = ["make", "--silent", *target, f"BIN={Path(sys.executable).parent}", "SETUP="]
    variables = environment() | {"SHOP_POSTGRES": postgres, "SHOP_VALKEY": valkey}
    ran = subprocess.run(command, cwd=SHOP, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
