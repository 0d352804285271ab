"""What admission tells of its queues."""

from echo.v1.echo_towpath import FAIL, SAY

from towpath._core.context import Context
from towpath._layers.admission.adaptive_limit import LimitOptions
from towpath._layers.admission.admission import Admission


async def answer(request: object, _: Context) -> object:
    return request


def test_the_queues_of_methods_with_a_limit_are_told() -> None:
    layer = Admission(limit_of=lambda method: LimitOptions() if method is SAY else None)
    for method in (SAY, FAIL):
        layer.wrap(method, answer)
    assert dict(layer.queues) == {SAY.full_name: layer.queue_of(SAY)}
