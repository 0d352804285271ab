"""A body that takes long to read says what is wrong with it when it is read."""

import pytest
from everything.v1 import everything_pb2 as pb

from tests.everything_service import LIMIT, costly, crowded
from towpath._core.errors import Code, RpcError
from towpath._wire.codec import PROTO
from towpath._wire.connect import ConnectUnaryDialect
from towpath._wire.dialect import CostlyMessage

COSTLY = costly().SerializeToString()


def asked(body: bytes) -> tuple[ConnectUnaryDialect, CostlyMessage]:
    """A dialect that has got `body` whole, and what it makes of it."""
    dialect = ConnectUnaryDialect(pb.Everything, PROTO, limit=LIMIT, request_compression=None, response_compression=None)
    dialect.feed(body)
    dialect.finish()
    message = dialect.next()
    assert isinstance(message, CostlyMessage)
    return dialect, message


def test_a_costly_message_is_read_when_it_is_asked_for() -> None:
    dialect, message = asked(COSTLY)
    assert message.read() == costly()
    assert not dialect.too_large


@pytest.mark.parametrize(
    ("body", "code", "too_large"),
    [
        pytest.param(crowded().SerializeToString(), Code.RESOURCE_EXHAUSTED, True, id="too many elements"),
        pytest.param(COSTLY + b"\xff", Code.INTERNAL, False, id="no such message"),
    ],
)
def test_what_is_wrong_with_a_costly_message_is_said_when_it_is_read(body: bytes, code: Code, too_large: bool) -> None:
    dialect, message = asked(body)
    with pytest.raises(RpcError) as caught:
        message.read()
    assert caught.value.code is code
    assert dialect.too_large is too_large
