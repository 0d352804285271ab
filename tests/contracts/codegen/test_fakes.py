"""The fakes that are generated beside a contract's services, whatever the contract's names are."""

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_fakes import FakeEchoService
from echo.v1.echo_towpath import EchoService

from towpath import App, connect
from towpath._contracts.diagnostics import ContractError

KEYWORDS = ["None", "class"]
SERVICES = ["Service", "FakeService", "Unary", "Any", "names_pb2", "names_towpath", *KEYWORDS]
"""Names that the generated text imports, and keywords of Python."""

BODY = """\
rpc Self(M) returns (M);
rpc NamesTowpath(M) returns (M);
rpc NamesPb2(M) returns (M);
rpc FakeUnary(M) returns (M);
rpc Import(M) returns (M);
rpc Watch(M) returns (stream M);
rpc AMethodWhoseNameIsSoVeryLongThatNoLineOfTheGeneratedCodeCanHoldItTwiceOrEvenOnce(stream M) returns (M);
"""


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_and_its_methods_may_have_any_name(workplace, importing, name):
    package = f"faked_{name.lower()}.v1"
    text = f'syntax = "proto3";\npackage {package};\nmessage M {{ string text = 1; }}\nservice {name} {{\n{BODY}}}\n'
    workplace.write(f"{package.replace('.', '/')}/names.proto", text)
    workplace.generate()
    fakes, services, messages = (importing(f"{package}.names_{kind}") for kind in ("fakes", "towpath", "pb2"))
    said = messages.M(text="x")
    methods = ("self", "names_towpath", "names_pb2", "fake_unary", "import_")
    fake = getattr(fakes, f"Fake{name}")(**dict.fromkeys(methods, said), watch=[said])
    async with App() as app:
        app.add(fake)
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            client = getattr(services, f"{name}Client")(channel)
            assert [await getattr(client, method)(messages.M()) for method in methods] == [said] * 5
            assert [one async for one in client.watch(messages.M())] == [said]


def test_a_service_without_methods_has_a_fake(workplace, importing):
    workplace.service("", name="bare_fake/v1/bare.proto")
    workplace.generate()
    assert importing("bare_fake.v1.bare_fakes").FakeShopService().handlers() == []


def test_messages_and_folders_may_be_keywords(workplace, importing):
    workplace.write("class/v1/own.proto", 'syntax = "proto3";\npackage class.v1;\nmessage None { message True {} }\n')
    workplace.write(
        "class/v1/served.proto",
        'syntax = "proto3";\npackage class.v1;\nimport "class/v1/own.proto";\nservice Odd { rpc Do(None) returns (None.True); }\n',
    )
    workplace.generate()
    fakes, own = importing("class.v1.served_fakes"), importing("class.v1.own_pb2")
    answer = getattr(getattr(own, "None"), "True")()
    assert fakes.FakeOdd(do=answer).do.reply is answer


def test_a_fake_has_the_contract_of_its_service():
    assert FakeEchoService.spec is EchoService.spec
    assert [method for method, _ in FakeEchoService(say=pb.SayResponse()).handlers()] == list(EchoService.spec.methods)


def test_a_file_of_a_person_is_not_overwritten(workplace):
    workplace.service("rpc Say(M) returns (N);")
    theirs = workplace.out / "shop/v1/shop_fakes.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("class FakeShopService: ...\n", "utf-8")
    with pytest.raises(
        ContractError, match=r"shop_fakes.py: this file is in the way, and was not made by towpath gen\n  hint: .*--no-fakes"
    ):
        workplace.generate()
    assert [path.name for path in workplace.out.rglob("*") if path.is_file()] == ["shop_fakes.py"]
