"""What is recognised as a secret in a text, what is left alone, and that no text takes long."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from towpath._core.disclosure.redaction import REDACTED, is_secret, mark, redacted, shown_metadata
from towpath._core.metadata import Metadata

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

HIDDEN = [
    ("authorization: Bearer abc.def-123456\nx: 1", "authorization: [redacted]\nx: 1"),
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [redacted]"),
    ("sent Bearer abcdef123 to it", "sent Bearer [redacted] to it"),
    ("negotiate YIIabcdef", "negotiate [redacted]"),
    ("Basic dXNlcjpwYXNz", "Basic [redacted]"),
    ('{"password": "hun\\"ter2", "a": 1}', '{"password": [redacted], "a": 1}'),
    ("{'cookie': 'sid=abc; theme=x', 'b': 2}", "{'cookie': [redacted], 'b': 2}"),
    ("Cookie: a=1; b=2\r\nhost: x", "Cookie: [redacted]\r\nhost: x"),
    ("set-cookie=a=1; Path=/", "set-cookie=[redacted]"),
    (repr(Metadata([("authorization", "Digest abc"), ("x", "y")])), "Metadata([('authorization', [redacted]), ('x', 'y')])"),
    ("{'secret': b'\\x00key'}", "{'secret': b[redacted]}"),
    ("postgres://bob:s3cr3t@db:5432/x failed", "postgres://bob:[redacted]@db:5432/x failed"),
    ("redis://:pw@h", "redis://:[redacted]@h"),
    ("GET /x?access_token=abc123&y=2", "GET /x?access_token=[redacted]&y=2"),
    ("/x?token=abc", "/x?token=[redacted]"),
    ("db_password=xyz", "db_password=[redacted]"),
    ("api-key: xyz, apikey=abc", "api-key: [redacted], apikey=[redacted]"),
    ("private_key: [1, [2, ']', 3], 4] rest", "private_key: [redacted] rest"),
    ('{"credentials": {"a": "}", "b": {}}, "c": 1}', '{"credentials": [redacted], "c": 1}'),
    ("secret: {never closed", "secret: [redacted]"),
    ('passphrase: "never closed', "passphrase: [redacted]"),
    ('{\\"password\\": \\"my pass word\\", \\"x\\": 1}', '{\\"password\\": [redacted], \\"x\\": 1}'),
    ('session_id: "a\\\\" rest', "session_id: [redacted] rest"),
    (f"sub {JWT} expired", "sub [redacted] expired"),
    ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- after", "[redacted] after"),
    ("-----BEGIN PRIVATE KEY-----\nabc", "[redacted]"),
    (f"ghp_{'a1' * 18} AKIA{'A' * 16} sk_live_{'1' * 12}", "[redacted] [redacted] [redacted]"),
    (f"xoxb-{'1' * 12} glpat-{'a' * 20} sk-{'a' * 24} AIza{'a' * 35} github_pat_{'a' * 30}", " ".join([REDACTED] * 5)),
    ("\u0130 password=xyz", "\u0130 password=[redacted]"),
    ("password=[redacted] token=[redacted]", "password=[redacted] token=[redacted]"),
]

SHOWN = [
    "",
    "shop serves shop.v1.ShopService on 127.0.0.1:8080",
    "unexpected token: foo",
    "tokens=5 monkey=3 key=4 primary-key: 2",
    "basic understanding of Basic Authentication",
    "bearer of news",
    "host:8080 http://h:80/x@y",
    "KeyError: 'x'",
    "password: ",
    "eyJ is short, and so are sk-1, ghp_1 and AKIA1",
    "-----BEGIN CERTIFICATE-----",
    "skeyed -----begin nothing",
]


@pytest.mark.parametrize(("text", "shown"), HIDDEN)
def test_a_secret_is_replaced(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) is text or redacted(text) == text


@given(st.text())
@example("password=" + REDACTED)
def test_what_was_redacted_stays_so(text: str) -> None:
    for given_text in (text, f"password={text}", f"authorization: {text}"):
        once = redacted(given_text)
        assert redacted(once) == once


@given(
    st.from_regex(r"[A-Za-z0-9_.~+/-]{6,40}", fullmatch=True),
    st.sampled_from([f"{{'password': '{'%s'}'}}", "authorization: Bearer %s", "a://u:%s@h"]),
)
def test_no_secret_is_left_in_a_form_that_is_known(secret: str, form: str) -> None:
    if form.startswith("a:"):
        secret = secret.replace("/", "")
    assert not secret or secret not in redacted(form % f"Zq{secret}") or secret in form


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "://a:",
        "bearer ",
        "basic a",
        "password",
        "a_token",
        "authorization=\\",
        '"password": "',
        "secret: {",
        'secret: ["',
        "-----BEGIN PRIVATE KEY-----",
        'password: \\"',
        "api-key: '\\",
        "cookie: \n",
        "sk-",
    ],
)
def test_a_hostile_text_takes_time_in_proportion(piece: str) -> None:
    """What takes the square of so many characters takes longer than any test may."""
    redacted(piece * (300_000 // len(piece)))


def test_marked_fields_are_secrets_in_every_form() -> None:
    """What is marked stays marked for the process, so the names are found in no other test."""
    assert not is_secret("zq_number")
    mark(["zq_number", "zqNumber", "zq_card"])
    mark(["zq_card"])
    assert is_secret("zq_number")
    assert redacted('zq_number: "4111 1111" x: 1') == "zq_number: [redacted] x: 1"
    assert redacted('{"zqNumber": 4111, "x": 1}') == '{"zqNumber": [redacted], "x": 1}'
    assert redacted('zq_card {\n  number: "41}11"\n} y: 1') == "zq_card [redacted] y: 1"
    assert redacted("an_zq_card: 1 zq_cards: 2") == "an_zq_card: 1 zq_cards: 2"


def test_metadata_are_shown_if_they_are_allowed() -> None:
    pairs = [
        ("x-client", "one"),
        ("x-client", "Bearer abcdefgh"),
        ("x-trace-bin", b"\x01\xff"),
        ("authorization", "Bearer abc"),
        ("x-other", "3"),
    ]
    allowed = ["x-client", "x-trace-bin", "authorization", "x-none"]
    assert shown_metadata(pairs, allowed) == {"x-client": "Bearer [redacted]", "x-trace-bin": "01ff"}


@pytest.mark.parametrize(
    "name", ["authorization", "proxy-authorization", "set-cookie", "X-Api-Key", "db_password", "token", "refresh_token"]
)
def test_names_of_credentials_are_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["author", "key", "tokens", "x-client", "monkey", ""])
def test_other_names_are_not(name: str) -> None:
    assert not is_secret(name)
