"""How large an error is, over Connect and over REST, which write the same texts and details."""

import json
from collections.abc import Callable

import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from towpath import Code, RpcError
from towpath._wire.connect.errors import error_body
from towpath._wire.rest.problem import problem_body

writers = pytest.mark.parametrize(("body", "text"), [(error_body, "message"), (problem_body, "detail")], ids=["connect", "rest"])
Writer = Callable[[RpcError], bytes]


@writers
def test_details_over_64_kib_are_left_out_and_the_text_says_so(body: Writer, text: str) -> None:
    fits = RpcError(Code.INTERNAL, "m", [ErrorInfo(reason="r" * 65_000)])
    assert len(json.loads(body(fits))["details"]) == 1
    for message in ("m", "", "m" * 20_000):
        told = json.loads(body(RpcError(Code.INTERNAL, message, [ErrorInfo(reason="r" * 10_000_000)] * 2)))
        assert "details" not in told
        assert told[text].startswith(message[:1])
        assert told[text].endswith(" (the details are left out, since they are over the limit of 65536 bytes)")
        assert len(told[text]) <= 16 * 1024


@writers
def test_an_error_without_text_or_details_has_neither(body: Writer, text: str) -> None:
    assert not json.loads(body(RpcError(Code.INTERNAL))).keys() & {text, "details"}
