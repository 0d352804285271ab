"""Decisions are counted by who took them and why."""

from prometheus_client import CollectorRegistry

from towpath._core.context import Context
from towpath._core.decisions import Decision
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
