"""The page about trace context: its table of settings is read, and its handler hands baggage on."""

import asyncio
from pathlib import Path
from typing import Any

from tests.docs.blocks import ROOT, blocks
from towpath import CallOptions, Context
from towpath.settings import load

PAGE = "docs/howto/trace-context.md"
(TABLE,) = (block.body for block in blocks(PAGE, (ROOT / PAGE).read_text()) if block.kind == "toml")
(HANDLER,) = (block.body for block in blocks(PAGE, (ROOT / PAGE).read_text()) if block.kind == "python")


def test_its_table_is_part_of_a_service_file(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(TABLE)
    sampling = load(tmp_path / "towpath.toml", {}).telemetry.sampling
    assert (sampling.ratio, dict(sampling.methods)) == (0.01, {"shop.v1.CartService/Checkout": 1, "shop.v1.CatalogService": 0.001})


def test_its_handler_adds_to_the_baggage_that_came() -> None:
    given: list[CallOptions] = []

    class Flights:
        async def search(self, request: str, options: CallOptions) -> str:
            given.append(options)
            return request

    names: dict[str, Any] = {"SearchService": object, "Context": Context, "SearchRequest": str, "SearchResponse": str}
    exec(HANDLER, names)
    search = names["Search"]()
    search.flights = Flights()
    ctx = Context("shop.v1.SearchService/Search").replace(baggage={"user": "7"})
    assert asyncio.run(search.search("x", ctx)) == "x"
    assert ctx.child("a.B/C", None, given[0]).baggage == {"user": "7", "variant": "b"}
