"""`towpath gen` from contracts to files, with the real protoc."""

import asyncio
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from towpath._contracts.codegen.generator import GenerateOptions, generate
from towpath._contracts.diagnostics import ContractError
from towpath._core.context import Criticality
from towpath._core.errors import Code, SetupError
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._core.service import DEFAULT_TIMEOUT, Idempotency, MethodKind

OPTIONS = 'import "towpath/v1/options.proto";\n'

RICH = """\
syntax = "proto3";
package parcel.v1;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
import "google/rpc/status.proto";
import "parcel/v1/types.proto";
import "parcel/v1/a_name_that_fills_most_of_a_line_of_generated_code_all_by_itself.proto";
import "towpath/v1/options.proto";

// Says \\"hello\\" and "quotes".
service GreeterService {
  // Greets one person.
  //   - kindly
  rpc GetURL(Outer.Inner) returns (google.rpc.Status) {
    option (google.api.http) = { get: "/v1/url" };
    option idempotency_level = NO_SIDE_EFFECTS;
    option (towpath.v1.method) = {
      timeout: { nanos: 250000000 }
      criticality: CRITICALITY_CRITICAL
      retry: { max_attempts: 4 retryable_status_codes: [ABORTED, UNAVAILABLE] }
    };
  }
  rpc Import(google.protobuf.Empty) returns (parcel.v1.types.Shared); // Takes everything.
  rpc Handlers(Outer) returns (Long) {
    option idempotency_level = IDEMPOTENT;
    option (towpath.v1.method).hedge = { hedging_delay: { nanos: 20000000 } };
  }
  rpc AMethodWhoseNameIsSoVeryLongThatNoLineOfTheGeneratedCodeCanHoldItTwiceOrEvenOnce(Outer) returns (Outer) { option deprecated = true; }
}

service EmptyService { option deprecated = true; }

message Outer {
  message Inner {}
}
"""
TYPES = 'syntax = "proto3";\npackage parcel.v1.types;\nmessage Shared {}\n'
LONG = 'syntax = "proto3";\npackage parcel.v1;\nmessage Long {}\n'


def write_rich(workplace):
    workplace.write("parcel/v1/a_name_that_fills_most_of_a_line_of_generated_code_all_by_itself.proto", LONG)
    workplace.write("parcel/v1/parcel.proto", RICH)
    workplace.write("parcel/v1/types.proto", TYPES)


def test_messages_stubs_and_services_are_written_and_written_once(workplace):
    workplace.service("rpc Say(M) returns (N);")
    first = workplace.generate()
    names = ["shop/v1/shop_fakes.py", "shop/v1/shop_pb2.py", "shop/v1/shop_pb2.pyi", "shop/v1/shop_towpath.py"]
    assert first.written == tuple(workplace.out / name for name in names)
    assert not first.up_to_date
    again = workplace.generate()
    assert again.up_to_date
    assert again.unchanged == first.written


def test_a_contract_without_services_has_messages_only(workplace):
    workplace.write("shop/v1/shop.proto", 'syntax = "proto3";\npackage shop.v1;\nmessage M {}\n')
    assert [path.name for path in workplace.generate().written] == ["shop_pb2.py", "shop_pb2.pyi"]


def test_the_same_contracts_give_the_same_bytes_wherever_they_lie(workplace, tmp_path):
    write_rich(workplace)
    workplace.generate()
    elsewhere = tmp_path / "elsewhere"
    files = sorted(workplace.proto.absolute().rglob("*.proto"), reverse=True)
    generate(GenerateOptions(paths=files, proto_roots=[workplace.proto.absolute()], out=elsewhere))
    made = {path.relative_to(elsewhere): path.read_bytes() for path in elsewhere.rglob("*.py*")}
    assert made == {path.relative_to(workplace.out): path.read_bytes() for path in workplace.out.rglob("*.py*")}
    assert len(made) == 8


def test_options_and_names_reach_the_generated_service(workplace, importing):
    write_rich(workplace)
    workplace.generate()
    module = importing("parcel.v1.parcel_towpath")
    url, take, handlers, _ = module.GreeterService.spec.methods
    assert (url.idempotency, url.timeout, url.criticality) == (Idempotency.NO_SIDE_EFFECTS, 0.25, Criticality.CRITICAL)
    assert (take.idempotency, take.timeout, take.criticality) == (Idempotency.UNKNOWN, None, None)
    assert url.retry == RetryPolicy(max_attempts=4, retryable_codes=frozenset({Code.ABORTED, Code.UNAVAILABLE}))
    assert (handlers.hedge, take.retry, take.hedge) == (HedgingPolicy(hedging_delay=0.02), None, None)
    assert url.timeout != DEFAULT_TIMEOUT
    assert url.kind is MethodKind.UNARY
    assert (url.full_name, url.path) == ("parcel.v1.GreeterService/GetURL", "/parcel.v1.GreeterService/GetURL")
    assert (url.request.DESCRIPTOR.full_name, url.response.DESCRIPTOR.full_name) == ("parcel.v1.Outer.Inner", "google.rpc.Status")
    assert take.response.DESCRIPTOR.full_name == "parcel.v1.types.Shared"
    assert module.GREETER_SERVICE_GET_URL is url
    assert [module.GreeterService.spec.attributes[method.name] for method in (url, take, handlers)] == ["get_url", "import_", "handlers_"]
    assert module.GreeterService.__doc__ == 'Says \\"hello\\" and "quotes".'
    assert module.GreeterService.get_url.__doc__.startswith("Greets one person.\n")
    assert module.GreeterServiceClient.import_.__doc__ == "Takes everything."
    assert module.EmptyService.spec.methods == ()
    assert module.EmptyService().handlers() == []


def test_docstrings_say_what_is_deprecated(workplace, importing):
    workplace.write(
        "old/v1/old.proto",
        'syntax = "proto3";\npackage old.v1;\nmessage M {}\n'
        "// Sells.\nservice Shop {\n  option deprecated = true;\n"
        "  // Use Sell.\n  rpc Offer(M) returns (M) { option deprecated = true; }\n  rpc Sell(M) returns (M);\n}\n",
    )
    workplace.generate()
    module = importing("old.v1.old_towpath")
    for documented in (module.Shop, module.ShopClient):
        assert "Deprecated: the contract has the option `deprecated` for this service." in documented.__doc__
        assert "Deprecated: the contract has the option `deprecated` for this method." in documented.offer.__doc__
        assert "Deprecated" not in documented.sell.__doc__


async def call(client):
    return await client.import_("request"), await client.get_url("other", "options")


def test_a_client_calls_what_its_channel_bound(workplace, importing):
    write_rich(workplace)
    workplace.generate()
    module = importing("parcel.v1.parcel_towpath")

    class Echoing:
        def bind(self, method):
            async def answer(request, options):
                return method.name, request, options

            return answer

    assert asyncio.run(call(module.GreeterServiceClient(Echoing()))) == (("Import", "request", None), ("GetURL", "other", "options"))


def test_messages_of_one_module_name_are_told_apart(workplace, importing):
    workplace.write("alpha/v1/types.proto", 'syntax = "proto3";\npackage alpha.v1;\nmessage T {}\n')
    workplace.write("beta/v1/types.proto", 'syntax = "proto3";\npackage beta.v1;\nmessage T {}\n')
    imports = 'import "alpha/v1/types.proto";\nimport "beta/v1/types.proto";\n'
    workplace.service("rpc Say(alpha.v1.T) returns (beta.v1.T);", imports=imports, name="gamma/v1/gamma.proto")
    workplace.generate()
    (say,) = importing("gamma.v1.gamma_towpath").ShopService.spec.methods
    assert (say.request.DESCRIPTOR.full_name, say.response.DESCRIPTOR.full_name) == ("alpha.v1.T", "beta.v1.T")


def test_a_contract_outside_any_package_is_a_module_at_the_top(workplace, importing):
    workplace.write("lonely-till.proto", 'syntax = "proto3";\nmessage LonelyM {}\nservice Lonely { rpc Say(LonelyM) returns (LonelyM); }\n')
    workplace.generate()
    (say,) = importing("lonely_till_towpath").Lonely.spec.methods
    assert say.path == "/Lonely/Say"


def test_a_contract_whose_services_are_empty_imports_nothing_idle(workplace, importing):
    workplace.service("", name="idle/v1/idle.proto")
    workplace.generate()
    module = importing("idle.v1.idle_towpath")
    assert module.ShopService.spec.methods == ()
    assert not hasattr(module, "MethodSpec")


def test_generated_code_is_strictly_typed(workplace):
    checker = next((name for name in ("basedpyright", "pyright") if find_spec(name)), None)
    if checker is None:
        pytest.skip("no type checker is installed; `make check` runs one over the generated code of the repository")
    write_rich(workplace)
    workplace.generate()
    source = str(Path(sys.modules["towpath"].__path__[0]).parent)
    settings = {
        "include": ["out"],
        "exclude": ["**/*_pb2.py", "**/*_pb2.pyi"],  # protoc's own are not strict
        "extraPaths": ["out", source],
        "typeCheckingMode": "strict",
        "reportMissingTypeStubs": False,  # googleapis-common-protos carries its stubs without saying so
    }
    Path("pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    ran = subprocess.run([sys.executable, "-m", checker, "--pythonpath", sys.executable], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("width", [88, 100, 140])
def test_generated_code_is_formatted(workplace, width):
    if not find_spec("ruff"):
        pytest.skip("no formatter is installed")
    write_rich(workplace)
    workplace.generate()
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", f"--line-length={width}"]
    ran = subprocess.run([*command, "--exclude=*_pb2.py*", workplace.out], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_modules_in_the_working_directory_do_not_reach_the_compiler(workplace):
    workplace.service("rpc Say(M) returns (N);")
    Path("grpc_tools.py").write_text("raise SystemExit('not the compiler')", "utf-8")
    assert len(workplace.generate().written) == 4


class TestCheck:
    def test_what_would_change_is_listed_and_left(self, workplace):
        workplace.service("rpc Say(M) returns (N);")
        workplace.generate()
        edited = workplace.out / "shop/v1/shop_towpath.py"
        edited.write_text("by hand", "utf-8")
        (workplace.out / "shop/v1/shop_pb2.pyi").unlink()
        result = workplace.generate(check=True)
        assert not result.up_to_date
        assert result.written == (workplace.out / "shop/v1/shop_pb2.pyi", edited)
        assert result.unchanged == (workplace.out / "shop/v1/shop_fakes.py", workplace.out / "shop/v1/shop_pb2.py")
        assert edited.read_text("utf-8") == "by hand"

    def test_a_changed_comment_is_drift_of_the_service_alone(self, workplace):
        workplace.service("rpc Say(M) returns (N);")
        workplace.generate()
        workplace.service("// New.\nrpc Say(M) returns (N);")
        assert workplace.generate(check=True).written == (workplace.out / "shop/v1/shop_towpath.py",)

    def test_services_that_are_gone_leave_nothing_behind(self, workplace):
        workplace.service("rpc Say(M) returns (N);")
        workplace.generate()
        workplace.write("shop/v1/shop.proto", 'syntax = "proto3";\npackage shop.v1;\nmessage M {}\n')
        left = (workplace.out / "shop/v1/shop_fakes.py", workplace.out / "shop/v1/shop_towpath.py")
        assert workplace.generate(check=True).removed == left
        assert all(file.exists() for file in left)
        assert workplace.generate().removed == left
        assert not any(file.exists() for file in left)

    @pytest.mark.parametrize("ship", [False, True])
    def test_a_contract_that_is_gone_leaves_nothing_behind(self, workplace, ship):
        workplace.service("rpc Say(M) returns (N);")
        old = workplace.service(
            "rpc Say(shop.v1.M) returns (shop.v1.N);", imports='import "shop/v1/shop.proto";\n', name="shop/v1/old.proto"
        )
        old.write_text(old.read_text("utf-8").replace("message M {}\nmessage N {}\n", "").replace("ShopService", "OldService"), "utf-8")
        workplace.generate(ship_protos=ship)
        old.unlink()
        names = ["old_fakes.py", "old_pb2.py", "old_pb2.pyi", *(["old.proto"] if ship else []), "old_towpath.py"]
        left = tuple(workplace.out / "shop/v1" / name for name in names)
        checked = workplace.generate(check=True, ship_protos=ship)
        assert (checked.removed, checked.up_to_date) == (left, False)
        assert all(path.exists() for path in left)
        assert workplace.generate(ship_protos=ship).removed == left
        assert not any(path.exists() for path in left)
        assert workplace.generate(check=True, ship_protos=ship).up_to_date

    def test_contracts_that_were_not_given_keep_their_code(self, workplace):
        workplace.service("rpc Say(M) returns (N);")
        one = workplace.write("shop/v1/one.proto", 'syntax = "proto3";\npackage shop.v1;\nmessage One {}\n')
        workplace.write("till/v1/till.proto", 'syntax = "proto3";\npackage till.v1;\nmessage Till {}\n')
        workplace.generate()
        (workplace.proto / "till/v1/till.proto").unlink()
        again = generate(GenerateOptions(paths=[one], proto_roots=[workplace.proto], out=workplace.out))
        assert again.up_to_date
        assert (workplace.out / "till/v1/till_pb2.py").exists()  # what is gone may have come from another root

    def test_what_towpath_did_not_generate_is_left(self, workplace):
        workplace.write("shop/v1/shop.proto", 'syntax = "proto3";\npackage shop.v1;\nmessage M {}\n')
        theirs = workplace.out / "shop/v1/shop_towpath.py"
        theirs.parent.mkdir(parents=True)
        theirs.write_text("by hand", "utf-8")
        assert workplace.generate().removed == ()
        assert theirs.exists()

    def test_nothing_is_created(self, workplace):
        workplace.service("rpc Say(M) returns (N);")
        assert len(workplace.generate(check=True).written) == 4
        assert not workplace.out.exists()


def test_shipped_contracts_lie_beside_their_code(workplace):
    contract = workplace.service("rpc Say(M) returns (N);")
    workplace.generate(ship_protos=True)
    assert workplace.text("shop/v1/shop.proto") == contract.read_text("utf-8")


def test_an_unused_import_is_a_warning(workplace):
    workplace.service("rpc Say(M) returns (N);", imports='import "google/protobuf/empty.proto";\n')
    (warning,) = workplace.generate().warnings
    assert warning.startswith("proto/shop/v1/shop.proto:3:1: warning: Import google/protobuf/empty.proto is unused")


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "imports", "message", "hint"),
        [
            ("rpc Say(M) returns (N)", "", r"proto/shop/v1/shop\.proto:8:1: Expected \";\"", "line before"),
            ("rpc Say(M) returns (X);", "", r'proto/shop/v1/shop\.proto:7:21: "X" is not defined', "import the contract"),
            ("rpc Say(M) returns (N);\nrpc Say(M) returns (N);", "", r'proto/shop/v1/shop\.proto:8:5: "Say" is already defined', "rename"),
            (
                "rpc Say(M) returns (N);",
                'import "nope.proto";\n',
                r'proto/shop/v1/shop\.proto:3:1: import "nope\.proto" was not found',
                "imports start from proto;",
            ),
            (
                "rpc GetURL(M) returns (N);\n\n  rpc GetUrl(M) returns (N);",
                "",
                r"proto/shop/v1/shop\.proto:9:3: rpc GetUrl and rpc GetURL both become get_url\(\) in Python\n  also: .*shop\.proto:7:1\n",
                "rename one of the two",
            ),
            (
                "rpc Say(M) returns (M) {\n  option (towpath.v1.method) = {\n    timeout: { seconds: -1 }\n  };\n}",
                OPTIONS,
                r"proto/shop/v1/shop\.proto:9:3: shop\.v1\.ShopService/Say: timeout of -1 s: no call could ever succeed",
                "more than zero",
            ),
            (
                "rpc Say(M) returns (M) {\n  option (towpath.v1.method).timeout = {};\n}",
                OPTIONS,
                r"proto/shop/v1/shop\.proto:9:3: shop\.v1\.ShopService/Say: timeout of 0 s",
                "more than zero",
            ),
            (
                "rpc Say(M) returns (M) { option (towpath.v1.method) = { criticality: URGENT }; }",
                OPTIONS,
                r"proto/shop/v1/shop\.proto:8:55: .*\"URGENT\"",
                "correct the contract",
            ),
            (
                "}\nservice ShopServiceClient {",
                "",
                r".*:8:1: service ShopServiceClient and the client of .* both generated as ShopServiceClient\n  also: .*shop\.proto:6:1\n",
                "rename one of the two",
            ),
        ],
    )
    def test_a_faulty_contract_gives_one_error_with_its_place_and_writes_nothing(self, workplace, body, imports, message, hint):
        workplace.service(body, imports=imports)
        with pytest.raises(ContractError, match=f"^{message}") as caught:
            workplace.generate()
        _, *rest = str(caught.value).splitlines()
        assert len(rest) == (1 if caught.value.also is None else 2), "one error"
        assert rest[-1].startswith("  hint: ")
        assert hint in rest[-1]
        assert not workplace.out.exists()

    def test_constants_of_two_services_may_not_meet(self, workplace):
        workplace.service("rpc BarBaz(M) returns (N);\n}\nservice ShopServiceBar {\nrpc Baz(M) returns (N);")
        with pytest.raises(
            ContractError, match=r":10:1: the MethodSpec of ShopServiceBar/Baz .* both generated as SHOP_SERVICE_BAR_BAZ\n  also: .*:7:1\n"
        ):
            workplace.generate()

    def test_a_fault_in_an_import_is_placed_in_the_import(self, workplace):
        workplace.service("rpc Say(M) returns (N);", imports='import "a/v1/broken.proto";\n')
        workplace.write("a/v1/broken.proto", 'syntax = "proto3";\npackage a.v1;\nmessage {}\n')
        with pytest.raises(ContractError, match=r"^proto/a/v1/broken\.proto:3:9: Expected message name"):
            generate(GenerateOptions(paths=[workplace.proto / "shop"], proto_roots=[workplace.proto], out=workplace.out))

    def test_contracts_that_import_each_other_in_a_circle_are_named(self, workplace):
        workplace.write("a.proto", 'syntax = "proto3";\nimport "b.proto";\n')
        workplace.write("b.proto", 'syntax = "proto3";\nimport "a.proto";\n')
        with pytest.raises(ContractError, match=r"^proto/[ab]\.proto:2:1: File recursively imports itself") as caught:
            workplace.generate()
        assert "a contract of its own" in str(caught.value)

    def test_an_output_that_cannot_be_written_is_told_by_name(self, workplace):
        workplace.service("rpc Say(M) returns (N);")
        workplace.out.write_text("in the way", "utf-8")
        with pytest.raises(ContractError, match=r"^out.*: cannot be written: .*\n  hint: give --out a directory"):
            workplace.generate()

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind the superuser")
    def test_an_output_that_may_not_be_written_is_told_by_name(self, workplace):
        workplace.service("rpc Say(M) returns (N);")
        workplace.out.mkdir(mode=0o500)
        with pytest.raises(ContractError, match=r"^out/shop: cannot be written: permission denied"):
            workplace.generate()

    def test_without_protoc_the_way_to_install_it_is_told(self, workplace, monkeypatch):
        workplace.service("rpc Say(M) returns (N);")
        monkeypatch.setitem(sys.modules, "grpc_tools", None)
        with pytest.raises(SetupError, match=r"pip install 'towpath\[gen\]'"):
            workplace.generate()
