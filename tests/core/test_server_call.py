"""The facts that a server adds to a received call."""

from towpath._core.server_call import ServerCallInfo


def test_a_call_that_waited_for_its_turn_counts_as_come_and_chosen_later():
    call = ServerCallInfo(10.0)
    call.postponed(2.0)
    assert (call.arrived, call.chosen_from) == (12.0, 0.0)  # it was not queued
    call.chosen_from = 11.0
    call.postponed(1.0)
    assert (call.arrived, call.chosen_from) == (13.0, 12.0)
