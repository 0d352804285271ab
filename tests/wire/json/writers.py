"""A codec that writes with the extension in C, and one that does not, in one process."""

import json
from typing import Any

import pytest
from google.protobuf import descriptor_pool

from towpath._wire.json import JsonCodec, JsonError, plans
from towpath._wire.json.encoding import Encoders
from towpath._wire.json.wellknown import Resolver

BUILT = pytest.mark.skipif(plans.COMPILED is None, reason="the extension in C is not built: there was no compiler, or no Python.h")


def quick(**options: Any) -> JsonCodec:
    """Writes in C what is plain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(plans.PURE, raising=False)
        return JsonCodec(**options)


def pure(**options: Any) -> JsonCodec:
    """Writes in Python, as where the extension is not built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(plans.PURE, "1")
        return JsonCodec(**options)


def plans_in_c(*, proto_names: bool = False, print_defaults: bool = False, enums_as_ints: bool = False) -> plans.Plans:
    """What a codec writes with in C."""
    resolver = Resolver(descriptor_pool.Default())
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(plans.PURE, raising=False)
        return plans.Plans(Encoders(resolver, proto_names=proto_names, print_defaults=print_defaults, enums_as_ints=enums_as_ints))


def same(one: bytes, other: bytes) -> bool:
    """Equality to the byte, but for the order of a map's entries, which has no meaning in either form."""
    return sorted(one) == sorted(other) and json.loads(one) == json.loads(other)


def outcome(codec: JsonCodec, message: Any) -> bytes | str:
    """What the codec writes, or the text of its error."""
    try:
        return codec.encode(message)
    except JsonError as error:
        return str(error)


EITHER = pytest.mark.parametrize("make", [pytest.param(quick, id="C", marks=BUILT), pytest.param(pure, id="Python")])
