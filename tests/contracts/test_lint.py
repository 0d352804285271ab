"""buf on contracts, and on every contract of this repository."""

import sys
from pathlib import Path

import pytest

from towpath._contracts.diagnostics import ContractError
from towpath._contracts.lint import lint
from towpath._contracts.sources import find_sources
from towpath._core.errors import SetupError

REPOSITORY = Path(__file__).parents[2]
SHOP = [f"reference/shop/{service}/proto" for service in ("catalogue", "cart", "checkout")]
CLEAN = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service ShopService {
  rpc Say(SayRequest) returns (SayResponse) {
    option (google.api.http) = { get: "/v1/say" };
  }
}
message SayRequest {}
message SayResponse {}
"""


def findings(root: Path) -> tuple[str, ...]:
    return lint(find_sources([root], [root]), [root])


@pytest.mark.parametrize("root", ["proto", "tests/proto", "bench/proto", "labs/proto", "reference/skyline/proto", *SHOP])
def test_every_contract_of_the_repository_keeps_the_standard(root):
    assert findings(REPOSITORY / root) == ()


def test_imports_need_no_network_and_are_left_alone(workplace):
    workplace.write("shop/v1/shop.proto", CLEAN)
    assert findings(workplace.proto) == ()


def test_a_finding_names_the_file_as_it_lies_on_disk(workplace):
    workplace.write("shop/v1/shop.proto", CLEAN.replace("ShopService", "Shop"))
    (finding,) = findings(workplace.proto)
    assert finding.startswith('proto/shop/v1/shop.proto:4:9:Service name "Shop" should be suffixed with "Service"')


def test_a_finding_is_excused_where_it_stands(workplace):
    workplace.write("shop/v1/shop.proto", CLEAN.replace("service ShopService", "// buf:lint:ignore SERVICE_SUFFIX\nservice Shop"))
    assert findings(workplace.proto) == ()


def test_what_does_not_compile_is_an_error_and_no_finding(workplace):
    workplace.write("shop/v1/shop.proto", "syntax")
    with pytest.raises(ContractError, match=r"^proto/shop/v1/shop\.proto:1:"):
        findings(workplace.proto)


def test_without_buf_the_way_to_install_it_is_told(workplace, monkeypatch, tmp_path):
    workplace.write("shop/v1/shop.proto", CLEAN)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"needs buf.*pip install 'towpath\[gen\]'"):
        findings(workplace.proto)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_a_failing_buf_is_an_error_in_its_own_words(workplace, monkeypatch, tmp_path):
    workplace.write("shop/v1/shop.proto", CLEAN)
    stand_in = tmp_path / "bin" / "buf"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\necho 'Failure: no room left' >&2\nexit 1\n", "utf-8")
    stand_in.chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    with pytest.raises(SetupError, match=r"^buf failed: Failure: no room left$"):
        findings(workplace.proto)
