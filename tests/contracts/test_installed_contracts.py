"""The contracts of installed packages: found by their entry points, and refused where two packages disagree."""

from pathlib import Path

import pytest

from tests.contracts.site import install
from towpath._contracts.codegen.generator import GenerateOptions, generate
from towpath._contracts.diagnostics import ContractError
from towpath._contracts.installed_contracts import installed_contracts, owners

COIN = 'syntax = "proto3";\npackage coin.v1;\n// A coin.\nmessage Coin { string currency = 1; }\n'


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def publish(workplace, site: Path, name: str, text: str = COIN) -> None:
    workplace.write("coin/v1/coin.proto", text)
    generate(GenerateOptions(paths=[Path("proto")], out=Path(name), package=name, version="1.0"))
    install(Path(name), site)
    Path("proto/coin/v1/coin.proto").unlink()


def test_packages_are_known_with_their_names_and_folders(workplace, site):
    publish(workplace, site, "coin-contracts")
    (package,) = (package for package in installed_contracts() if package.package == "coin_contracts")
    assert str(package) == "coin-contracts 1.0"
    assert package.root == site / "coin_contracts"
    assert package.has("coin/v1/coin.proto")
    assert not package.has("coin/v1/cent.proto")
    assert package.descriptor("coin/v1/coin.proto").startswith("b'")
    assert package.descriptor("coin/v1/cent.proto") == ""


@pytest.mark.parametrize("value", ["gone_contracts", "a.b", "not-a-name", "json:load"])
def test_an_entry_point_that_leads_nowhere_is_passed_over(workplace, site, value):
    publish(workplace, site, "coin-contracts")
    (site / "coin_contracts-1.0.dist-info/entry_points.txt").write_text(f"[towpath.contracts]\nx = {value}\n", "utf-8")
    assert "coin-contracts" not in {package.distribution for package in installed_contracts()}


def test_code_that_is_generated_imports_from_the_installed_package(workplace, site, importing):
    publish(workplace, site, "pound-contracts")
    workplace.service("rpc Say(M) returns (coin.v1.Coin);", imports='import "coin/v1/coin.proto";\n', name="mint/v1/mint.proto")
    assert not workplace.generate().warnings
    assert "from pound_contracts.coin.v1 import coin_pb2" in workplace.text("mint/v1/mint_towpath.py")
    (method,) = importing("mint.v1.mint_towpath").ShopService.spec.methods
    assert method.response.__module__ == "pound_contracts.coin.v1.coin_pb2"


def test_a_contract_of_ones_own_goes_before_an_installed_one(workplace, site):
    publish(workplace, site, "coin-contracts")
    workplace.write("coin/v1/coin.proto", COIN)
    workplace.service("rpc Say(M) returns (coin.v1.Coin);", imports='import "coin/v1/coin.proto";\n', name="mint/v1/mint.proto")
    workplace.generate()
    assert "from coin.v1 import coin_pb2" in workplace.text("mint/v1/mint_towpath.py")


def test_what_every_service_has_comes_from_nobody_else(workplace, site):
    publish(workplace, site, "coin-contracts")
    for name in ("google/type/money.proto", "google/protobuf/empty.proto", "towpath/v1/options.proto"):
        (site / "coin_contracts" / name).parent.mkdir(parents=True, exist_ok=True)
        (site / "coin_contracts" / name).write_text("not a contract", "utf-8")
    imports = 'import "google/type/money.proto";\nimport "google/protobuf/empty.proto";\n'
    workplace.service("rpc Say(google.protobuf.Empty) returns (google.type.Money);", imports=imports, name="toll/v1/toll.proto")
    workplace.generate()
    assert "from google.type import money_pb2" in workplace.text("toll/v1/toll_towpath.py")
    assert "from google.protobuf import empty_pb2" in workplace.text("toll/v1/toll_towpath.py")


def test_an_import_that_is_nowhere_says_that_its_package_may_be_missing(workplace):
    workplace.service("rpc Say(M) returns (coin.v1.Coin);", imports='import "coin/v1/coin.proto";\n', name="mint/v1/mint.proto")
    with pytest.raises(ContractError, match="add the root that has it with --proto-root, or install the package of contracts that has it"):
        workplace.generate()


def test_two_packages_may_have_one_contract_and_must_agree_on_it(workplace, site):
    publish(workplace, site, "coin-contracts")
    publish(workplace, site, "mint-contracts", COIN.replace("A coin.", "Money."))
    assert owners(["coin/v1/coin.proto", "other.proto"])["coin/v1/coin.proto"].package == "coin_contracts"
    publish(workplace, site, "bank-contracts", COIN.replace("= 1;", "= 1; int64 units = 2;"))
    with pytest.raises(ContractError, match=r"bank-contracts 1\.0 and coin-contracts 1\.0 have different contracts of this name"):
        owners(["coin/v1/coin.proto"])
