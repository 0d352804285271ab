"""`towpath add method`: an RPC in the contract with its messages, a handler that says it is not written, and a test of it."""

import re
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from towpath._contracts.naming import attribute_name
from towpath._core.errors import SetupError
from towpath._scaffold.additions.contract_text import with_method
from towpath._scaffold.additions.edits import Addition, edits_of
from towpath._scaffold.additions.handler_text import with_handler, with_import

Streams = Literal["none", "requests", "responses", "both"]

_NAME: Final = re.compile(r"[A-Z][a-zA-Z0-9]*", re.ASCII)
_MAX_NAME: Final = 30


def add_method(folder: Path, rpc: str, *, streams: Streams = "none", reads: bool = False, service: str = "") -> Addition:
    """Add the method `rpc` to the contract of the service in `folder`. `streams` says which side sends several messages, and `reads` that
    the method has no side effects. `service` is the service of the contract, if it is another than the template's. Raises SetupError, with
    nothing written, if the name will not do or is taken, or if the files are no longer where the template had them."""
    if not _NAME.fullmatch(rpc) or len(rpc) > _MAX_NAME:
        raise SetupError(
            f"{rpc!r} is no name for a method; give words that begin with capitals, such as GetOrder, of at most {_MAX_NAME} letters"
        )
    edits = edits_of(folder, "method")
    answers = edits.record.answers
    package, base = answers.package, service or f"{answers.service}Service"
    contract = PurePosixPath(f"proto/{package}/v1/{package}.proto")
    handlers = PurePosixPath(f"src/{package}/service.py")
    test = PurePosixPath(f"tests/test_{attribute_name(rpc).rstrip('_')}.py")
    if edits.exists(test):
        raise SetupError(f"{folder / test} is there already; move it away, or choose another name for the method")
    edits.texts[contract] = with_method(edits.text(contract), base, rpc, _rpc(rpc, streams, reads=reads), str(folder / contract))
    text, where = edits.text(handlers), str(folder / handlers)
    text = with_handler(text, base, _handler(rpc, streams), where)
    text = with_import(text, "towpath", ["Code", "Context", "RpcError"], where)
    text = with_import(text, f"{package}.v1.{package}_pb2", [f"{rpc}Request", f"{rpc}Response"], where)
    edits.texts[handlers] = with_import(text, "collections.abc", ["AsyncIterator"], where) if streams != "none" else text
    edits.texts[test] = _test(package, answers.service, rpc, streams)
    return edits.write(f"give {rpc}Request and {rpc}Response their fields in {contract}, run make gen, and write the handler and {test}")


def _rpc(rpc: str, streams: Streams, *, reads: bool) -> str:
    request = f"{'stream ' if streams in ('requests', 'both') else ''}{rpc}Request"
    response = f"{'stream ' if streams in ('responses', 'both') else ''}{rpc}Response"
    options = ["    option idempotency_level = NO_SIDE_EFFECTS;\n"] if reads else []
    options.append("    option (towpath.v1.method) = {timeout: {seconds: 1}};\n")
    return f"  // {rpc} is not described yet.\n  rpc {rpc}({request}) returns ({response}) {{\n{''.join(options)}  }}\n"


def _handler(rpc: str, streams: Streams) -> list[str]:
    taken = f"requests: AsyncIterator[{rpc}Request]" if streams in ("requests", "both") else f"request: {rpc}Request"
    given = f"AsyncIterator[{rpc}Response]" if streams in ("responses", "both") else f"{rpc}Response"
    lines = [
        f"async def {attribute_name(rpc)}(self, {taken}, ctx: Context) -> {given}:",
        f'    """The handler of {rpc}."""',
        f'    raise RpcError(Code.UNIMPLEMENTED, "{rpc} is not written yet")',
    ]
    # A function is an async generator by its `yield` alone.
    return (
        [*lines, f"    yield {rpc}Response()  # makes this the generator that a stream of answers is"] if given.startswith("A") else lines
    )


def _test(package: str, service: str, rpc: str, streams: Streams) -> str:
    several = streams in ("requests", "both")
    request = "requests()" if several else f"{rpc}Request()"
    call = f"{service}(Settings()).{attribute_name(rpc)}({request}, CTX)"
    ran = f"anext({call})" if streams in ("responses", "both") else call
    stdlib = "import asyncio\nfrom collections.abc import AsyncIterator\n" if several else "import asyncio\n"
    sender = f"\n\nasync def requests() -> AsyncIterator[{rpc}Request]:\n    yield {rpc}Request()\n" if several else ""
    coroutine = f"\n\nasync def call() -> object:\n    return await {ran}\n"
    return (
        f'"""The handler of {rpc}, alone."""\n\n{stdlib}\nimport pytest\nfrom towpath import Code, Context, RpcError\n\n'
        f"from {package}.service import {service}\nfrom {package}.settings import Settings\n"
        f"from {package}.v1.{package}_pb2 import {rpc}Request\n\n"
        f'CTX = Context("{package}.v1.{service}Service/{rpc}")\n{sender}{coroutine}\n\n'
        f"def test_it_says_that_it_is_not_written() -> None:\n"
        f"    with pytest.raises(RpcError) as caught:\n        asyncio.run(call())\n"
        f"    assert caught.value.code is Code.UNIMPLEMENTED\n"
    )
