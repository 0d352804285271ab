"""A hundred calls to a page, one in a hundred of them a straggler."""

from labs.experiments import hedging


def test_hedges_take_off_most_of_the_tail_for_a_few_calls_more(monkeypatch):
    monkeypatch.setattr(hedging, "PAGES", 150)
    hedged, single = hedging.hedged(0), hedging.single(0)
    assert single.pages[-1] >= 5 * hedged.pages[-1]
    assert hedged.load <= 1.05
    assert single.load == 1
