"""`[service.methods]` and `[targets.X.methods]` of the service file: how they are read, and which method each is for."""

from pathlib import Path

import pytest
from echo.v1.echo_towpath import FAIL, SAY, EchoService
from stream.v1.stream_towpath import REPEAT

from towpath._app.reloading import needs_restart
from towpath._app.settings.server.messages import by_full_name, entry_for
from towpath._core.errors import SetupError
from towpath.settings import MessageOptions, NamedMessageOptions, ServiceConfig, load

METHODS = (*EchoService.spec.methods, REPEAT)
LARGE, SMALL = MessageOptions(message_limit=1 << 25), MessageOptions(message_limit=10)


def loaded(folder: Path, text: str) -> ServiceConfig:
    path = folder / "towpath.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def entries(named: dict[str, MessageOptions]) -> list[NamedMessageOptions]:
    return [NamedMessageOptions(where=f"file: {name}", methods=(name,), options=options) for name, options in named.items()]


def test_a_table_has_a_size_and_a_compression(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
        [service]
        message_limit = "1MiB"
        [service.methods."echo.v1.EchoService/Say"]
        message_limit = "32MiB"
        [service.methods.StreamService]
        compression = "gzip"
        [targets.echo]
        address = "127.0.0.1:1"
        message_limit = "2MiB"
        methods."EchoService/Say" = { message_limit = 5, compression = "off" }
        """,
    )
    assert config.message_limit == 1 << 20
    assert [(entry.methods, entry.options) for entry in config.messages] == [
        (("echo.v1.EchoService/Say",), LARGE),
        (("StreamService",), MessageOptions(compression="gzip")),
    ]
    limits = config.target("echo").limits
    assert limits.message_limit == 2 << 20
    assert [entry.options for entry in limits.methods] == [MessageOptions(message_limit=5, compression="off")]
    assert needs_restart(config, loaded(tmp_path, "")) == ("service.message_limit", "service.methods", "targets")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[service.methods.X]\nmessage_limit = "33 M"', "service.methods.X.message_limit: '33 M' is no size"),
        ("[service.methods.X]\nmessage_limit = 0", "service.methods.X.message_limit: 0 is out of range"),
        ('[service.methods.X]\nmessage_limit = "33MiB"', "service.methods.X.message_limit: 34603008 bytes are more than the 33554432"),
        ('[service.methods.X]\ncompression = "zip"', "service.methods"),
        ("[service.methods.X]\nmessage_limits = 1", "message_limit"),
        (
            '[targets.x]\naddress = "a:1"\n[targets.x.methods.X]\nmessage_limit = -1',
            "targets.x.methods.X.message_limit: -1 is out",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=error) as caught:
        loaded(tmp_path, text)
    assert str(tmp_path) in str(caught.value)


def test_a_larger_budget_lets_a_larger_message_in(tmp_path: Path) -> None:
    text = '[service.methods.X]\nmessage_limit = "33MiB"\n[service.connections]\nmax_buffered = 40000000'
    assert loaded(tmp_path, text).messages[0].options.message_limit == 33 << 20


def test_a_methods_own_table_wins_over_that_of_its_service() -> None:
    found = by_full_name(entries({"EchoService": SMALL, "EchoService/Say": LARGE}), METHODS)
    assert (found[SAY.full_name], found[FAIL.full_name], found.get(REPEAT.full_name)) == (LARGE, SMALL, None)


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"EchoServise": SMALL}, "^file: EchoServise: unknown service 'EchoServise'; did you mean 'EchoService'"),
        ({"EchoService/Sya": SMALL}, "^file: EchoService/Sya: service echo.v1.EchoService has no method 'Sya'"),
        ({"EchoService/Say": SMALL, "v1.EchoService/Say": LARGE}, "^file: v1.EchoService/Say: file: EchoService/Say is for"),
        ({"EchoService": SMALL, "v1.EchoService": LARGE}, "^file: v1.EchoService: file: EchoService is for"),
    ],
)
def test_a_name_is_of_one_method_or_service_and_has_one_table(named: dict[str, MessageOptions], error: str) -> None:
    with pytest.raises(SetupError, match=error):
        by_full_name(entries(named), METHODS)


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ({"echo.v1.EchoService": SMALL, "/EchoService/Say": LARGE}, LARGE),
        ({"v1.EchoService": SMALL}, SMALL),
        ({"OtherService": SMALL, "hoService": LARGE, "Say": LARGE}, None),
    ],
)
def test_a_clients_method_finds_its_table(named: dict[str, MessageOptions], options: MessageOptions | None) -> None:
    found = entry_for(SAY, entries(named))
    assert (None if found is None else found.options) == options
