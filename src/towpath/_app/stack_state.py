"""What the layers of a server and of a channel tell of themselves as gauges (`towpath._telemetry.gauges`)."""

from collections import Counter
from collections.abc import Iterable, Iterator

from towpath._core import clock
from towpath._layers.admission.admission import Admission
from towpath._layers.admission.in_flight import UNBOUND
from towpath._layers.breaker import BreakerState
from towpath._layers.bulkhead import Bulkhead
from towpath._layers.endpoint_breaker import EndpointBreaker
from towpath._layers.retry_budget import RetryBudget
from towpath._layers.throttle import Throttle
from towpath._telemetry import metric_names as names
from towpath._telemetry.gauges import Reading


def server_readings(admission: Admission | None, bulkhead: Bulkhead) -> Iterator[Reading]:
    """The gauges of a server's limits. `admission` is None if it is off."""
    now = clock.now()
    for method, queue in () if admission is None else admission.queues.items():
        label, in_flight, waiting = (method,), queue.in_flight, queue.queue
        yield Reading(names.ADMISSION_IN_FLIGHT, label, in_flight.count)
        yield Reading(names.ADMISSION_LIMIT, label, in_flight.limit.limit)
        yield Reading(names.ADMISSION_BINDS, label, in_flight.max_count != UNBOUND)
        yield Reading(names.ADMISSION_QUEUE, label, len(waiting.entries))
        yield Reading(names.ADMISSION_WAIT, label, max(0.0, now - waiting.oldest))
    for name, taken in bulkhead.taken.items():
        yield Reading(names.BULKHEAD_IN_FLIGHT, (name,), taken)


def client_readings(
    target: str, budget: RetryBudget, throttle: Throttle | None, breakers: Iterable[EndpointBreaker] | None
) -> Iterator[Reading]:
    """The gauges of what holds a channel's calls back. `throttle` and `breakers` are None if they are off."""
    label = (target,)
    yield Reading(names.CLIENT_IN_FLIGHT, label, budget.active)
    yield Reading(names.RETRIES_IN_FLIGHT, label, budget.retrying)
    yield Reading(names.RETRY_BUDGET, label, budget.balance())
    if throttle is not None:
        for criticality, probability in throttle.probabilities().items():
            yield Reading(names.THROTTLE, (target, criticality.name.lower()), probability)
    if breakers is not None:
        states = Counter(state for breaker in breakers for state in breaker.states())
        for state in BreakerState:
            yield Reading(names.BREAKERS, (target, state.name.lower()), states[state])
