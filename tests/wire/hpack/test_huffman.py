import pytest
from hpack.exceptions import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman as reference_decode
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.hpack.errors import HpackError
from towpath._wire.hpack.huffman import decode_huffman, encode_huffman, huffman_length
from towpath._wire.hpack.huffman_code import EOS, code_bits

reference = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)

texts = st.one_of(st.binary(), st.text(st.characters(codec="ascii")).map(str.encode), st.binary(min_size=200, max_size=2000))


def test_code_is_that_of_the_reference() -> None:
    expected = [format(code, f"0{length}b") for code, length in zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)]
    assert code_bits() == expected
    assert code_bits()[EOS] == "1" * 30


@given(texts.filter(bool))
def test_encodes_as_the_reference_does(text: bytes) -> None:
    encoded = encode_huffman(text)
    assert encoded == reference.encode(text)
    assert len(encoded) == huffman_length(text)


@given(texts)
def test_decodes_what_the_reference_encodes(text: bytes) -> None:
    assert decode_huffman(reference.encode(text)) == text


@given(st.binary(max_size=12))
def test_accepts_and_refuses_what_the_reference_does(encoded: bytes) -> None:
    try:
        expected = bytes(reference_decode(encoded))
    except HPACKDecodingError:
        with pytest.raises(HpackError, match=r"RFC 7541 5\.2"):
            decode_huffman(encoded)
    else:
        assert decode_huffman(encoded) == expected


def test_every_symbol_survives_between_others() -> None:
    for symbol in range(256):
        text = b"a" + bytes((symbol,)) + b"z"
        assert decode_huffman(encode_huffman(text)) == text


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        pytest.param("ffffffff", "EOS", id="EOS"),
        pytest.param("ffffffffffff", "EOS", id="more after EOS"),
        pytest.param("1ffffffff8", "EOS", id="EOS after a symbol"),
        pytest.param("ff", "padding", id="8 bits of padding"),
        pytest.param("1fff", "padding", id="11 bits of padding"),
        pytest.param("18", "padding", id="padding of zeros"),
        pytest.param("1e", "padding", id="padding that ends in a zero"),
    ],
)
def test_malformed_strings_are_refused(encoded: str, reason: str) -> None:
    with pytest.raises(HpackError, match=rf"{reason}.*RFC 7541 5\.2"):
        decode_huffman(bytes.fromhex(encoded))


def test_padding_of_up_to_seven_ones_is_accepted() -> None:
    texts_by_padding = {
        len(encode_huffman(text)) * 8 - sum(len(code_bits()[byte]) for byte in text): text for text in (b"0" * n for n in range(1, 9))
    }
    assert sorted(texts_by_padding) == list(range(8))
    for text in texts_by_padding.values():
        assert decode_huffman(encode_huffman(text)) == text
