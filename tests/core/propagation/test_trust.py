"""Which callers are believed: by their address, by the name in their certificate, and by what a proxy says of them."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.propagation.trust import DEFAULT_TRUST, Belief, Trust, is_inside

ALL, UNLESS_FORWARDED, NOTHING = Belief

PRIVATE_PEERS = [
    "127.0.0.1:80",
    "127.8.0.1:80",
    "10.1.2.3:80",
    "172.16.0.1:80",
    "172.31.255.255:80",
    "192.168.3.4:80",
    "100.64.0.1:80",
    "169.254.1.1:80",
    "::1:80",
    "fd12:3456::1:80",
    "fe80::1%eth0:80",
    "::ffff:10.0.0.1:80",
]
PUBLIC_PEERS = ["203.0.113.7:80", "172.32.0.1:80", "100.128.0.1:80", "0.0.0.0:80", "2001:db8::1:80", "::ffff:203.0.113.7:80", "::2:80"]


@pytest.mark.parametrize("peer", [*PRIVATE_PEERS, "", "/run/echo.sock", "client:1234"])
def test_by_default_private_addresses_and_unix_sockets_are_believed_unless_forwarded(peer: str) -> None:
    assert DEFAULT_TRUST.belief(peer, "") is UNLESS_FORWARDED


@pytest.mark.parametrize("peer", PUBLIC_PEERS)
def test_by_default_public_addresses_are_believed_with_a_verified_certificate_alone(peer: str) -> None:
    assert DEFAULT_TRUST.belief(peer, "") is NOTHING
    assert DEFAULT_TRUST.belief(peer, "spiffe://a/b") is UNLESS_FORWARDED


@pytest.mark.parametrize("peer", [*PRIVATE_PEERS, *PUBLIC_PEERS, ""])
def test_everybody_or_nobody_can_be_believed(peer: str) -> None:
    assert Trust(private=False, everybody=True).belief(peer, "") is ALL
    assert Trust(private=False).belief(peer, "spiffe://a/b") is NOTHING


def test_listed_callers_are_believed_whatever_they_forward_and_no_others() -> None:
    listed = Trust(private=False, networks=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")), callers=frozenset({"a.example"}))
    for peer in ("203.0.113.7:1", "2001:db8::7:1", "::ffff:203.0.113.7:1"):
        assert listed.belief(peer, "") is ALL
    for peer in ("127.0.0.1:1", "10.0.0.1:1", "203.0.114.7:1", ""):
        assert listed.belief(peer, "b.example") is NOTHING
        assert listed.belief(peer, "a.example") is ALL
    assert Trust(private=False, local=True).belief("", "") is ALL
    assert Trust(networks=(ip_network("10.0.0.7"),)).belief("10.0.0.7:1", "") is ALL
    assert Trust(networks=(ip_network("10.0.0.7"),)).belief("10.0.0.8:1", "") is UNLESS_FORWARDED


@pytest.mark.parametrize(
    "forwarded",
    [
        "10.1.2.3",
        "10.1.2.3:4567",
        " 10.1.2.3 ,\t192.168.0.1",
        "fd00::1",
        "[fd00::1]:80",
        "[10.0.0.1",
        "::ffff:10.0.0.1",
        "for=10.0.0.1",
        'For="[fd00::1]:80";proto=https;by=203.0.113.7, for = 10.0.0.1:80',
        "10.0.0.1\n10.0.0.2",
        "proto=https",
        "",
        ",, ,",
    ],
)
def test_a_call_that_private_addresses_alone_have_forwarded_began_inside(forwarded: str) -> None:
    assert is_inside(forwarded.encode())


@pytest.mark.parametrize(
    "forwarded",
    [
        "203.0.113.7",
        "10.0.0.1, 203.0.113.7",
        "203.0.113.7, 10.0.0.1",
        "10.0.0.1\n203.0.113.7",
        "2001:db8::1",
        "[2001:db8::1]:80",
        "for=203.0.113.7",
        'for="[2001:db8::1]:80"',
        "for=unknown",
        "for=_hidden",
        "unknown",
        "10.0.0.1.",
        "010.0.0.1",
        "10.1",
        "\xff",
        "10.0.0.1," * 60,
    ],
)
def test_a_call_with_any_other_address_began_outside(forwarded: str) -> None:
    assert not is_inside(forwarded.encode("latin-1"))


@given(st.binary(max_size=600))
def test_any_value_says_where_a_call_began(forwarded: bytes) -> None:
    assert is_inside(forwarded) in {True, False}
    assert not is_inside(forwarded + b",203.0.113.7")
