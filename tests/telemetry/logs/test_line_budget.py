"""A budget lets lines through, and counts the others."""

from towpath._telemetry.logs.line_budget import LineBudget


def test_a_burst_is_cut_and_the_next_line_says_how_many_were_left_out() -> None:
    budget = LineBudget(2)
    assert [budget.take(100.0) for _ in range(5)] == [0, 0, None, None, None]
    assert budget.take(100.25) is None
    assert budget.take(100.5) == 4
    assert [budget.take(200.0) for _ in range(3)] == [0, 0, None]


def test_a_line_that_does_not_count_says_it_too() -> None:
    budget = LineBudget(0)
    assert budget.take(1.0) is None
    assert budget.take(1e9) is None
    assert budget.left_out() == 2
    assert budget.left_out() == 0


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    budget = LineBudget(1)
    assert budget.take(100.0) == 0
    assert budget.take(50.0) is None
    assert budget.take(50.5) is None
