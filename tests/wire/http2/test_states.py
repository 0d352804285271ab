"""The transition tables against RFC 9113 5.1, figure 2, read a second time: as rules instead of as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.http2 import states
from towpath._wire.http2.states import (
    CONNECTION_TRANSITIONS,
    ILLEGAL,
    STREAM_TRANSITIONS,
    ConnectionEvent,
    ConnectionState,
    StreamEvent,
    StreamState,
)

ROWS = {
    StreamEvent.SEND_FRAME: states.AFTER_SEND_FRAME,
    StreamEvent.SEND_END: states.AFTER_SEND_END,
    StreamEvent.RECV_FRAME: states.AFTER_RECV_FRAME,
    StreamEvent.RECV_END: states.AFTER_RECV_END,
    StreamEvent.RESET: states.AFTER_RESET,
}

every_event = st.lists(st.sampled_from(StreamEvent), max_size=12)


def by_the_rules(events: list[StreamEvent]) -> StreamState | None:
    """A stream is two halves, each idle, open or ended; it is closed when both have ended. None if an event is illegal."""
    begun = sent = received = reset = False
    for event in events:
        closed = reset or (sent and received)
        if event is StreamEvent.RESET:
            if not begun:
                return None
            reset = True
        elif (
            closed
            or (sent and event in {StreamEvent.SEND_FRAME, StreamEvent.SEND_END})
            or (received and event in {StreamEvent.RECV_FRAME, StreamEvent.RECV_END})
        ):
            return None
        else:
            sent |= event is StreamEvent.SEND_END
            received |= event is StreamEvent.RECV_END
        begun = True
    if not begun:
        return StreamState.IDLE
    if reset or (sent and received):
        return StreamState.CLOSED
    if sent:
        return StreamState.HALF_CLOSED_LOCAL
    return StreamState.HALF_CLOSED_REMOTE if received else StreamState.OPEN


@given(every_event)
def test_any_course_of_a_stream_ends_where_the_rules_say(events: list[StreamEvent]) -> None:
    state: int = StreamState.IDLE
    for event in events:
        state = ROWS[event][state]
        if state == ILLEGAL:
            break
    expected = by_the_rules(events)
    assert state == (ILLEGAL if expected is None else expected)


@pytest.mark.parametrize("event", StreamEvent)
@pytest.mark.parametrize("state", StreamState)
def test_what_is_not_listed_for_streams_is_illegal(state: StreamState, event: StreamEvent) -> None:
    assert ROWS[event][state] == STREAM_TRANSITIONS.get((state, event), ILLEGAL)


def test_nothing_leaves_the_closed_state_of_a_stream() -> None:
    assert {after for (state, _), after in STREAM_TRANSITIONS.items() if state is StreamState.CLOSED} == {StreamState.CLOSED}


@pytest.mark.parametrize("event", ConnectionEvent)
@pytest.mark.parametrize("state", ConnectionState)
def test_a_connection_only_goes_forward(state: ConnectionState, event: ConnectionEvent) -> None:
    after = CONNECTION_TRANSITIONS.get((state, event))
    assert after is None or after >= state


@pytest.mark.parametrize("state", ConnectionState)
def test_a_connection_can_be_lost_at_any_time_and_then_does_nothing_else(state: ConnectionState) -> None:
    assert CONNECTION_TRANSITIONS[state, ConnectionEvent.CLOSE] is ConnectionState.CLOSED
    if state is ConnectionState.CLOSED:
        assert [event for event in ConnectionEvent if (state, event) in CONNECTION_TRANSITIONS] == [ConnectionEvent.CLOSE]


def test_a_connection_takes_one_preface_and_settings_only_after_it() -> None:
    prefaced = [state for state in ConnectionState if (state, ConnectionEvent.PREFACE) in CONNECTION_TRANSITIONS]
    assert prefaced == [ConnectionState.AWAIT_PREFACE]
    assert (ConnectionState.AWAIT_PREFACE, ConnectionEvent.SETTINGS) not in CONNECTION_TRANSITIONS


@pytest.mark.parametrize("state", [ConnectionState.AWAIT_PREFACE, ConnectionState.AWAIT_SETTINGS])
def test_a_goodbye_before_the_peer_has_begun_does_not_excuse_its_beginning(state: ConnectionState) -> None:
    assert CONNECTION_TRANSITIONS[state, ConnectionEvent.GOAWAY] is state
