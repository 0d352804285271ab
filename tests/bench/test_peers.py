"""Which peers the command line names."""

import pytest

from bench.peers import PEERS, chosen


def test_names_are_taken_in_the_order_of_the_peers():
    assert [peer.short for peer in chosen("bare, grpcio")] == ["grpcio", "bare"]


def test_every_peer_can_be_named():
    assert chosen(",".join(peer.short for peer in PEERS)) == PEERS


@pytest.mark.parametrize("names", ["grpcio,nosuch", "", " , "])
def test_a_stranger_is_answered_with_the_choices(names):
    with pytest.raises(ValueError, match="choose from grpcio, grpclib"):
        chosen(names)
