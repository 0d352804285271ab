"""One of the greediest is found, whatever came and went before."""

from hypothesis import given
from hypothesis import strategies as st

from towpath._layers.idempotency.key_shares import KeyShares
from towpath._layers.idempotency.store import KeyOwner

NAMES = st.sampled_from(["a", "b", "c", "d"])
CHANGES = st.lists(st.tuples(st.builds(KeyOwner, NAMES, NAMES), st.integers(-2000, 4000)), max_size=60)


@given(changes=CHANGES)
def test_the_largest_has_half_of_what_the_very_largest_has(changes: list[tuple[KeyOwner, int]]) -> None:
    shares, sizes = KeyShares(), dict[KeyOwner, int]()
    for owner, change in changes:
        size = max(0, sizes.get(owner, 0) + change)
        share = shares.of(owner)
        shares.add(share, size - share.size)
        shares.drop_if_unused(share)
        sizes[owner] = size
        callers = {name: sum(size for owner, size in sizes.items() if owner.caller == name) for name, _ in sizes}
        assert shares.size == sum(sizes.values())
        assert len(shares) == sum(size > 0 for size in callers.values())
        if shares.size:
            found = shares.largest()
            assert 2 * callers[found.caller.name] > max(callers.values())
            assert 2 * found.size > max(size for owner, size in sizes.items() if owner.caller == found.caller.name)


def test_a_tenant_whose_calls_run_is_not_forgotten() -> None:
    shares, owner = KeyShares(), KeyOwner("a", "b")
    share = shares.of(owner)
    share.running = 1
    shares.drop_if_unused(share)
    assert shares.of(owner) is share
    share.running = 0
    shares.drop_if_unused(share)
    assert (shares.of(owner) is share, len(shares)) == (False, 1)
    shares.of(KeyOwner("a", "c"))
    shares.drop_if_unused(shares.of(owner))
    assert len(shares) == 1
