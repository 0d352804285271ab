"""Addresses as people write them, and sockets as the operating system gives or refuses them."""

import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import SetupError
from towpath._transport.address import Address, bind, bound, refused


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("localhost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
        ("a.b-c.example:1", "a.b-c.example", 1),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    address = Address.parse(text, "here")
    assert address == Address(host, port)
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "localhost", ":80", "host:", "host:http", "host:65536", "host:-1", "host: 80", "[]:1", "host:٣"])
def test_what_is_no_address_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(SetupError, match=r"towpath\.toml \[listen\]: .* is not host:port"):
        Address.parse(text, "towpath.toml [listen]")


def test_an_ipv6_host_without_brackets_is_ambiguous() -> None:
    with pytest.raises(SetupError, match=r"here: '::1:80' is ambiguous; put the IPv6 host in brackets"):
        Address.parse("::1:80", "here")


@pytest.mark.untraced
@given(st.text(max_size=30))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    try:
        address = Address.parse(text, "here")
    except SetupError as error:
        assert str(error).startswith("here: ")
    else:
        assert 0 <= address.port <= 65535


def test_a_free_port_is_found() -> None:
    with bind(Address("127.0.0.1", 0), "here") as listener:
        assert bound(listener).port > 0
        assert not listener.getblocking()


def test_a_port_in_use_is_named() -> None:
    with bind(Address("127.0.0.1", 0), "here") as listener:
        address = bound(listener)
        with pytest.raises(SetupError, match=f"here: cannot listen on {address}: port {address.port} is in use by another process; choose"):
            bind(address, "here")


def test_a_host_of_another_machine_is_named() -> None:
    with pytest.raises(SetupError, match=r"192\.0\.2\.1 is not an address of this machine"):
        bind(Address("192.0.2.1", 0), "here")


def test_a_host_that_does_not_resolve_is_named() -> None:
    with pytest.raises(SetupError, match=r"here: the host of no such host:1 cannot be resolved"):
        bind(Address("no such host", 1), "here")


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.EACCES, "this user may not listen on port 80"), (errno.EMFILE, "Too many open files"), (None, "odd")]
)
def test_what_the_system_says_reaches_the_person(number: int | None, reason: str) -> None:
    error = OSError(number, "Too many open files") if number else OSError("odd")
    assert reason in str(refused(Address("h", 80), "here", error))


def test_ipv6_is_bound_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listener = bind(Address("::1", 0), "here")
    except SetupError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with listener:
        assert str(bound(listener)).startswith("[::1]:")
