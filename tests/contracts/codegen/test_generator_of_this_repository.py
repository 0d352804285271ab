"""The generated code of this repository is what its contracts say."""

from pathlib import Path
from typing import Any

import pytest

from towpath._contracts.codegen.generator import GenerateOptions, generate

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("protos", "out", "own"),
    [
        ("tests/proto", "tests/gen", {}),
        ("proto/towpath/v1", "src/towpath/_gen", {"ship_protos": True}),
        ("proto/towpath/admin", "src/towpath/_admin/gen", {"ship_protos": True, "fakes": False, "import_prefix": "towpath._admin.gen"}),
    ],
)
def test_the_committed_code_is_what_its_contracts_say(protos: str, out: str, own: dict[str, Any]) -> None:
    roots = [REPOSITORY / "proto"] if own else []
    result = generate(GenerateOptions(paths=[REPOSITORY / protos], proto_roots=roots, out=REPOSITORY / out, check=True, **own))
    assert result.up_to_date, f"run `make gen`: {result.written} {result.removed}"
    assert len(result.unchanged) >= 3
