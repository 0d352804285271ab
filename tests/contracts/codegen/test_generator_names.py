"""Names of contracts that Python, towpath or another package has already, and text that is not UTF-8."""

import asyncio
import subprocess
import sys

import pytest

from towpath import App, connect, connect_sync
from towpath._app.standard.reflection import reflection_services
from towpath._contracts.codegen.generator import GenerateOptions, generate
from towpath._contracts.diagnostics import ContractError
from towpath._contracts.lint import lint
from towpath._contracts.sources import find_sources
from towpath._core.context import Context
from towpath._core.errors import SetupError
from towpath._core.propagation.trust import Trust

KEYWORDS = ["None", "True", "class", "lambda"]
SERVICES = ["Service", "ServiceSpec", "Context", "Final", "Binder", "Any", "Requests", "str", "names_pb2", *KEYWORDS]
"""Names that the generated text imports, and keywords of Python."""


def contract(package: str, name: str) -> str:
    return (
        f'syntax = "proto3";\npackage {package};\nimport "google/api/annotations.proto";\nimport "towpath/v1/options.proto";\n'
        f"message M {{ string text = 1; }}\nservice {name} {{\n"
        'rpc Do(M) returns (M) { option idempotency_level = IDEMPOTENT; option (google.api.http) = { get: "/do" };'
        " option (towpath.v1.method) = { criticality: CRITICALITY_CRITICAL hedge: {} }; }\n"
        "rpc Abstractmethod(M) returns (M);\nrpc NamesPb2(M) returns (M);\nrpc Import(M) returns (M);\n"
        "rpc Watch(stream M) returns (stream M);\n}\n"
    )


async def do(self, request, ctx):
    return request


async def watch(self, requests, ctx):
    async for request in requests:
        yield request


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_may_have_any_name(workplace, importing, name):
    package = f"named_{name.lower()}.v1"
    workplace.write(f"{package.replace('.', '/')}/names.proto", contract(package, name))
    workplace.generate()
    module, pb = importing(f"{package}.names_towpath"), importing(f"{package}.names_pb2")
    base = getattr(module, f"{name}_" if name in KEYWORDS else name)
    served = type("Served", (base,), {"do": do, "abstractmethod": do, "names_pb2": do, "import_": do, "watch": watch})
    async with App() as app:
        app.add(served())
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            client = getattr(module, f"{name}Client")(channel)
            assert (await client.do(pb.M(text="x"))).text == "x"
            assert (await client.abstractmethod(pb.M(text="x"))).text == "x"
            assert [one.text async for one in client.watch([pb.M(text="y")])] == ["y"]

        def call() -> str:
            with connect_sync(app.address) as channel:
                return getattr(module, f"{name}SyncClient")(channel).names_pb2(pb.M(text="z")).text

        assert await asyncio.to_thread(call) == "z"
    assert module.DO.full_name == f"{package}.{name}/Do"


def test_messages_and_folders_may_be_keywords(workplace, importing):
    workplace.write("lambda/v1/own.proto", 'syntax = "proto3";\npackage lambda.v1;\nmessage None { message True {} }\nmessage Plain {}\n')
    imports = 'import public "lambda/v1/own.proto";\n'
    body = "rpc A(lambda.v1.None) returns (lambda.v1.None.True);\nrpc B(lambda.v1.Plain) returns (M);"
    workplace.service(body, imports=imports, name="keywords/v1/keywords.proto")
    workplace.service("rpc C(M) returns (M);", name="lambda/v2/served.proto")
    workplace.generate()
    a, b = importing("keywords.v1.keywords_towpath").ShopService.spec.methods
    assert (a.request.DESCRIPTOR.full_name, a.response.DESCRIPTOR.full_name) == ("lambda.v1.None", "lambda.v1.None.True")
    assert (b.request.DESCRIPTOR.full_name, b.response.DESCRIPTOR.full_name) == ("lambda.v1.Plain", "keywords.v1.M")
    assert importing("keywords.v1.keywords_pb2").Plain is b.request  # a public import
    (c,) = importing("lambda.v2.served_towpath").ShopService.spec.methods
    assert c.request.DESCRIPTOR.full_name == "lambda.v2.M"


def test_a_file_may_have_dots_dashes_and_digits_in_its_name(workplace, importing):
    names = ["a.b", "3d", "a-b"]
    for number, name in enumerate(names):
        workplace.write(f"odd/x/{name}.proto", f'syntax = "proto3";\npackage odd.x{number};\nmessage M {{}}\n')
    imports = "".join(f'import "odd/x/{name}.proto";\n' for name in names)
    body = "rpc A(odd.x0.M) returns (odd.x1.M);\nrpc B(odd.x2.M) returns (M);"
    workplace.service(body, imports=imports, name="odd/y/2.main.proto")
    path = workplace.proto / "odd/y/2.main.proto"
    path.write_text(path.read_text("utf-8").replace("package odd.y", "package odd.main"), "utf-8")
    workplace.generate()
    a, b = importing("odd.y.2.main_towpath").ShopService.spec.methods
    found = [one.DESCRIPTOR.full_name for one in (a.request, a.response, b.request, b.response)]
    assert found == ["odd.x0.M", "odd.x1.M", "odd.x2.M", "odd.main.M"]


@pytest.mark.parametrize("name", ["my shop.proto", "a/b c/shop.proto", "shop+1.proto", "a'b.proto"])
def test_a_file_that_is_no_module_is_refused_by_its_name(workplace, name):
    workplace.write(name, 'syntax = "proto3";\npackage a;\nmessage M {}\n')
    with pytest.raises(ContractError, match="cannot become the name of a Python module") as caught:
        workplace.generate()
    assert str(caught.value).startswith(f"proto/{name}: ")


async def test_reflection_finds_a_service_whose_file_has_none_of_its_messages(workplace, importing):
    workplace.write("apart/v1/messages.proto", 'syntax = "proto3";\npackage apart.v1;\nmessage A {}\n')
    rpc = "rpc Do(apart.v1.A) returns (apart.v1.A);"
    text = f'syntax = "proto3";\npackage apart.v1;\nimport "apart/v1/messages.proto";\nservice One {{ {rpc} }}\nservice Two {{ {rpc} }}\n'
    workplace.write("apart/v1/services.proto", text)
    workplace.write("apart/v1/idle.proto", 'syntax = "proto3";\npackage apart.v1;\nservice Idle {}\n')
    workplace.generate()
    module, idle = importing("apart.v1.services_towpath"), importing("apart.v1.idle_towpath")
    served = [type("Served", (base,), {"do": do})() for base in (module.One, module.Two, idle.Idle)]
    reflection, _ = reflection_services(served, Trust(everybody=True))
    types = reflection.types

    async def questions():
        for symbol in ("apart.v1.One", "apart.v1.Two", "apart.v1.Two.Do", "apart.v1.Idle", "apart.v1.A"):
            yield types["ServerReflectionRequest"](file_containing_symbol=symbol)

    answers = [answer async for answer in reflection.info(questions(), Context("grpc.reflection.v1.ServerReflection/ServerReflectionInfo"))]
    assert not [answer.error_response.error_message for answer in answers if answer.HasField("error_response")]
    assert [len(answer.file_descriptor_response.file_descriptor_proto) for answer in answers] == [2, 2, 2, 1, 1]


def test_a_long_running_operation_is_imported_as_everybody_imports_it(workplace, importing):
    imports = 'import "google/longrunning/operations.proto";\n'
    body = "rpc Start(M) returns (google.longrunning.Operation) {\n"
    body += 'option (google.longrunning.operation_info) = { response_type: "N" metadata_type: "N" };\n}'
    workplace.service(body, imports=imports, name="running/v1/running.proto")
    workplace.generate()
    (start,) = importing("running.v1.running_towpath").ShopService.spec.methods
    assert start.response.DESCRIPTOR.full_name == "google.longrunning.Operation"


def test_a_contract_may_carry_its_own_copy_of_operations(workplace):
    workplace.write("google/longrunning/operations.proto", 'syntax = "proto3";\npackage google.longrunning;\nmessage Mine {}\n')
    imports = 'import "google/longrunning/operations.proto";\n'
    path = workplace.service("rpc Start(M) returns (google.longrunning.Mine);", imports=imports, name="owning/v1/owning.proto")
    assert generate(GenerateOptions(paths=[path], proto_roots=[workplace.proto], out=workplace.out)).written


@pytest.mark.parametrize("comment", [b"caf\xe9", b"\xff\xfe na\xefve", "日本".encode("shift-jis")])
def test_a_comment_may_be_in_any_encoding(workplace, comment):
    path = workplace.service("rpc Say(M) returns (N);")
    path.write_bytes(path.read_bytes().replace(b"service", b"// " + comment + b"\nservice").replace(b"rpc", b"// " + comment + b"\nrpc"))
    workplace.generate(ship_protos=True)
    assert ("caf\u00e9" in workplace.text("shop/v1/shop_towpath.py")) == (comment == b"caf\xe9")
    compile(workplace.text("shop/v1/shop_towpath.py"), "shop_towpath.py", "exec")
    lint(find_sources([workplace.proto], [workplace.proto]), [workplace.proto])


class TestImportPrefix:
    """Contracts whose folders have names of others, in a package of the user's."""

    def write(self, workplace):
        workplace.write("types/v1/a.proto", 'syntax = "proto3";\npackage prefixed.types.v1;\nmessage A { message B {} }\n')
        workplace.write("top-a.proto", 'syntax = "proto3";\npackage prefixed.top;\nmessage Top {}\n')
        workplace.write("lambda/v1/l.proto", 'syntax = "proto3";\npackage prefixed.lambda.v1;\nmessage L {}\n')
        names = ("google/protobuf/empty.proto", "google/rpc/status.proto", "towpath/v1/options.proto")
        imports = "".join(f'import "{name}";\n' for name in names)
        imports += 'import public "types/v1/a.proto";\nimport "top-a.proto";\nimport "lambda/v1/l.proto";\n'
        workplace.write(
            "grpc/shop/v1/shop.proto",
            f'syntax = "proto3";\npackage prefixed.shop.v1;\n{imports}'
            "message M { prefixed.types.v1.A a = 1; prefixed.top.Top top = 2; prefixed.lambda.v1.L l = 3; google.rpc.Status s = 4; }\n"
            "service Shop { rpc Do(M) returns (google.protobuf.Empty); rpc To(prefixed.types.v1.A.B) returns (prefixed.top.Top);\n"
            "rpc In(prefixed.lambda.v1.L) returns (M) { option (towpath.v1.method).timeout.seconds = 1; } }\n",
        )

    def generate(self, workplace, prefix="shop.gen"):
        out = workplace.out / prefix.replace(".", "/")
        return generate(GenerateOptions(paths=[workplace.proto], out=out, import_prefix=prefix))

    def test_every_module_is_imported_from_the_package(self, workplace):
        self.write(workplace)
        assert self.generate(workplace).warnings == ()
        assert self.generate(workplace).up_to_date
        files = sorted((workplace.out).rglob("*.py"))
        modules = [".".join(file.relative_to(workplace.out).with_suffix("").parts) for file in files]
        assert len(modules) == 6
        script = (
            "import importlib, pickle, sys\n"
            f"for name in {modules}: importlib.import_module(name)\n"
            "from shop.gen.grpc.shop.v1 import shop_fakes, shop_pb2, shop_towpath\n"
            "assert shop_fakes.FakeShop.spec is shop_towpath.Shop.spec\n"
            "assert not [name for name in sys.modules if name.startswith(('types.', 'grpc', 'top_a'))]\n"
            "assert shop_pb2.M.__module__ == 'shop.gen.grpc.shop.v1.shop_pb2'\n"
            "message = shop_pb2.M(a=shop_pb2.A(), top={})\n"
            "assert pickle.loads(pickle.dumps(message)) == message\n"
            "assert [m.request.DESCRIPTOR.full_name for m in shop_towpath.Shop.spec.methods][1] == 'prefixed.types.v1.A.B'\n"
        )
        ran = subprocess.run([sys.executable, "-c", script], cwd=workplace.out, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    def test_stubs_are_imported_from_it_too(self, workplace):
        self.write(workplace)
        self.generate(workplace)
        stub = workplace.text("shop/gen/grpc/shop/v1/shop_pb2.pyi")
        assert "from shop.gen.types.v1 import a_pb2 as _a_pb2\n" in stub
        assert "from shop.gen.types.v1.a_pb2 import A as A\n" in stub
        assert "from shop.gen import top_a_pb2 as _top_a_pb2\n" in stub
        assert "importlib.import_module('shop.gen.lambda.v1.l_pb2')\n" in stub
        assert "from google.protobuf import empty_pb2 as _empty_pb2\n" in stub
        assert "from towpath._gen.towpath.v1 import options_pb2 as _options_pb2\n" in stub

    @pytest.mark.parametrize("prefix", ["shop.class", "1a", "a..b", ".", "a b", "a/b"])
    def test_a_prefix_that_is_no_package_is_refused(self, workplace, prefix):
        workplace.service("rpc Say(M) returns (N);")
        with pytest.raises(SetupError, match=r"^--import-prefix .* is no name of a Python package"):
            generate(GenerateOptions(paths=[workplace.proto], out=workplace.out, import_prefix=prefix))
        assert not workplace.out.exists()
