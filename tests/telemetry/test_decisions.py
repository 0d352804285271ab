"""Decisions are counted by who took them and why."""

from prometheus_client import CollectorRegistry

from towpath._core.context import Context
from towpath._core.decisions import Decision, DecisionCounter
from towpath._telemetry.decisions import Decisions


def test_each_decision_is_counted_under_its_role_and_reason():
    registry = CollectorRegistry()
    decided = Decisions(registry)
    for ctx in (None, Context("a.B/C"), Context("a.B/C", tenant="acme")):
        decided(Decision("a.B/C", "admission", "QUEUE_DELAY", shadow=False, ctx=ctx, rejected=True))
    decided(Decision("a.B/C", "admission", "QUEUE_DELAY", shadow=True, ctx=None))
    decided(Decision("a.B/D", "retry", "ATTEMPT", shadow=False, ctx=None))

    def counted(method: str, role: str, reason: str, shadow: str) -> float | None:
        labels = {"rpc_method": method, "role": role, "reason": reason, "shadow": shadow}
        return registry.get_sample_value("towpath_decisions_total", labels)

    assert counted("a.B/C", "admission", "QUEUE_DELAY", "false") == 3
    assert counted("a.B/C", "admission", "QUEUE_DELAY", "true") == 1
    assert counted("a.B/D", "retry", "ATTEMPT", "false") == 1
    assert counted("a.B/D", "retry", "BUDGET_EXHAUSTED", "false") is None


def test_a_decision_that_is_made_again_and_again_is_counted_with_the_others_and_has_no_series_before_the_first():
    registry = CollectorRegistry()
    decided = Decisions(registry)
    decision = Decision("a.B/C", "admission", "PRIORITY", shadow=False, ctx=None, rejected=True)
    labels = {"rpc_method": "a.B/C", "role": "admission", "reason": "PRIORITY", "shadow": "false"}
    assert isinstance(decided, DecisionCounter)
    counters = [decided.counter_of(decision) for _ in range(2)]
    assert registry.get_sample_value("towpath_decisions_total", labels) is None
    counters[0]()
    decided(decision)
    counters[1]()
    assert registry.get_sample_value("towpath_decisions_total", labels) == 3
