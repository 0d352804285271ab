"""What hops and phases contribute to quantiles, and what grew."""

from random import Random

from tests.recordings import System, once, plain
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.comparison import Sample, growths, usual
from towpath._telemetry.traces.model import Root

INNER = ("b", "shop.Cart/Get", "handler")
OUTER = ("a", "shop.Cart/Get", "handler")


def roots(seed: int, count: int, *, slower: int = 0, slow_share: float = 0.0) -> list[Root]:
    """Traces of a that calls b; b takes `slower` microseconds more in that share of them."""
    random = Random(seed)
    system = System(rows=1 << 12)
    for number in range(count):
        inner = random.randint(900, 1100) + (slower if random.random() < slow_share else 0)
        system.add(number + 1, plain("a", inner + random.randint(450, 550), once(100, plain("b", inner))))
    return [trace.root for trace in assembled(system.recordings())]


def test_the_contributions_to_a_quantile_are_the_quantile() -> None:
    sample = Sample(roots(1, 1000, slower=5000, slow_share=0.03))
    for quantile in (0.5, 0.95, 0.99, 0.0, 1.0):
        found = sample.quantile(quantile)
        assert abs(sum(found.parts.values()) - found.total) < 1e-6
    tail, middle = sample.quantile(0.99), sample.quantile(0.5)
    assert tail.parts[INNER] > 5000 > middle.parts[INNER]
    assert abs(tail.parts[OUTER] - middle.parts[OUTER]) < 100


def test_what_grew_is_named_with_an_interval_that_holds_it() -> None:
    before, after = Sample(roots(2, 800)), Sample(roots(3, 800, slower=3000, slow_share=0.2))
    median, _, p99 = growths(before, after, draws=60)
    assert (p99[0].key, p99[1].key) == (None, INNER)
    assert p99[1].sure
    assert abs(p99[1].difference - 3000) < 300
    assert p99[1].error < 300
    assert abs(median[0].difference) < 100
    assert [growth.key for growth in p99[2:]] == [OUTER]


def test_nothing_grew_between_two_samples_of_the_same() -> None:
    before, after = Sample(roots(4, 500)), Sample(roots(5, 500))
    for whole, *_ in growths(before, after, draws=60):
        assert abs(whole.difference) < 3 * whole.error + 30


def test_a_part_that_is_new_has_grown_from_nothing() -> None:
    system = System(rows=1 << 10)
    for number in range(100):
        system.add(number + 1, plain("a", 500))
    before = Sample(trace.root for trace in assembled(system.recordings()))
    (whole, first, *_), *_ = growths(before, Sample(roots(6, 100)), draws=20)
    assert (first.key, first.before) == (INNER, 0.0)
    assert first.difference > 800
    assert whole.difference > 800


def test_traces_that_took_no_time() -> None:
    system = System()
    for number in range(30):
        system.add(number + 1, plain("a", 0))
    sample = Sample(trace.root for trace in assembled(system.recordings()))
    assert sample.quantile(0.5).total == 0
    assert growths(sample, sample, draws=3)[0][0].difference == 0


def test_what_is_usual_is_the_median_with_0_where_there_is_none() -> None:
    system = System()
    for number, took in enumerate((100, 200, 300)):
        inner = [once(0, plain("b", took // 2))] if number else []
        system.add(number + 1, plain("a", took, *inner))
    traces = assembled(system.recordings())
    assert usual(trace.root for trace in traces) == ({OUTER: 100.0, INNER: 100.0}, 3)
    assert usual(trace.root for trace in traces[:2]) == ({OUTER: 100.0, INNER: 50.0}, 2)
    assert usual([]) == ({}, 0)
