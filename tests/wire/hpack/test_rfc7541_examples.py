"""The examples of RFC 7541 appendix C.2 to C.6; those of C.1 are with the integers."""

from collections.abc import Sequence

import pytest

from towpath._wire.hpack import Decoder, Encoder, HeaderBlock
from towpath._wire.hpack.static_table import FIRST_DYNAMIC_INDEX
from towpath._wire.http.fields import Field

DATE_21 = (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT")
DATE_22 = (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT")
LOCATION = (b"location", b"https://www.example.com")
PRIVATE = (b"cache-control", b"private")
COOKIE = (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")
AUTHORITY = (b":authority", b"www.example.com")
NO_CACHE = (b"cache-control", b"no-cache")
CUSTOM = (b"custom-key", b"custom-value")
GZIP = (b"content-encoding", b"gzip")
SIZE_256 = "3fe101"

REQUESTS: list[list[Field]] = [
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), AUTHORITY],
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), AUTHORITY, NO_CACHE],
    [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/index.html"), AUTHORITY, CUSTOM],
]
REQUEST_TABLES: list[tuple[int, list[Field]]] = [
    (57, [AUTHORITY]),
    (110, [NO_CACHE, AUTHORITY]),
    (164, [CUSTOM, NO_CACHE, AUTHORITY]),
]
RESPONSES: list[list[Field]] = [
    [(b":status", b"302"), PRIVATE, DATE_21, LOCATION],
    [(b":status", b"307"), PRIVATE, DATE_21, LOCATION],
    [(b":status", b"200"), PRIVATE, DATE_22, LOCATION, GZIP, COOKIE],
]
RESPONSE_TABLES: list[tuple[int, list[Field]]] = [
    (222, [LOCATION, DATE_21, PRIVATE, (b":status", b"302")]),
    (222, [(b":status", b"307"), LOCATION, DATE_21, PRIVATE]),
    (215, [COOKIE, GZIP, DATE_22]),
]
C3 = [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
]
C4 = [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
]
C5 = [
    (
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d"
    ),
    "4803333037c1c0bf",
    (
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738"
        "666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"
    ),
]
C6 = [
    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    "4883640effc1c0bf",
    (
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad"
        "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
    ),
]


def fields_of(block: HeaderBlock) -> list[Field]:
    return [*block.known.fields, *block.extra]


def table_of(decoder: Decoder) -> tuple[int, list[Field]]:
    table = decoder.table
    return table.size, table.entries[FIRST_DYNAMIC_INDEX:]


@pytest.mark.parametrize(
    ("wire", "field", "table"),
    [
        pytest.param("400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header"), 55, id="C.2.1"),
        pytest.param("040c2f73616d706c652f70617468", (b":path", b"/sample/path"), 0, id="C.2.2"),
        pytest.param("100870617373776f726406736563726574", (b"password", b"secret"), 0, id="C.2.3"),
        pytest.param("82", (b":method", b"GET"), 0, id="C.2.4"),
    ],
)
def test_single_fields(wire: str, field: Field, table: int) -> None:
    decoder = Decoder()
    assert fields_of(decoder.decode(bytes.fromhex(wire))) == [field]
    assert table_of(decoder) == (table, [field] if table else [])


@pytest.mark.parametrize(
    ("start", "wires", "lists", "tables"),
    [
        pytest.param("", C3, REQUESTS, REQUEST_TABLES, id="C.3"),
        pytest.param("", C4, REQUESTS, REQUEST_TABLES, id="C.4"),
        pytest.param(SIZE_256, C5, RESPONSES, RESPONSE_TABLES, id="C.5"),
        pytest.param(SIZE_256, C6, RESPONSES, RESPONSE_TABLES, id="C.6"),
    ],
)
def test_sequences_of_blocks(
    start: str, wires: Sequence[str], lists: Sequence[list[Field]], tables: Sequence[tuple[int, list[Field]]]
) -> None:
    decoder = Decoder()
    assert fields_of(decoder.decode(bytes.fromhex(start))) == []
    for wire, fields, table in zip(wires, lists, tables, strict=True):
        assert fields_of(decoder.decode(bytes.fromhex(wire))) == fields
        assert table_of(decoder) == table


def test_our_encoder_writes_the_requests_of_c4() -> None:
    encoder = Encoder()
    assert [encoder.encode(fields).hex() for fields in REQUESTS] == C4


def test_our_encoder_writes_the_responses_of_c6() -> None:
    encoder = Encoder(max_table_size=256)
    # "307" is as long raw as Huffman-coded: we then send it raw, the example does not.
    second = "4803333037c1c0bf"
    assert [encoder.encode(fields).hex() for fields in RESPONSES] == [SIZE_256 + C6[0], second, C6[2]]
