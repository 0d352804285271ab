"""The faults of one method's own calls: too little time for them, too little weight, repeats that do harm. Beside them, data of two owners,
and calls that no file declares.

A call's timeout includes its retries (`towpath/v1/options.proto`), so attempts do not multiply it: a call ends at its timeout, however
often it is tried. So the caller's timeout has to hold the sum of its sequential calls and the longest of its parallel ones.
"""

from collections.abc import Iterator, Sequence
from math import inf

from towpath._contracts.graph.model import Call, Finding, Graph, Owned, Severity, Step
from towpath._core.context import Criticality

_SLACK = 1e-9
"""Seconds by which sums of decimal fractions may be off."""


def find_deadline_inversions(graph: Graph) -> Iterator[Finding]:
    """Methods whose callers give up before their own calls have to."""
    given: dict[Step, float] = {}
    for call in graph.calls:
        given[call.callee] = min(given.get(call.callee, inf), inf if call.timeout is None else call.timeout)
    for step, served in graph.served.items():
        # A method that several services serve is called at one of them.
        calls = list({(call.where, call.callee.method): call for call in graph.calls_of(step)}.values())
        own = inf if served.timeout is None else served.timeout
        have = given.get(step, own)
        need = _time(calls)
        if not calls or need <= have + _SLACK:
            continue
        yield Finding(
            rule="deadline-inversion",
            severity=Severity.ERROR,
            path=(str(step), " + ".join(str(call.callee) for call in calls)),
            message=f"its caller waits {have:g} s, its calls may take {_sum(calls)}: the answer can come when nobody waits any more",
            remedy="give the calls less time ([[methodConfig]] timeout), make them parallel, or give this method more",
            where=tuple(dict.fromkeys(call.where for call in calls)),
        )


def find_criticality_inversions(graph: Graph) -> Iterator[Finding]:
    """Critical methods that cannot answer without a less important one, which an overloaded server rejects first."""
    for call in graph.calls:
        caller = graph.served[call.caller].criticality
        if caller >= Criticality.CRITICAL > call.criticality and not call.optional:
            yield Finding(
                rule="criticality-inversion",
                severity=Severity.ERROR,
                path=(str(call.caller), str(call.callee)),
                message=f"the caller is {caller.name} and fails whenever this call is refused, which as {call.criticality.name} is soon",
                remedy="raise the callee's criticality, or give the caller a fallback and declare the call optional = true",
                where=(call.where,),
            )


def find_unsafe_repeats(graph: Graph) -> Iterator[Finding]:
    """Retries and hedges that can do a thing twice, on methods that do not declare this to be harmless."""
    for call in graph.calls:
        if call.repeatable or not (call.hedged or call.repeated_codes):
            continue
        what = "is hedged" if call.hedged else f"is tried again after {', '.join(call.repeated_codes)}"
        yield Finding(
            rule="unsafe-repeat",
            severity=Severity.ERROR,
            path=(str(call.caller), str(call.callee)),
            message=f"the call {what}, and its contract does not say that it is idempotent: the work may be done twice",
            remedy="set idempotency_level in the contract if a repeat is harmless; else drop the hedge, or name UNAVAILABLE alone",
            where=(call.where,),
        )


def find_lost_keys(graph: Graph) -> Iterator[Finding]:
    """Methods that promise one effect for each idempotency key, at services that do not keep the answers for all their processes."""
    for step, served in graph.served.items():
        if served.keys_lost:
            yield Finding(
                rule="keys-lost",
                severity=Severity.ERROR,
                path=(str(step),),
                message=f"its contract declares idempotency_key, and {served.keys_lost}: a repeated call has its effect again",
                remedy='set service.idempotency to "sqlite:///PATH", "postgresql://..." or "redis://..."',
                where=(served.where,),
            )


def find_integer_keys(graph: Graph) -> Iterator[Finding]:
    """Methods whose requests have maps with integers for keys, by the fields; each field is named once."""
    methods: dict[str, list[Step]] = {}
    for step, served in graph.served.items():
        for name in served.integer_keyed_maps:
            methods.setdefault(name, []).append(step)
    for name, steps in methods.items():
        yield Finding(
            rule="integer-keys",
            severity=Severity.NOTE,
            path=(str(steps[0]), name),
            message="a caller can choose integers for keys that take quadratic time to read, so a server refuses some that are many",
            remedy="use strings for keys where callers are not trusted, or a repeated message",
        )


def find_shared_data(graph: Graph) -> Iterator[Finding]:
    """Data that more than one service claims to own."""
    owners: dict[str, list[Owned]] = {}
    for owned in graph.owned:
        owners.setdefault(owned.datum, []).append(owned)
    for datum, claims in owners.items():
        services = list(dict.fromkeys(claim.service for claim in claims))
        if len(services) > 1:
            yield Finding(
                rule="two-owners",
                severity=Severity.ERROR,
                path=tuple(services),
                message=f"each of them owns {datum!r}: nobody can say which of their answers is true",
                remedy="leave it with one of them; the others ask it, or keep a copy from its events",
                where=tuple(claim.where for claim in claims),
            )


def find_undeclared_calls(graph: Graph) -> Iterator[Finding]:
    """Services that are told the address of another one, and declare no call to it: such calls escape every other rule."""
    declared = {(call.caller.service, call.callee.service) for call in graph.calls}
    serving = {step.service for step in graph.served}
    for told in graph.told:
        if told.callee in serving and (told.service, told.callee) not in declared:
            yield Finding(
                rule="undeclared-call",
                severity=Severity.WARNING,
                path=(told.service, told.callee),
                message="the system file tells the one where the other is, and its service file declares no call to it",
                remedy="declare the call in [[calls]], or take the callee out of the system file's calls",
                where=(told.where,),
            )


def _length(call: Call) -> float:
    return inf if call.timeout is None else call.timeout


def _time(calls: Sequence[Call]) -> float:
    sequential = sum(_length(call) * call.times for call in calls if not call.parallel)
    return sequential + max((_length(call) for call in calls if call.parallel), default=0.0)


def _sum(calls: Sequence[Call]) -> str:
    terms = [f"{call.times} x {_length(call):g} s" if call.times > 1 else f"{_length(call):g} s" for call in calls if not call.parallel]
    longest = max((_length(call) for call in calls if call.parallel), default=None)
    if longest is not None:
        terms.append(f"{longest:g} s in parallel")
    whole = _time(calls)
    text = " + ".join(terms)
    if whole == inf:
        return "forever, since one of them has no timeout"
    return text if terms == [f"{whole:g} s"] else f"{text} = {whole:g} s"
