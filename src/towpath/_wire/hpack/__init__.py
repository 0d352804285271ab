"""HPACK (RFC 7541), header compression for HTTP/2, shaped for RPC: blocks that repeat cost one look-up in either direction."""

from towpath._wire.hpack.block import HeaderBlock, KnownFields
from towpath._wire.hpack.decoder import Decoder
from towpath._wire.hpack.encoder import Encoder
from towpath._wire.hpack.errors import HeaderListTooLarge, HpackError
from towpath._wire.hpack.literals import SHORT_LENGTHS, literal, literal_prefix

__all__ = [
    "SHORT_LENGTHS",
    "Decoder",
    "Encoder",
    "HeaderBlock",
    "HeaderListTooLarge",
    "HpackError",
    "KnownFields",
    "literal",
    "literal_prefix",
]
