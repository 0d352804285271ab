"""The context of a client's call, alone and inside another; `tests/layers/test_context.py` has the rest."""

import pytest

from towpath._core import clock
from towpath._core.context import CallOptions, Context, Criticality, Reply, enter, leave
from towpath._core.context_factory import context_factory
from towpath._core.propagation.fields import is_key

NOW = 1000.0


@pytest.fixture(autouse=True)
def _virtual_clock():
    with clock.using(lambda: NOW):
        yield


def test_a_call_that_inherits_nothing_stands_alone_inside_of_another() -> None:
    token = enter(Context("a/b", deadline=NOW + 1, criticality=Criticality.SHEDDABLE, tenant="acme", request_id="r"))
    ctx = context_factory("c/d", 2.0, None, inherits=False)(None)
    leave(token)
    assert (ctx.method, ctx.deadline, ctx.criticality, ctx.tenant, ctx.given_request_id) == ("c/d", NOW + 2, Criticality.CRITICAL, "", "")
    assert ctx.cached_trace is None


@pytest.mark.parametrize("inherits", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_options_are_the_calls_wherever_it_is_made(*, inherits: bool, inside: bool) -> None:
    options = CallOptions(
        timeout=0.5,
        criticality=Criticality.CRITICAL_PLUS,
        tenant="acme",
        metadata=[("a", "b")],
        reply=Reply(),
        wait_for_ready=True,
        idempotency_key="k",
    )
    factory = context_factory("c/d", None, Criticality.SHEDDABLE, inherits=inherits)
    token = enter(Context("a/b", tenant="other")) if inside else None
    ctx = factory(options)
    if token is not None:
        leave(token)
    assert (ctx.deadline, ctx.criticality, ctx.tenant) == (NOW + 0.5, Criticality.CRITICAL_PLUS, "acme")
    assert (ctx.metadata, ctx.reply, ctx.wait_for_ready, ctx.idempotency_key) == (options.metadata, options.reply, True, "k")
    assert ctx.peer == ""


@pytest.mark.parametrize("inherits", [False, True])
def test_a_key_is_made_for_each_call_that_brings_none_and_shared_by_its_attempts(*, inherits: bool) -> None:
    factory = context_factory("c/d", None, None, inherits=inherits, makes_keys=True)
    given = CallOptions(idempotency_key="mine")
    parent = Context("a/b")
    parent.idempotency_key = "of another effect"
    token = enter(parent)
    made = [factory(None), factory(CallOptions(timeout=1)), factory(None)]
    assert factory(given).idempotency_key == "mine"
    leave(token)
    keys = {ctx.idempotency_key for ctx in made}
    assert len(keys) == 3
    assert all(is_key(key) and len(key) == 32 for key in keys)
    assert [ctx.again(1).again(2).idempotency_key for ctx in made] == [ctx.idempotency_key for ctx in made]
