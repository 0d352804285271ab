"""TLS from the service file: an application and its callers with nothing but settings."""

from pathlib import Path

import pytest
import trustme
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo
from towpath._app.application import App
from towpath._app.client import connect
from towpath._app.settings.service_file import load
from towpath._core.context import CallOptions
from towpath._core.errors import SetupError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1", "echo.example.org")
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    path = tmp_path / "towpath.toml"
    path.write_text(
        """
        [service]
        listen = "127.0.0.1:0"
        [service.tls]
        certificate = "tls.crt"
        key = "tls.key"
        client_ca = "ca.crt"
        [tls]
        ca = "ca.crt"
        certificate = "tls.crt"
        key = "tls.key"
        """
    )
    return path


async def test_a_service_and_its_callers_take_their_certificates_from_the_file(file: Path) -> None:
    config = load(file, {})
    echo = Echo()
    async with App(config) as app:
        app.add(echo)
        await app.start()
        async with connect(app.address, config=config) as channel:
            response = await EchoServiceClient(channel).say(pb.SayRequest(id="a"), CallOptions(timeout=PATIENCE))
    assert response.id == "a"
    assert echo.contexts[-1].caller == "echo.example.org"


async def test_plaintext_beyond_this_machine_has_to_be_set(tmp_path: Path) -> None:
    path = tmp_path / "towpath.toml"
    path.write_text('[service]\nlisten = "0.0.0.0:0"\n')
    for environ, starts in (({}, False), ({"TOWPATH_INSECURE": "0"}, False), ({"TOWPATH_INSECURE": "1"}, True)):
        async with App(load(path, environ)) as app:
            app.add(Echo())
            if starts:
                await app.start()
                continue
            with pytest.raises(SetupError, match=r"set service\.insecure = true"):
                await app.start()
    path.write_text("[service]\ninsecure = true\n")
    async with connect("flights:1", config=load(path, {})):
        pass
