"""The pages of what a service is told and tells: environment variables, metrics, and the reasons of decisions and errors."""

from typing import Final

from tools.reference.tables import table, words
from towpath._app.vocabulary.reasons import REASONS
from towpath._app.vocabulary.variables import VARIABLES
from towpath._telemetry.metric_names import METRICS
from towpath._telemetry.metrics import BUCKETS

VARIABLES_INTRO: Final = """\
# Every variable of the environment

A variable that is empty counts as one that is not set. A variable wins over the setting beside it, which [settings](settings.md) explains.
"""

METRICS_INTRO: Final = """\
# Every metric

`/metrics` of the [admin listener](../howto/deploy.md) has these, in Prometheus' text format or in OpenMetrics
([how to read them](../howto/metrics.md)). A service's own metrics belong into the same registry, `App.metrics.registry`. With several
workers each series has the label `worker` too.

By default no label holds anything that a caller chooses, so the number of series is bounded by the contract. `telemetry.metrics_by` adds
peer and tenant, within the bound of `telemetry.metrics_series`.
"""

REASONS_INTRO: Final = """\
# Every reason

A policy or a limit that interferes with a call, an attempt or a connection says why by one of these words. The word is

- `reason` of the `google.rpc.ErrorInfo` in the error's details, with the domain `towpath`, if the caller gets an error;
- `Decision.reason` of the [function that hears of decisions](../howto/log-rejected-calls.md);
- the label `reason` of [`towpath_decisions_total`](metrics.md).

"Code" is what the caller gets. It is empty where the call goes on, where it ends with an error that it had before, and where a
connection is closed and not a call. A policy in shadow mode decides the same, and its calls go on.
"""

ROLES: Final = {
    "admission": "An overloaded server chooses the calls that it serves: [retry and shed](../howto/retry-and-shed.md).",
    "deadline": "A call whose time is up is not begun.",
    "quota": "A tenant has a rate for each method: `[quotas]` of the [settings](settings.md).",
    "bulkhead": "Some methods share a number of places: `[bulkheads]` of the [settings](settings.md).",
    "idempotency": "An effect happens once for each key: [idempotency](../howto/idempotency.md).",
    "throttle": "A client sends less to a target that rejects much.",
    "retry": "A client tries a failed call again: [retry and shed](../howto/retry-and-shed.md)."
    " A call without another attempt ends with the error of its last one.",
    "hedge": "A client sends a second attempt beside a slow one.",
    "fallback": "A client answers in place of a server that fails.",
    "breaker": "A client keeps away from an endpoint that fails.",
    "transport": "Limits that hold for every call before any policy sees it: [limits](../howto/limits.md).",
    "connections": "Limits of connections: [limits](../howto/limits.md). They have no method, and no call hears of most of them.",
    "": "Errors without a decision.",
}
"""A sentence about each role. A role without one is an error of this program, which says so."""


def variables_page() -> str:
    """The page of environment variables."""
    rows = [
        (
            f"`{one.name}{'NAME' if one.name.endswith('_') else ''}`",
            f"`{one.setting}`" if one.setting else "",
            one.meaning,
        )
        for one in VARIABLES
    ]
    return f"{VARIABLES_INTRO}\n{table(('variable', 'wins over', 'values, and what they do'), rows)}"


def metrics_page() -> str:
    """The page of metrics."""
    rows = [(f"`{one.exposed}`", one.kind, words(one.labels), one.unit, one.help, one.series) for one in METRICS]
    bounds = ", ".join(f"{bound:g}" for bound in BUCKETS)
    return (
        f"{METRICS_INTRO}\n{table(('name', 'type', 'labels', 'unit', 'meaning', 'series'), rows)}\n"
        f"The histograms of calls show these upper bounds, in seconds: {bounds}. `rpc_status_code` is `OK` or the name of gRPC's code.\n"
    )


def reasons_page() -> str:
    """The page of reasons, role by role."""
    parts = [REASONS_INTRO]
    for role in dict.fromkeys(reason.role for reason in REASONS):
        rows = [
            (f"`{one.name}`", "" if one.code is None else f"`{one.code.name}`", one.when, one.remedy) for one in REASONS if one.role == role
        ]
        head = f"## `{role}`" if role else "## No role"
        parts.append(f"{head}\n\n{ROLES[role]}\n\n{table(('reason', 'code', 'when', 'what to do'), rows)}")
    return "\n".join(parts)
