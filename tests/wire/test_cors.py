"""The rule by which pages of other origins may call."""

from typing import Any

import pytest

from towpath._core.errors import SetupError
from towpath._wire.cors import EXPOSED, REQUEST_FIELDS, Cors, CorsOptions
from towpath._wire.dialect import WholeResponse
from towpath._wire.http.fields import Template

SHOP = "https://shop.example"
HEAD = Template((b":status", b"200"), (b"content-type", b"application/json"))
ASKS = {b"origin": SHOP.encode(), b"access-control-request-method": b"POST"}


def fields_of(response: WholeResponse) -> dict[bytes, bytes]:
    return dict((*response.head.fields, *response.fields))


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        SHOP,
        "http://localhost:5173",
        "http://127.0.0.1",
        "http://[::1]:8080",
        "https://shop.example:80",
        "chrome-extension://abcdefgh",
        "https://xn--mnchen-3ya.example",
        "http://my_host",
        "https://a.example:65535",
    ],
)
def test_an_origin_is_a_scheme_a_host_and_perhaps_a_port(origin: str) -> None:
    assert CorsOptions(origins=(origin,)).origins == (origin,)


@pytest.mark.parametrize(
    ("origin", "near"),
    [
        ("https://shop.example/", 'write "https://shop.example"'),
        ("https://shop.example/a?b#c", 'write "https://shop.example"'),
        ("https://Shop.Example", 'write "https://shop.example"'),
        ("https://shop.example:443", 'write "https://shop.example"'),
        ("http://shop.example:80", 'write "http://shop.example"'),
        ("shop.example:8080", 'write "https://shop.example:8080"'),
        ("shop.example", 'write "https://shop.example"'),
        ("https://me@shop.example", 'write "https://shop.example"'),
        ("https://münchen.example", 'write "https://xn--mnchen-3ya.example"'),
        ("https://shop.example:65536", 'write "https://shop.example"'),
        ("https://shop.example:0", 'write "https://shop.example"'),
        ("https://shop.example:port", 'write "https://shop.example"'),
        ("", 'write "https://shop.example"'),
        ("https://", 'write "https://shop.example"'),
        (f"https://{'a' * 70}.example/", 'write "https://shop.example"'),
        ("null", "every sandboxed page"),
        ("https://*.shop.example", '"\\*" stands alone'),
    ],
)
def test_what_is_no_origin_is_refused_with_one_that_was_probably_meant(origin: str, near: str) -> None:
    with pytest.raises(SetupError, match=near) as caught:
        CorsOptions(origins=(origin,))
    assert str(caught.value).startswith("origins: ")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"origins": ()}, "origins: is empty"),
        ({"origins": "https://shop.example"}, "origins: is one text"),
        ({"origins": ("*", SHOP)}, 'origins: "\\*" says all'),
        ({"origins": ("*",), "credentials": True}, "credentials: is true for the origins"),
        ({"methods": ("get",)}, "methods: 'get' is no method"),
        ({"methods": ("TRACE",)}, "methods: 'TRACE'"),
        ({"methods": ("A B",)}, "methods: 'A B'"),
        ({"methods": "GET"}, "methods: is one text"),
        ({"headers": ("a b",)}, "headers: 'a b' is no name"),
        ({"headers": ("*", "a")}, 'headers: "\\*" says all'),
        ({"max_age": -1}, "max_age: -1 is out of range"),
        ({"max_age": 86401.0}, "max_age: 86401.0"),
    ],
)
def test_what_cannot_hold_is_refused_by_its_key(options: dict[str, Any], error: str) -> None:
    with pytest.raises(SetupError, match=error):
        CorsOptions(**{"origins": (SHOP,), **options})


def test_an_allowed_origin_is_named_and_may_read_all_that_a_response_has() -> None:
    cors = Cors(CorsOptions(origins=(SHOP,)))
    dressed = cors.fields(SHOP.encode())
    head, fields = dressed.added_to(HEAD, [(b"trailer-x", b"1"), (b"etag", b'"1"'), (b"trailer-x", b"2"), (b"cache-control", b"no-store")])
    assert head.fields == (
        *HEAD.fields,
        (b"access-control-allow-origin", SHOP.encode()),
        (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
        (b"vary", b"origin"),
    )
    assert fields[-1] == (b"access-control-expose-headers", b"trailer-x")
    assert dressed.added_to(HEAD, ()) == (head, ())  # the one that was made, and remembered by HPACK
    assert dressed.added_to(HEAD, [(b"etag", b'"1"')]) == (head, [(b"etag", b'"1"')])


@pytest.mark.parametrize("origin", [None, b"null", b"https://evil.example", b"https://shop.example.evil.example"])
def test_caches_are_told_that_another_origin_gets_another_response(origin: bytes | None) -> None:
    response = Cors(CorsOptions(origins=(SHOP,))).fields(origin).response(WholeResponse(HEAD, [(b"x-a", b"1")], b"{}"))
    assert (response.head.fields, response.fields, response.body) == ((*HEAD.fields, (b"vary", b"origin")), [(b"x-a", b"1")], b"{}")


@pytest.mark.parametrize("origin", [None, SHOP.encode(), b"null"])
def test_for_every_origin_there_is_one_response(origin: bytes | None) -> None:
    head, _ = Cors(CorsOptions(origins=("*",))).fields(origin).added_to(HEAD, ())
    assert dict(head.fields)[b"access-control-allow-origin"] == b"*"


def test_credentials_are_allowed_by_a_field_of_their_own() -> None:
    cors = Cors(CorsOptions(origins=(SHOP,), credentials=True))
    preflight = cors.preflight(ASKS)
    assert preflight is not None
    for response in (preflight, cors.fields(SHOP.encode()).response(WholeResponse(HEAD, (), b""))):
        assert fields_of(response)[b"access-control-allow-credentials"] == b"true"


def test_a_preflight_lists_what_a_page_may_send() -> None:
    response = Cors(CorsOptions(origins=(SHOP,), headers=("Authorization",), max_age=5.5)).preflight(ASKS)
    assert response is not None
    assert fields_of(response) == {
        b":status": b"200",
        b"access-control-allow-origin": SHOP.encode(),
        b"access-control-allow-methods": b"GET, HEAD, POST, PUT, PATCH, DELETE",
        b"access-control-allow-headers": ", ".join((*REQUEST_FIELDS, "authorization")).encode(),
        b"access-control-max-age": b"5",
        b"vary": b"origin",
    }


@pytest.mark.parametrize(("asked", "allowed"), [({b"access-control-request-headers": b"x-a,x-b"}, b"x-a,x-b"), ({}, None)])
def test_where_every_header_is_allowed_those_are_that_were_asked_for(asked: dict[bytes, bytes], allowed: bytes | None) -> None:
    response = Cors(CorsOptions(origins=("*",), headers=("*",))).preflight({**ASKS, **asked})
    assert response is not None
    fields = fields_of(response)
    assert (fields.get(b"access-control-allow-headers"), fields[b"vary"]) == (allowed, b"origin, access-control-request-headers")


def test_another_origin_is_refused_in_words() -> None:
    response = Cors(CorsOptions(origins=(SHOP,))).preflight({**ASKS, b"origin": b"https://evil.example\x1b"})
    assert response is not None
    assert (response.head.fields[0], response.body) == (
        (b":status", b"403"),
        b"pages of https://evil.example\\x1b may not call this service\n",
    )


@pytest.mark.parametrize("request_", [{b"origin": SHOP.encode()}, {b"access-control-request-method": b"GET"}])
def test_an_options_without_both_fields_is_no_preflight(request_: dict[bytes, bytes]) -> None:
    assert Cors(CorsOptions(origins=(SHOP,))).preflight(request_) is None


def test_the_heads_that_are_remembered_are_bounded() -> None:
    cors = Cors(CorsOptions(origins=("*",))).fields(None)
    for status in range(100, 300):
        head, _ = cors.added_to(Template((b":status", b"%d" % status)), ())
        assert head.fields[0] == (b":status", b"%d" % status)
