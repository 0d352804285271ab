"""Each of four bugs is named by its line with towpath's own tools, and a shop without it is not blamed."""

import pytest

from labs.experiments.blocked_loop import diagnosis as lab


@pytest.mark.parametrize("bug", lab.BUGS)
async def test_the_line_of_the_bug_is_named(bug):
    found = await lab.examined(bug, fixed=False)
    assert lab.EXPECTED[bug] in found.root_cause
    assert lab.finding(found).holds


async def test_with_the_fix_nothing_is_named():
    assert (await lab.examined("lock", fixed=True)).root_cause == ""
