"""`[[methodConfig]]` names methods that there are: what a short name does, and what a misspelt one does to whoever reads the file."""

from dataclasses import replace

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, SLEEP, EchoServiceClient

from tests.echo_service import FOREVER, Echo
from tests.logs import told
from towpath import App, Code, RpcError, connect
from towpath._app.client_stack import client_roles
from towpath._app.methods import configured_methods, loaded_methods
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._contracts.policy import MethodConfig
from towpath._core.errors import SetupError
from towpath._core.policies import FallbackPolicy
from towpath._telemetry.metrics import CallMetrics

LISTED = '[service]\ncontracts = ["echo.v1.echo_towpath"]\n'
TARGET = '[targets]\necho = "127.0.0.1:1"\n'
ENTRY = '[[methodConfig]]\nname = [{{ service = "{service}", method = "{method}" }}]\ntimeout = "0.05s"\n'

SELDOM = """
from dataclasses import replace
from echo.v1.echo_towpath import SAY
from towpath._core.service import Service, ServiceSpec
class SeldomService(Service):
    spec = ServiceSpec(name="seldom.v1.SeldomService", methods=(replace(SAY, service="seldom.v1.SeldomService"),), attributes={})
"""

MISSPELT = [
    ("echo.v1.EchoServise", "Say", "unknown service 'echo.v1.EchoServise'; did you mean 'echo.v1.EchoService'"),
    ("echo.v1.EchoServise", "", "unknown service 'echo.v1.EchoServise'; did you mean 'echo.v1.EchoService'"),
    ("ehco.v1.EchoService", "Say", "unknown service 'ehco.v1.EchoService'; did you mean 'echo.v1.EchoService'"),
    ("echo.v1.EchoService", "Sya", "service echo.v1.EchoService has no method 'Sya'; did you mean 'Say'"),
    ("EchoService", "Sya", "service echo.v1.EchoService has no method 'Sya'; did you mean 'Say'"),
]
misspelt = pytest.mark.parametrize(("service", "method", "message"), MISSPELT)


@pytest.fixture
def read(tmp_path):
    def reading(text: str) -> ServiceConfig:
        path = tmp_path / "towpath.toml"
        path.write_text(text)
        return load(path, {})

    return reading


@misspelt
async def test_a_server_does_not_start_with_a_misspelt_name(read, service, method, message):
    config = read(LISTED + ENTRY.format(service=service, method=method))
    async with App(config) as app:
        app.add(Echo())
        with pytest.raises(SetupError) as caught:
            await app.start("127.0.0.1", 0)
    assert f"{config.source}: methodConfig[0].name[0]: {message}" in str(caught.value)


@misspelt
async def test_a_job_has_no_channel_with_a_misspelt_name(read, service, method, message):
    async with App(read(LISTED + TARGET + ENTRY.format(service=service, method=method))) as app:
        with pytest.raises(SetupError) as caught:
            app.channel("echo")
    assert f"towpath.toml: methodConfig[0].name[0]: {message}" in str(caught.value)


@misspelt
def test_a_client_does_not_connect_with_a_misspelt_name(read, service, method, message):
    config = read(LISTED + ENTRY.format(service=service, method=method))
    with pytest.raises(SetupError) as caught:
        connect("127.0.0.1:1", config=config, metrics=CallMetrics())
    assert f"towpath.toml: methodConfig[0].name[0]: {message}" in str(caught.value)


@misspelt
async def test_a_misspelt_name_is_not_taken_over(read, service, method, message):
    async with App(read(LISTED + ENTRY.format(service="EchoService", method="Say"))) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        before = app.config
        with pytest.raises(SetupError) as caught:
            app.reload(read(LISTED + ENTRY.format(service=service, method=method)))
        assert app.config is before
    assert f"towpath.toml: methodConfig[0].name[0]: {message}" in str(caught.value)


@misspelt
async def test_without_contracts_a_service_that_is_not_loaded_is_a_warning(read, caplog, service, method, message):
    """Its client may be imported later. The methods of a service that is loaded are known, and a misspelt one is an error."""
    config = read(TARGET + ENTRY.format(service=service, method=method))
    async with App(config) as app:
        if message.startswith("unknown service"):
            app.channel("echo")
            app.add(Echo())
            await app.start("127.0.0.1", 0)
            (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        else:
            with pytest.raises(SetupError) as caught:
                app.channel("echo")
            warning = str(caught.value)
    assert f"{config.source}: methodConfig[0].name[0]: {message}" in warning


@pytest.mark.parametrize("service", ["EchoService", "v1.EchoService", "echo.v1.EchoService"])
@pytest.mark.parametrize("method", ["Sleep", ""])
async def test_a_short_name_holds_for_the_calls(read, service, method):
    async with App() as server:
        server.add(Echo())
        await server.start("127.0.0.1", 0)
        config = read(ENTRY.format(service=service, method=method))
        async with connect(server.address, config=config, metrics=CallMetrics()) as channel:
            with pytest.raises(RpcError) as caught:
                await EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER))
    assert caught.value.code is Code.DEADLINE_EXCEEDED


async def test_a_short_name_holds_for_calls_after_it_was_taken_over(read):
    async with App() as server:
        server.add(Echo())
        await server.start("127.0.0.1", 0)
        target = f'[targets]\necho = "{server.address}"\n'
        async with App(read(target)) as app:
            client = EchoServiceClient(app.channel("echo"))
            app.reload(read(target + ENTRY.format(service="EchoService", method="Sleep")))
            with pytest.raises(RpcError) as caught:
                await client.sleep(pb.SleepRequest(seconds=FOREVER))
    assert caught.value.code is Code.DEADLINE_EXCEEDED


def test_a_name_holds_for_a_contract_that_is_known_later():
    late = replace(SAY, service="late.v1.LateService")
    config = MethodConfig(names=(("LateService", "Say"),), fallback=FallbackPolicy(), source="f: methodConfig[0]")
    assert "late.v1.LateService" not in {method.service for method in loaded_methods()}
    assert "fallback" in client_roles(late, CallMetrics(), [config])
    with pytest.raises(
        SetupError, match=r"f: methodConfig\[0\]\.name\[0\]: service late\.v1\.LateService has no method 'Say'; did you mean 'Sya'"
    ):
        client_roles(replace(late, name="Sya"), CallMetrics(), [config])


def test_the_contracts_that_the_file_lists_are_imported_for_a_service_that_is_not_loaded(read, tmp_path, monkeypatch):
    (tmp_path / "seldom_towpath.py").write_text(SELDOM)
    monkeypatch.syspath_prepend(tmp_path)
    config = read('[service]\ncontracts = ["seldom_towpath"]\n' + ENTRY.format(service="SeldomService", method="Say"))
    (entry,) = configured_methods(config)
    assert entry.names == (("seldom.v1.SeldomService", "Say"),)


def test_the_entry_for_every_method_needs_no_contract(read, caplog):
    config = read('[[methodConfig]]\nname = [{}]\ntimeout = "0.05s"\n')
    assert configured_methods(config, ()) == config.methods
    assert not told(caplog)
    assert SLEEP.full_name in {method.full_name for method in loaded_methods()}
