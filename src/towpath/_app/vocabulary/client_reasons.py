"""The reasons of a client's policies."""

from typing import Final

from towpath._app.vocabulary.reason import Reason
from towpath._core.decisions import BREAKER
from towpath._core.errors import Code
from towpath._layers import endpoint_breaker, fallback, hedge, retry, throttle
from towpath._transport.client.endpoints import pool

CLIENT_REASONS: Final = (
    Reason(
        throttle.Throttle.role,
        throttle.TOO_FEW_ACCEPTED,
        Code.UNAVAILABLE,
        "The target has rejected most of the last calls, so this one was not sent.",
        "Help the overloaded target; the throttle ends by itself when it accepts calls again.",
    ),
    Reason(
        retry.Retry.role,
        retry.ATTEMPT,
        None,
        "A failed call is tried again, after its backoff.",
        "Nothing, unless it is often: then the target fails.",
    ),
    Reason(
        retry.Retry.role,
        retry.TRANSPARENT,
        None,
        "A call that no server has begun with is tried again at once.",
        "Nothing: connections end when servers restart.",
    ),
    Reason(
        retry.Retry.role,
        retry.PUSHBACK,
        None,
        "The call ends with its error, because the server asked for no further attempt.",
        "Nothing at the client: an overloaded server says so.",
    ),
    Reason(
        retry.Retry.role,
        retry.ATTEMPTS_EXHAUSTED,
        None,
        "The call ends with its error, because it had as many attempts as its policy allows.",
        "Look at the target: several attempts in a row failed.",
    ),
    Reason(
        retry.Retry.role,
        retry.BUDGET_EXHAUSTED,
        None,
        "The call ends with its error, because retries are too large a share of the target's calls.",
        "Look at the target. Raise `targets.NAME.retry_budget` only for a target that can bear more load while it fails.",
    ),
    Reason(
        retry.Retry.role,
        retry.DEADLINE_TOO_NEAR,
        None,
        "The call ends with its error, because its deadline would pass before another attempt.",
        "Give the call more time if a second attempt is worth it.",
    ),
    Reason(
        retry.Retry.role,
        retry.IN_VAIN,
        None,
        "The call ends with its error, because the last repetitions all failed: the target is out.",
        "Bring the target back. Repetitions are rare until a call succeeds.",
    ),
    Reason(
        retry.Retry.role,
        retry.CALLER_RETRIES,
        None,
        "The call ends with its error, because the caller of this service repeats its call already and the target is overloaded.",
        "Nothing here: one service of a chain repeats, and not each of them.",
    ),
    Reason(
        hedge.Hedge.role,
        hedge.ATTEMPT,
        None,
        "A second attempt is sent while the first is under way.",
        "Nothing: a hedging policy asks for it.",
    ),
    Reason(hedge.Hedge.role, hedge.WON, None, "The answer came from the second attempt.", "Nothing: this is what the hedge is for."),
    Reason(
        hedge.Hedge.role,
        hedge.BUDGET_EXHAUSTED,
        None,
        "A second attempt was due, and the budget had none left.",
        "Look at the target's latency. `extraLoad` of the hedging policy is the share of calls that may have one.",
    ),
    Reason(
        hedge.Hedge.role,
        hedge.OVERLOADED,
        None,
        "A second attempt was due, and the target or this process has too much to do.",
        "Add capacity where the load is.",
    ),
    Reason(
        fallback.Fallback.role,
        fallback.VALUE,
        None,
        "The call failed, and the caller got the fixed answer of its fallback.",
        "Look at the target: users see an answer that is good enough, and not the real one.",
    ),
    Reason(
        fallback.Fallback.role,
        fallback.STALE,
        None,
        "The call failed, and the caller got the last good answer to the same request.",
        "Look at the target: users see an old answer.",
    ),
    Reason(
        fallback.Fallback.role,
        fallback.SKIPPED,
        None,
        "The call was not made, since it would probably have ended too late, and the caller got the fixed answer.",
        "Look at the target's latency, or give the call more time.",
    ),
    Reason(
        BREAKER,
        pool.PANIC,
        None,
        "A call went to an endpoint that its breaker would leave alone, since most endpoints look ill or no other has room.",
        "Look at the target: most of it fails.",
    ),
    Reason(
        BREAKER,
        endpoint_breaker.BREAKER_OPEN,
        None,
        "In shadow mode: the breaker would have kept the call away from its endpoint.",
        "Look at the endpoint that fails, and switch the breaker on.",
    ),
)
"""The reasons that a client gives, role by role."""
