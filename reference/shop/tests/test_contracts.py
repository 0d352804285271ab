"""The contracts that `towpath add client` has copied: a change of the original is a change of each copy."""

from pathlib import Path

import pytest

SHOP = Path(__file__).parents[1]
COPIES = [path for path in SHOP.glob("*/proto/*/v1/*.proto") if path.relative_to(SHOP).parts[0] != path.stem]


def test_there_are_copies() -> None:
    assert len(COPIES) == 2


@pytest.mark.parametrize("copy", COPIES, ids=lambda path: "-".join(path.relative_to(SHOP).parts[::2]))
def test_a_copy_is_as_its_service_has_it(copy: Path) -> None:
    original = SHOP / copy.stem / "proto" / copy.stem / "v1" / copy.name
    assert copy.read_text() == original.read_text()
