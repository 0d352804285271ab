"""What `towpath add` makes of a project: its own checks and tests still pass, and a refusal leaves everything as it was."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.scaffold.projects import commit, git, make
from towpath._core.errors import SetupError
from towpath._scaffold.additions import add_client, add_method, add_service, add_store
from towpath._scaffold.answers import checked
from towpath._scaffold.project import make_service, make_system


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_system(checked("shop"), ["cart", "catalogue", "apples"], tmp_path_factory.mktemp("made")).folder
    commit(folder)
    return folder


@pytest.fixture
def shop(tmp_path: Path, made: Path) -> Path:
    """A system of three services, committed."""
    return Path(shutil.copytree(made, tmp_path / "shop"))


@pytest.mark.timeout(1800)
def test_a_service_with_everything_added_passes_its_checks_and_tests(shop):
    cart = shop / "cart"
    for rpc, streams in (("GetThing", "none"), ("PutAll", "requests"), ("Watch", "responses"), ("Talk", "both")):
        add_method(cart, rpc, streams=streams, reads=rpc == "GetThing")
    add_client(cart, "catalogue")
    add_client(cart, "apples")
    add_store(cart, "postgres")
    ran = make(cart, "check", "test")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "18 passed" in ran.stdout
    graph = make(shop, "graph")
    assert graph.stdout == "3 services, 7 methods, 10 calls: nothing found\n"
    assert 'calls = ["catalogue", "apples"]' in (shop / "system.toml").read_text()
    assert '"towpath[postgres,speed]"' in (cart / "pyproject.toml").read_text()


def test_what_was_written_is_told_as_seen_from_here(shop, monkeypatch):
    monkeypatch.chdir(shop / "cart")
    written = add_client(Path(), "catalogue").written
    assert [str(path) for path in written if path.is_absolute()] == []
    assert Path("../system.toml") in written
    monkeypatch.chdir(shop)
    assert Path("system.toml") in add_client(Path("cart"), "apples").written


def test_a_system_gets_one_more_service_with_a_port_of_its_own(shop):
    added = add_service(shop, "checkout")
    assert added.written == (shop / "checkout", shop / "system.toml")
    assert 'listen = "127.0.0.1:8083"' in (shop / "system.toml").read_text()
    assert (shop / "checkout/src/checkout/v1/checkout_pb2.py").is_file()
    assert not (shop / "checkout/local.mk").exists()
    add_client(shop / "checkout", "cart")
    assert make(shop, "graph").stdout == "4 services, 4 methods, 1 calls: nothing found\n"


def test_a_client_of_a_contract_elsewhere(shop, tmp_path):
    contract = tmp_path / "payment.proto"
    contract.write_text(
        'syntax = "proto3";\npackage bank.payment.v2;\nservice PaymentService {\n  rpc Pay(PayRequest) returns (PayResponse);\n}\n'
        "service RefundService {\n  rpc Refund(PayRequest) returns (PayResponse);\n}\nmessage PayRequest {}\nmessage PayResponse {}\n"
    )
    add_client(shop / "cart", "bank", contract=contract)
    clients = (shop / "cart/src/cart/clients.py").read_text()
    assert "from bank.payment.v2.payment_towpath import PaymentServiceClient, RefundServiceClient\n" in clients
    assert "def bank_payment_service(app: App) -> PaymentServiceClient:" in clients
    assert "def bank_refund_service(app: App) -> RefundServiceClient:" in clients
    assert 'to = "bank.payment.v2.RefundService/Refund"' in (shop / "cart/towpath.toml").read_text()
    ran = make(shop / "cart", "check-format", "check-lint")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def no_service(shop: Path) -> None:
    path = shop / "x.proto"
    path.write_text('syntax = "proto3";\npackage x.v1;\nmessage X {}\n')
    commit(shop)
    add_client(shop / "cart", "x", contract=path)


def other_contract(shop: Path) -> None:
    add_client(shop / "cart", "catalogue")
    commit(shop)
    contract = shop / "catalogue/proto/catalogue/v1/catalogue.proto"
    contract.write_text(contract.read_text() + "\nmessage Another {}\n")
    commit(shop)
    add_client(shop / "cart", "catalogue")


def broken_contract(shop: Path) -> None:
    contract = shop / "cart/proto/cart/v1/cart.proto"
    contract.write_text(contract.read_text().replace("string name = 1", "strin name = 1"))
    commit(shop)
    add_method(shop / "cart", "GetThing")


def no_handler(shop: Path) -> None:
    (shop / "cart/src/cart/service.py").write_text("x = 1\n")
    commit(shop)
    add_method(shop / "cart", "GetThing")


def no_python(shop: Path) -> None:
    (shop / "cart/src/cart/service.py").write_text("x = (\n")
    commit(shop)
    add_method(shop / "cart", "GetThing")


def no_file(shop: Path) -> None:
    (shop / "cart/src/cart/service.py").unlink()
    commit(shop)
    add_method(shop / "cart", "GetThing")


def other_form(shop: Path) -> None:
    (shop / "cart/towpath.toml").write_text("service = { name = 'cart' }\n")
    commit(shop)
    add_store(shop / "cart", "sqlite")


def twice(shop: Path) -> None:
    add_store(shop / "cart", "sqlite")
    commit(shop)
    add_store(shop / "cart", "redis")


def no_dependency(shop: Path) -> None:
    path = shop / "cart/pyproject.toml"
    path.write_text(path.read_text().replace('"towpath[', '"tow['))
    commit(shop)
    add_store(shop / "cart", "redis")


REFUSALS = [
    (lambda shop: add_method(shop / "cart", "get_thing"), "'get_thing' is no name for a method; give words that begin with capitals"),
    (lambda shop: add_method(shop / "cart", "X" * 31), "of at most 30 letters"),
    (lambda shop: add_method(shop / "cart", "Greet"), "has a message GreetRequest already; choose another name for the method"),
    (lambda shop: add_method(shop / "cart", "Service"), "tests/test_service.py is there already"),
    (lambda shop: add_method(shop / "cart", "Get", service="Other"), "has no service Other; name another with --service"),
    (lambda shop: add_method(shop, "Get"), "is a system, and a method is added to a service"),
    (lambda shop: add_client(shop / "cart", "nobody"), "--contract: is needed, since no service nobody lies beside this one"),
    (lambda shop: add_client(shop / "cart", "No"), "'No' is no name for a service"),
    (lambda shop: add_client(shop / "cart", "x", contract=shop / "no.proto"), "no.proto cannot be read; name a .proto file"),
    (lambda shop: add_client(shop / "cart", "x", contract=shop / "README.md"), "README.md has no package, by which its place is known"),
    (lambda shop: add_store(shop / "cart", "mysql"), "'mysql' is no store; give sqlite, postgres, redis"),
    (lambda shop: add_store(shop / "cart", "redis", address='a"b'), "--address: has a "),
    (lambda shop: add_service(shop, "cart"), "services.cart: is there already; choose another name"),
    (lambda shop: add_service(shop, "Cart"), "'Cart' is no name for a service"),
    (lambda shop: add_service(shop, "x", port=0), "--port: is 0; give 1 to 65535"),
    (lambda shop: add_service(shop / "cart", "x"), "is one service; make a system by towpath new --system"),
    (no_service, "has no service, and so nothing to call"),
    (other_contract, "is there already, and is another one; delete it first if it is to be replaced"),
    (broken_contract, '"strin" is not defined'),
    (no_handler, "has no class that derives from CartService"),
    (no_python, "is no Python: "),
    (no_file, "service.py cannot be read, and this adds to it"),
    (other_form, "has no table [service] as a header of its own; add it first"),
    (twice, "service.idempotency: is 'sqlite:///cart.db' already; take it out first if another is meant"),
    (no_dependency, 'dependencies has no "towpath"; add "towpath[redis]" by hand'),
]


@pytest.mark.parametrize(("attempt", "message"), REFUSALS)
def test_a_refusal_says_why_and_leaves_everything_as_it_was(shop, attempt, message):
    with pytest.raises(SetupError) as caught:
        attempt(shop)
    assert message in str(caught.value)
    assert "towpath-contracts-" not in str(caught.value)
    assert git(shop, "status", "--porcelain") == ""


@pytest.mark.parametrize("attempt", [lambda shop: add_method(shop / "cart", "Get"), lambda shop: add_service(shop, "checkout")])
def test_a_full_disk_leaves_everything_as_it_was(shop, monkeypatch, attempt):
    def full(*_files: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("towpath._scaffold.additions.edits.write_files", full)
    monkeypatch.setattr("towpath._scaffold.additions.member.write_files", full)
    with pytest.raises(SetupError, match="no space left on device; make room on the disk"):
        attempt(shop)
    assert git(shop, "status", "--porcelain") == ""


def test_a_service_alone_needs_no_system(tmp_path):
    folder = make_service(checked("alone"), tmp_path).folder
    added = add_method(folder, "GetThing")
    assert {path.name for path in added.written} >= {"alone.proto", "service.py", "test_get_thing.py", "alone_towpath.py"}
    assert added.following.startswith("give GetThingRequest and GetThingResponse their fields in proto/alone/v1/alone.proto")
