"""What a service file may say of its server's limits, and what it says of values that no server can have."""

import pytest

from towpath._app.settings.server_options import AdmissionOptions, ServerOptions, with_header_limit
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._app.settings.targets import ChannelLimits
from towpath._core.errors import SetupError
from towpath._layers.admission.adaptive_limit import DEFAULT_LIMIT, LimitOptions
from towpath._layers.admission.wait_limits import QueueOptions
from towpath._transport import ConnectionLimits
from towpath._transport.socket_options import TcpKeepalive
from towpath._wire.http1 import Http1Limits
from towpath._wire.http2 import DEFAULT_LIMITS, Limits

WHOLE = """
[service]
header_limit = 8192
compression = "gzip"
max_timeout = "90s"

[service.connections]
max_connections = 50
max_per_peer = 5
max_age = "60s"
head_timeout = "2s"
unused_timeout = "off"
idle_timeout = "off"
ping_time = "off"
ping_timeout = "7s"
body_timeout = "8s"
unread_timeout = "off"
max_buffered = 2097152

[service.keepalive]
time = "30s"
timeout = "40s"

[service.http1]
max_header_fields = 10
overhead_burst = 5
overhead_per_second = 6

[service.http2]
max_concurrent_streams = 7
stream_window = 100000
connection_window = 200000
max_frame_size = 30000
reset_burst = 1
resets_per_second = 2.5
overhead_burst = 3
overhead_per_second = 4

[service.admission]
mode = "shadow"
initial_limit = 5
min_limit = 2
max_limit = 9
max_queue_length = 11
target = "0.01s"
interval = "0.2s"
max_lag = "0.3s"
"""

OPTIONS = ServerOptions(
    header_limit=8192,
    compression="gzip",
    max_timeout=90.0,
    connections=ConnectionLimits(
        total=50,
        per_peer=5,
        max_age=60,
        head_timeout=2,
        unused_timeout=None,
        idle_timeout=None,
        keepalive_time=None,
        keepalive_timeout=7,
        body_timeout=8,
        unread_timeout=None,
        max_buffered=2097152,
    ),
    keepalive=TcpKeepalive(time=30, timeout=40),
    http1=Http1Limits(max_fields=10, overhead_burst=5, overhead_per_second=6),
    http2=Limits(
        max_concurrent_streams=7,
        stream_window=100_000,
        connection_window=200_000,
        max_frame_size=30_000,
        reset_burst=1,
        resets_per_second=2.5,
        overhead_burst=3,
        overhead_per_second=4,
    ),
)
ADMISSION = AdmissionOptions(
    limit=LimitOptions(initial=5, min_limit=2, max_limit=9), queue=QueueOptions(max_length=11, target=0.01, interval=0.2, max_lag=0.3)
)


@pytest.fixture
def read(tmp_path):
    def reading(text: str) -> ServiceConfig:
        path = tmp_path / "towpath.toml"
        path.write_text(text)
        return load(path, {})

    return reading


def test_a_server_has_what_the_tables_say(read):
    config = read(WHOLE)
    assert config.server == OPTIONS
    assert (config.admission, config.admission_options) == ("shadow", ADMISSION)


@pytest.mark.parametrize("text", ["", "[service.connections]\n[service.keepalive]\n[service.http1]\n[service.http2]\n[service.admission]"])
def test_without_a_setting_all_is_as_a_server_has_it_by_itself(text, read):
    config = read(text)
    assert (config.server, config.admission, config.admission_options) == (ServerOptions(), "on", AdmissionOptions())
    assert with_header_limit(config.server.http2, config.server.header_limit) == DEFAULT_LIMITS
    assert (config.server.header_limit, config.server.http1.max_head) == (16_384, 16_384)


def test_the_longest_timeout_may_be_that_of_the_contract(read):
    assert read("[service]\nmax_timeout = 'contract'").server.max_timeout == "contract"
    assert read("[service]\nmax_timeout = 'off'").server.max_timeout is None


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ("min_limit = 50", LimitOptions(min_limit=50, initial=50)),
        ("max_limit = 10", LimitOptions(initial=10, max_limit=10)),
        ("initial_limit = 2000", LimitOptions(initial=2000, max_limit=2000)),
        ("min_limit = 2000", LimitOptions(min_limit=2000, initial=2000, max_limit=2000)),
        ("initial_limit = 3", LimitOptions(initial=3)),
        ("", DEFAULT_LIMIT),
    ],
)
def test_a_limit_that_is_left_out_gives_way_to_those_that_are_set(setting, limit, read):
    assert read(f"[service.admission]\n{setting}").admission_options.limit == limit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[service]\nheader_limit = 100", "service.header_limit: 100 is out of range; give 1024 to 1048576 bytes"),
        ("[service]\nheader_limit = '8k'", "service.header_limit: expected `int`, got `str`"),
        ("[service]\ncompression = 'br'", "service.compression: 'br' is none of its values; known values: gzip, off"),
        (
            "[service]\nmax_timeout = '5'",
            "service.max_timeout: '5' is not a duration; write seconds with a final s, such as '2s' or '0.25s'; "
            'or "contract" for the timeouts that contracts declare',
        ),
        ("[service]\nadmission = 'of'", "service.admission: 'of' is none of its values; did you mean 'off'"),
        ("[service]\nadmission = 1", "service.admission: expected `str | table`, got `int`"),
        ("[service.admission]\nmode = 'shado'", "service.admission.mode: 'shado' is none of its values; did you mean 'shadow'"),
        ("[service.admission]\nmax_limit = 0", "service.admission.max_limit: 0 is out of range; give 1 to 1000000"),
        ("[service.admission]\nmax_limits = 1", "unknown key service.admission.max_limits; did you mean 'max_limit'"),
        (
            "[service.admission]\nmin_limit = 7\nmax_limit = 5",
            "service.admission: min_limit is 7, initial_limit 5 and max_limit 5; give each no less than the one before",
        ),
        ("[service.admission]\ntarget = 5", 'service.admission.target: expected `str`, got `int`; write "5", or "5s" if it is a duration'),
        ("[service.admission]\ntarget = '5ms'", "service.admission.target: '5ms' is not a duration"),
        ("[service.connections]\nmax_connections = 0", "service.connections.max_connections: 0 is out of range; give 1 to 1000000"),
        ("[service.connections]\nmax_connections = true", "service.connections.max_connections: expected `int`, got `bool`"),
        ("[service.connections]\nmax_conections = 1", "unknown key service.connections.max_conections; did you mean 'max_connections'"),
        ("[service.connections]\nhead_timeout = 'off'", "service.connections.head_timeout: 'off' is not a duration"),
        (
            "[service.connections]\nidle_timeout = '0.05s'",
            """service.connections.idle_timeout: '0.05s' is out of range; give "0.1s" to "31536000s", or "off\"""",
        ),
        (
            "[service.connections]\nhead_timeout = '99999999999s'",
            """service.connections.head_timeout: '99999999999s' is out of range; give "0.1s" to "31536000s\"""",
        ),
        ("[service.keepalive]\ntime = '0.5s'", """service.keepalive.time: '0.5s' is out of range; give "1s" to "32767s", or "off\""""),
        ("[service.keepalive]\ntime = 'off'\ntimeout = '0.5s'", "service.keepalive.timeout: '0.5s' is out of range"),
        ("[service.http1]\nmax_header_fields = -1", "service.http1.max_header_fields: -1 is out of range; give 1 to 100000"),
        ("[service.http2]\nmax_concurrent_streams = 0", "service.http2.max_concurrent_streams: 0 is out of range; give 1 to 2147483647"),
        ("[service.http2]\nstream_window = 1", "service.http2.stream_window: 1 is out of range; give 65535 to 2147483647 bytes"),
        ("[service.http2]\nmax_frame_size = 1", "service.http2.max_frame_size: 1 is out of range; give 16384 to 16777215 bytes"),
        ("[service.http2]\nresets_per_second = nan", "service.http2.resets_per_second: nan is out of range; give 0 to 1000000000"),
        ("[service]\nhttp2 = 1", "service.http2 must be a table, not an integer"),
    ],
)
def test_a_value_that_no_server_can_have_is_named_with_its_range(text, message, read):
    with pytest.raises(SetupError) as caught:
        read(text)
    assert f"towpath.toml: {message}" in str(caught.value)


@pytest.mark.parametrize(("time", "timeout"), [(0.5, 120), (120, 0.5), (40_000, 120), (120, float("nan"))])
def test_a_keepalive_that_tcp_cannot_have_is_refused(time, timeout):
    with pytest.raises(ValueError, match=r"of TCP's keepalive is .*; give 1 to 32767 seconds"):
        TcpKeepalive(time=time, timeout=timeout)


@pytest.mark.parametrize("size", [-1, 0, 1023, 1_048_577])
def test_options_that_are_made_in_code_have_the_same_range(size):
    for kind in (ServerOptions, ChannelLimits):
        with pytest.raises(SetupError, match=rf"^header_limit: {size} is out of range; give 1024 to 1048576 bytes$"):
            kind(header_limit=size)
    with pytest.raises(SetupError, match=r"^message_limit: 0 is out of range"):
        ChannelLimits(message_limit=0)
