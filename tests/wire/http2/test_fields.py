"""What a field section may contain (RFC 9113 8.2, 8.3), the first time and when it recurs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.hpack import Decoder, Encoder, HeaderBlock, literal
from towpath._wire.http.fields import REQUEST, RESPONSE, TRAILERS, Field, MalformedSection, Section
from towpath._wire.http2 import fields

GET: tuple[Field, ...] = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/x"))
OK: tuple[Field, ...] = ((b":status", b"200"),)
READERS = {REQUEST: fields.request, RESPONSE: fields.response, TRAILERS: fields.trailers}
LEAD = {REQUEST: GET, RESPONSE: OK, TRAILERS: ()}

every_kind = pytest.mark.parametrize("kind", [REQUEST, RESPONSE, TRAILERS], ids=["request", "response", "trailers"])


@pytest.fixture(autouse=True)
def _no_known_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that another test made known would let a check be skipped here."""
    monkeypatch.setattr(fields, "known_names", set())


def decoded(*section: Field) -> HeaderBlock:
    """The section as it arrives the first time: all literals."""
    return Decoder().decode(b"".join(literal(name, value) for name, value in section))


class Recurring:
    """One connection, over which a head recurs as the same index bytes, followed by literals."""

    def __init__(self, *head: Field) -> None:
        encoder, self._decoder = Encoder(), Decoder()
        self._decoder.decode(encoder.encode(head))
        indexed = encoder.encode_indexed(head)
        assert indexed is not None
        self._indexed = indexed

    def block(self, *extra: Field) -> HeaderBlock:
        return self._decoder.decode(self._indexed + b"".join(literal(name, value) for name, value in extra))


def whole(found: tuple[Section, object]) -> tuple[Field, ...]:
    section, extra = found
    assert isinstance(extra, list | tuple)
    return (*section.fields, *extra)


class TestNamesAndValues:
    """Section 8.2.1."""

    @every_kind
    @pytest.mark.parametrize("name", [b"", b"Upper", b"a b", b"a:b", b"a\x00", b"a\x7f", b"\xe9", b"a\n", b'a"', b"a(", b"a/"])
    def test_a_name_that_is_no_token_in_lower_case_is_malformed(self, kind: frozenset[bytes], name: bytes) -> None:
        with pytest.raises(MalformedSection, match="is empty, in upper case or has a forbidden character"):
            READERS[kind](decoded(*LEAD[kind], (name, b"value")))

    @every_kind
    @pytest.mark.parametrize("value", [b"a\x00", b"a\rb", b"a\nb", b"\n", b"a\n "])
    def test_a_value_with_a_break_is_malformed(self, kind: frozenset[bytes], value: bytes) -> None:
        with pytest.raises(MalformedSection, match="the value of 'x' has a forbidden character"):
            READERS[kind](decoded(*LEAD[kind], (b"x", value)))

    @pytest.mark.parametrize("value", [b" a", b"a ", b"\ta", b"a\t", b" "])
    def test_outer_space_is_malformed_in_what_a_client_sends(self, value: bytes) -> None:
        with pytest.raises(MalformedSection, match="the value of 'x' has a forbidden character"):
            fields.request(decoded(*GET, (b"x", value)))
        assert whole(fields.response(decoded(*OK, (b"x", value)))) == ((b"x", value),)
        assert whole(fields.trailers(decoded((b"x", value)))) == ((b"x", value),)

    @every_kind
    @pytest.mark.parametrize("value", [b"", b"a b", b"a\tb", b"\xe9", b"\x01", b"\x7f"])
    def test_any_other_value_is_taken(self, kind: frozenset[bytes], value: bytes) -> None:
        assert whole(READERS[kind](decoded(*LEAD[kind], (b"x", value)))) == ((b"x", value),)

    @pytest.mark.parametrize("pseudo", range(3))
    def test_a_bad_value_of_a_pseudo_field_is_malformed(self, pseudo: int) -> None:
        section = [(name, value + b"\n" if place == pseudo else value) for place, (name, value) in enumerate(GET)]
        with pytest.raises(MalformedSection, match="has a forbidden character"):
            fields.request(decoded(*section))

    @pytest.mark.parametrize("name", [b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"])
    def test_fields_of_http_1_connections_are_malformed(self, name: bytes) -> None:
        """Section 8.2.2."""
        with pytest.raises(MalformedSection, match=r"is specific to HTTP/1\.1 connections"):
            fields.request(decoded(*GET, (name, b"close")))

    def test_te_may_only_say_trailers(self) -> None:
        """Section 8.2.2."""
        assert whole(fields.request(decoded(*GET, (b"te", b"trailers")))) == ((b"te", b"trailers"),)
        with pytest.raises(MalformedSection, match="te may only be 'trailers'"):
            fields.request(decoded(*GET, (b"te", b"gzip")))

    def test_a_long_bad_name_is_shown_in_part(self) -> None:
        with pytest.raises(MalformedSection) as caught:
            fields.trailers(decoded((b"A" * 1000, b"")))
        assert len(str(caught.value)) < 200


class TestPseudoFields:
    """Section 8.3."""

    def test_of_a_request_are_set_apart(self) -> None:
        section, extra = fields.request(decoded(*GET, (b":authority", b"a:1"), (b"x", b"y")))
        assert (section.method, section.scheme, section.path, section.authority, section.status) == (b"GET", b"http", b"/x", b"a:1", b"")
        assert (section.kind, section.fields, extra) == (REQUEST, ((b"x", b"y"),), ())

    def test_of_a_response_is_its_status(self) -> None:
        section, _ = fields.response(decoded(*OK))
        assert (section.status, section.method, section.kind) == (b"200", b"", RESPONSE)

    @pytest.mark.parametrize(
        ("kind", "section"),
        [
            (REQUEST, (*GET, (b":status", b"200"))),
            (REQUEST, (*GET, (b":protocol", b"websocket"))),
            (RESPONSE, (*OK, (b":path", b"/"))),
            (TRAILERS, ((b":status", b"200"),)),
            (TRAILERS, ((b":", b""),)),
        ],
    )
    def test_of_another_kind_are_malformed(self, kind: frozenset[bytes], section: tuple[Field, ...]) -> None:
        with pytest.raises(MalformedSection, match="does not belong here"):
            READERS[kind](decoded(*section))

    def test_after_a_regular_field_are_malformed(self) -> None:
        with pytest.raises(MalformedSection, match="':path' follows a regular field"):
            fields.request(decoded(*GET[:2], (b"x", b"y"), GET[2]))

    @pytest.mark.parametrize("field", [*GET, (b":authority", b"a")])
    def test_twice_are_malformed(self, field: Field) -> None:
        with pytest.raises(MalformedSection, match="occurs twice"):
            fields.request(decoded(*GET, (b":authority", b"a"), field))

    @pytest.mark.parametrize("missing", range(3))
    @pytest.mark.parametrize("empty", [False, True])
    def test_that_a_request_needs_are_missed(self, missing: int, empty: bool) -> None:
        """Section 8.3.1."""
        name = GET[missing][0]
        section = [*GET[:missing], *([(name, b"")] if empty else []), *GET[missing + 1 :]]
        with pytest.raises(MalformedSection, match=f"'{name.decode()}' is missing or empty"):
            fields.request(decoded(*section))

    @pytest.mark.parametrize("status", [None, b"", b"20", b"2000", b"2x0", "²00".encode()])
    def test_without_a_status_of_three_digits_a_response_is_malformed(self, status: bytes | None) -> None:
        """Section 8.3.2."""
        with pytest.raises(MalformedSection, match=":status is missing or not three digits"):
            fields.response(decoded(*([] if status is None else [(b":status", status)])))

    def test_of_connect_are_method_and_authority(self) -> None:
        """Section 8.5."""
        connect: tuple[Field, ...] = ((b":method", b"CONNECT"), (b":authority", b"a:1"))
        assert fields.request(decoded(*connect))[0].authority == b"a:1"
        with pytest.raises(MalformedSection, match="CONNECT takes neither :scheme nor :path"):
            fields.request(decoded(*connect, (b":path", b"/")))
        with pytest.raises(MalformedSection, match="':authority' is missing"):
            fields.request(decoded(connect[0]))


class TestContentLength:
    """Section 8.1.1 and RFC 9110 8.6."""

    @pytest.mark.parametrize(("values", "length"), [([], -1), ([b"0"], 0), ([b"10"], 10), ([b"010", b"10"], 10), ([b"9" * 18], 10**18 - 1)])
    def test_is_one_number(self, values: list[bytes], length: int) -> None:
        assert fields.request(decoded(*GET, *((b"content-length", value) for value in values)))[0].content_length == length

    @pytest.mark.parametrize(
        "values", [[b""], [b"-1"], [b"+1"], [b"1x"], [b"1,1"], ["²".encode()], [b"9" * 19], [b"1", b"2"], [b"0", b"x"]]
    )
    def test_that_is_not_is_malformed(self, values: list[bytes]) -> None:
        with pytest.raises(MalformedSection, match="content-length is not one number"):
            fields.request(decoded(*GET, *((b"content-length", value) for value in values)))


class TestRecurringHead:
    def test_is_one_section_with_what_varies_beside_it(self) -> None:
        recurring = Recurring(*GET, (b"te", b"trailers"))
        section, extra = fields.request(recurring.block((b"grpc-timeout", b"1S")))
        assert (section.path, section.fields, extra) == (b"/x", ((b"te", b"trailers"),), [(b"grpc-timeout", b"1S")])
        section.route = "remembered"
        again, extra = fields.request(recurring.block((b"grpc-timeout", b"2S")))
        assert again is section
        assert extra == [(b"grpc-timeout", b"2S")]

    def test_is_checked_anew_with_a_name_that_was_never_seen(self) -> None:
        recurring = Recurring(*GET)
        for _ in range(3):
            assert whole(fields.request(recurring.block((b"x-new", b"y")))) == ((b"x-new", b"y"),)
        assert b"x-new" in fields.known_names

    def test_is_not_read_again_for_the_sake_of_a_new_name(self) -> None:
        recurring = Recurring(*GET)
        first, _ = fields.request(recurring.block())
        again, extra = fields.request(recurring.block((b"x-newer", b"y")))
        assert again is first
        assert extra == [(b"x-newer", b"y")]

    @pytest.mark.parametrize("value", [b"a\n", b" a", b"a\x00"])
    def test_has_the_values_of_its_literals_checked_each_time(self, value: bytes) -> None:
        recurring = Recurring(*GET)
        for _ in range(2):
            fields.request(recurring.block((b"x", b"fine")))
            with pytest.raises(MalformedSection, match="'x' has a forbidden character"):
                fields.request(recurring.block((b"x", value)))

    @pytest.mark.parametrize("extra", [(b"Upper", b""), (b"connection", b"close"), (b":path", b"/y"), (b"te", b"gzip")])
    def test_has_the_names_of_its_literals_checked_each_time(self, extra: Field) -> None:
        recurring = Recurring(*GET)
        for _ in range(3):
            fields.request(recurring.block((b"x", b"fine")))
            with pytest.raises(MalformedSection):
                fields.request(recurring.block(extra))

    @pytest.mark.parametrize("name", [b"te", b"content-length", b"content-type", b"grpc-encoding", b"grpc-accept-encoding"])
    def test_is_another_head_when_a_literal_says_what_it_is(self, name: bytes) -> None:
        recurring = Recurring(*GET)
        known, _ = fields.request(recurring.block())
        value = {b"te": b"trailers", b"content-length": b"3"}.get(name, b"x")
        for _ in range(2):
            section, extra = fields.request(recurring.block((name, value)))
            assert section is not known
            assert (section.fields, extra) == (((name, value),), ())
        assert fields.request(recurring.block())[0] is known

    def test_is_not_taken_for_one_of_another_kind(self) -> None:
        recurring = Recurring((b"x", b"y"))
        assert fields.trailers(recurring.block())[0].kind is TRAILERS
        with pytest.raises(MalformedSection, match=":status is missing"):
            fields.response(recurring.block())
        assert fields.trailers(recurring.block())[0].fields == ((b"x", b"y"),)


def test_a_peer_cannot_make_us_remember_any_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_MOST_KNOWN_NAMES", 2)
    section: list[Field] = [(f"x-{number}".encode(), b"") for number in range(5)]
    for _ in range(2):
        assert whole(fields.trailers(decoded(*section))) == tuple(section)
    assert len(fields.known_names) == 2


names = st.sampled_from([b":method", b":path", b":scheme", b":status", b":authority", b"te", b"content-length", b"x", b"X", b"upgrade"])
values = st.sampled_from([b"", b"GET", b"CONNECT", b"200", b"/", b"trailers", b"1", b"2", b" "])


@given(st.lists(st.tuples(names, values), max_size=6), st.integers(0, 6), st.sampled_from([REQUEST, RESPONSE, TRAILERS]))
def test_a_section_means_the_same_however_much_of_it_was_indexed(section: list[Field], cut: int, kind: frozenset[bytes]) -> None:
    def outcome(block: HeaderBlock) -> object:
        try:
            found = READERS[kind](block)
        except MalformedSection:
            return "malformed"
        head = found[0]
        return (head.method, head.scheme, head.path, head.authority, head.status, head.content_length, whole(found))

    recurring = Recurring(*section[:cut])
    expected = outcome(decoded(*section))
    for _ in range(3):
        assert outcome(recurring.block(*section[cut:])) == expected
