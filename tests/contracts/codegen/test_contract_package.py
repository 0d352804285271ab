"""`towpath gen --package`: what is in the package, and whose contracts it leaves to others."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.contracts.site import install
from towpath._contracts.codegen.generator import GenerateOptions, GenerateResult, generate
from towpath._contracts.diagnostics import ContractError
from towpath._core.errors import SetupError

MONEY = 'syntax = "proto3";\npackage {package};\nmessage Money {{ string currency = 1; }}\n'
SERVICE = """\
syntax = "proto3";
package {package}.v1;
import "{money}";
import "google/api/annotations.proto";
import "towpath/v1/options.proto";
message GetRequest {{ string id = 1; }}
message Offer {{ {type} price = 1; }}
service OfferService {{
  rpc Get(GetRequest) returns (Offer) {{
    option (google.api.http) = {{ get: "/v1/{{id}}" }};
    option (towpath.v1.method).criticality = CRITICALITY_CRITICAL;
  }}
}}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def write_offers(workplace, package: str, money: str) -> None:
    """The contract of a service in the folder of `package`, with the message Money of the contract `money`."""
    workplace.write(money, MONEY.format(package=".".join(Path(money).parts[:-1])))
    workplace.write(
        f"{package}/v1/offers.proto", SERVICE.format(package=package, money=money, type=".".join([*Path(money).parts[:-1], "Money"]))
    )


def make(name: str, *, version: str | None = "1.0", paths: tuple[str, ...] = ("proto",), check: bool = False) -> GenerateResult:
    options = GenerateOptions(
        paths=[Path(path) for path in paths], proto_roots=[Path("proto")], out=Path(name), package=name, version=version, check=check
    )
    return generate(options)


def test_a_package_has_code_stubs_contracts_and_what_it_depends_on(workplace):
    write_offers(workplace, "stall", "stall/money.proto")
    made = make("stall-contracts", version="v1.4.0-rc.1")
    names = {path.relative_to("stall-contracts/src").as_posix() for path in made.written if "src" in path.parts}
    folder = "stall_contracts/stall/v1"
    assert names >= {"stall_contracts/py.typed", "stall_contracts/__init__.py", f"{folder}/__init__.py", f"{folder}/offers.proto"}
    assert names >= {
        f"{folder}/offers_pb2.py",
        f"{folder}/offers_pb2.pyi",
        f"{folder}/offers_towpath.py",
        "stall_contracts/stall/money_pb2.py",
    }
    about = tomllib.loads(Path("stall-contracts/pyproject.toml").read_text("utf-8"))["project"]
    assert (about["name"], about["version"]) == ("stall-contracts", "1.4.0rc1")
    assert [dependency.partition(">")[0] for dependency in about["dependencies"]] == ["protobuf", "towpath"]
    assert about["entry-points"] == {"towpath.contracts": {"stall_contracts": "stall_contracts"}}
    readme = Path("stall-contracts/README.md").read_text("utf-8")
    assert "`from stall_contracts.stall.v1.offers_towpath import OfferService, OfferServiceClient, OfferServiceSyncClient`" in readme
    assert "- `stall/money.proto`" in readme
    again = make("stall-contracts", version="1.4.0rc1", check=True)
    assert again.up_to_date
    assert len(again.unchanged) == len(made.written)


def test_a_contract_without_services_makes_a_package_too(workplace):
    workplace.write("coin/v1/coin.proto", MONEY.format(package="coin.v1"))
    make("coin-contracts")
    assert Path("coin-contracts/README.md").read_text("utf-8").splitlines()[3:] == [
        "Contracts, for an import in a contract of yours:",
        "",
        "- `coin/v1/coin.proto`",
    ]


def test_two_packages_with_the_same_shared_contract_are_imported_together(workplace, site):
    for package in ("kiosk", "arcade"):
        write_offers(workplace, package, "pence/v1/pence.proto")
        make(f"{package}-contracts", paths=(f"proto/{package}", "proto/pence"))
        install(Path(f"{package}-contracts"), site)
    kiosk, arcade = (import_module(f"{package}_contracts.{package}.v1.offers_pb2") for package in ("kiosk", "arcade"))
    money = [import_module(f"{package}_contracts.pence.v1.pence_pb2").Money for package in ("kiosk", "arcade")]
    offer = kiosk.Offer(price=money[1](currency="EUR"))  # the message is one class, whichever package it is imported from
    assert arcade.Offer(price=offer.price).price.currency == "EUR"
    assert import_module("kiosk_contracts.kiosk.v1.offers_towpath").OfferServiceClient.__name__ == "OfferServiceClient"


def test_contracts_of_an_installed_package_stay_there_and_become_a_dependency(workplace, site):
    write_offers(workplace, "fair", "florin/v1/florin.proto")
    make("florin-contracts", version="2.1+build.7", paths=("proto/florin",))
    install(Path("florin-contracts"), site)
    Path("proto/florin/v1/florin.proto").unlink()
    made = make("fair-contracts")
    assert not [path for path in made.written if "florin" in path.parts[2:]]
    about = tomllib.loads(Path("fair-contracts/pyproject.toml").read_text("utf-8"))["project"]
    assert about["dependencies"][0] == "florin-contracts>=2.1"
    install(Path("fair-contracts"), site)
    assert import_module("fair_contracts.fair.v1.offers_pb2").Offer().price.DESCRIPTOR.full_name == "florin.v1.Money"
    assert "from florin_contracts.florin.v1 import florin_pb2" in Path(
        "fair-contracts/src/fair_contracts/fair/v1/offers_pb2.pyi"
    ).read_text("utf-8")


def test_what_every_service_has_is_left_out(workplace):
    write_offers(workplace, "booth", "booth/money.proto")
    common = {
        "google/api/http.proto": "google.api",
        "towpath/v1/options.proto": "towpath.v1",
        "google/protobuf/empty.proto": "google.protobuf",
    }
    for name, package in {**common, "google/longrunning/operations.proto": "google.longrunning"}.items():
        workplace.write(f"../vendored/{name}", f'syntax = "proto3";\npackage {package};\n')
    options = GenerateOptions(
        paths=[Path("proto"), Path("vendored")],
        proto_roots=[Path("proto"), Path("vendored")],
        out=Path("out"),
        package="booth-api",
        version="1",
    )
    # protoc takes the copies for imports, and these have nothing in them.
    for name in ("google/api/http.proto", "towpath/v1/options.proto"):
        Path("vendored", name).unlink()
    made = generate(options)
    assert [warning.partition(" warning: ")[2] for warning in made.warnings if "left out" in warning] == [
        "left out of the package, because googleapis-common-protos has it",
        "left out of the package, because protobuf has it",
    ]
    assert {path.parts[3] for path in made.written if "src" in path.parts and len(path.parts) > 4} == {"booth"}


def test_there_has_to_be_a_contract_of_ones_own(workplace):
    workplace.write("google/api/http.proto", 'syntax = "proto3";\npackage google.api;\n')
    with pytest.raises(ContractError, match="no contract of your own here"):
        make("http-contracts")


def test_an_import_that_nobody_would_have_is_refused_at_its_place(workplace):
    write_offers(workplace, "tent", "tent/money.proto")
    workplace.write("loose/v1/loose.proto", MONEY.format(package="loose.v1"))
    text = (
        Path("proto/tent/v1/offers.proto")
        .read_text("utf-8")
        .replace("tent/money.proto", "loose/v1/loose.proto")
        .replace("tent.Money", "loose.v1.Money")
    )
    workplace.write("tent/v1/offers.proto", text)
    with pytest.raises(
        ContractError, match=r'offers\.proto:3:1: import "loose/v1/loose\.proto" would not be in the package tent-contracts'
    ):
        make("tent-contracts", paths=("proto/tent",))
    assert not Path("tent-contracts").exists()


def test_contracts_that_are_gone_leave_the_package_and_other_files_stay(workplace):
    write_offers(workplace, "mart", "mart/money.proto")
    workplace.write("mart/v0/old.proto", 'syntax = "proto3";\npackage mart.v0;\nmessage M {}\nservice S { rpc Say(M) returns (M); }\n')
    make("mart-contracts")
    root = Path("mart-contracts/src/mart_contracts")
    (root / "mart/v0/notes.py").write_text("mine", "utf-8")
    Path("proto/mart/v0/old.proto").unlink()
    made = make("mart-contracts")
    assert [path.name for path in made.removed] == [
        "__init__.py",
        "old_fakes.py",
        "old_pb2.py",
        "old_pb2.pyi",
        "old.proto",
        "old_towpath.py",
    ]
    assert [path.name for path in (root / "mart/v0").iterdir()] == ["notes.py"]
    assert (root / "mart/v1/offers_pb2.py").exists()


@pytest.mark.parametrize("name", ["pyproject.toml", "src/yard_contracts/__init__.py", "src/yard_contracts/py.typed"])
def test_a_file_of_somebody_is_not_overwritten(workplace, name):
    write_offers(workplace, "yard", "yard/money.proto")
    mine = Path("yard-contracts", name)
    mine.parent.mkdir(parents=True)
    mine.write_text("mine\n", "utf-8")
    with pytest.raises(ContractError, match="in the way, and was not made by towpath gen"):
        make("yard-contracts")
    assert [path for path in Path("yard-contracts").rglob("*") if path.is_file()] == [mine]


def test_a_readme_of_the_teams_is_kept(workplace):
    write_offers(workplace, "quay", "quay/money.proto")
    Path("quay-contracts").mkdir()
    Path("quay-contracts/README.md").write_text("# Ours\n", "utf-8")
    make("quay-contracts")
    assert Path("quay-contracts/README.md").read_text("utf-8") == "# Ours\n"
    assert make("quay-contracts", check=True).up_to_date


def test_a_folder_in_the_place_of_the_readme_is_named(workplace):
    write_offers(workplace, "mole", "mole/money.proto")
    Path("mole-contracts/README.md").mkdir(parents=True)
    with pytest.raises(ContractError, match=r"mole-contracts/README\.md: .*cannot be written: is a directory"):
        make("mole-contracts")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "'' is no name of a package"),
        ("1a", "'1a' is no name of a package"),
        ("a b", "'a b' is no name of a package"),
        ("import", "'import' is no name of a package"),
        ("shop-", "'shop-' is no name of a package"),
        ("../x", "is no name of a package"),
        ("é", "is no name of a package"),
        ("json", "`import json` finds another package; choose another name, such as json-contracts"),
        ("google", "`import google` finds another package"),
        ("towpath", "`import towpath` finds another package"),
        ("msgspec", r"`import msgspec` finds .*msgspec.__init__\.py"),
    ],
)
def test_a_name_that_none_can_have_is_refused(workplace, name, said):
    write_offers(workplace, "pier", "pier/money.proto")
    with pytest.raises(SetupError, match=said):
        generate(GenerateOptions(paths=[Path("proto")], out=Path("out"), package=name, version="1"))
    assert not Path("out").exists()


def test_a_name_that_no_folder_can_have_leaves_nothing_behind(workplace):
    write_offers(workplace, "ferry", "ferry/money.proto")
    with pytest.raises(ContractError, match="cannot be written: file name too long"):
        generate(GenerateOptions(paths=[Path("proto")], out=Path("made/here"), package="a" * 3000, version="1"))
    assert not Path("made").exists()


def test_a_package_may_be_made_where_an_older_version_is_installed(workplace, site):
    write_offers(workplace, "dock", "dock/money.proto")
    make("dock-contracts")
    install(Path("dock-contracts"), site)
    assert "dock-contracts" not in Path("dock-contracts/pyproject.toml").read_text("utf-8").partition("dependencies")[2]
    assert make("dock-contracts", version="1.1").written == (Path("dock-contracts/pyproject.toml"),)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"package": "a", "version": "one"}, "--version 'one' is no version of a package"),
        ({"package": "a", "version": ""}, "--version '' is no version of a package"),
        ({"version": "1"}, "--version is that of a package; give its name with --package"),
        ({"package": "a", "import_prefix": "b"}, "--import-prefix beside --package"),
    ],
)
def test_options_that_do_not_go_together_are_refused(workplace, options, said):
    write_offers(workplace, "wharf", "wharf/money.proto")
    with pytest.raises(SetupError, match=said):
        generate(GenerateOptions(paths=[Path("proto")], out=Path("out"), **options))
    assert not Path("out").exists()


def test_a_package_made_from_sources_that_are_not_installed_asks_for_any_towpath(workplace, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from towpath._contracts.codegen import contract_package

    def unknown(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(contract_package, "version", unknown)
    write_offers(workplace, "lock", "lock/money.proto")
    make("lock-contracts")
    assert '    "towpath",\n' in Path("lock-contracts/pyproject.toml").read_text("utf-8")
