"""Blocks of contracts on the pages: each is compiled as a reader would, with the messages around it that the page leaves out."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from towpath._cli.main import main

PAGES = ("idempotency.md", "rest.md", "retry-and-shed.md")
CONTRACTS = [
    (block, block.body) for page in PAGES for block in blocks(page, (ROOT / "docs" / "howto" / page).read_text()) if block.kind == "proto"
]
PLACES = [f"{block.page}:{block.line}" for block, _ in CONTRACTS]

HEAD = 'syntax = "proto3";\npackage page.v1;\n'

MESSAGES = {
    "Book": "string name = 1; string title = 2;",
    "ChargeRequest": "",
    "ChargeResponse": "",
    "CreateBookRequest": "string parent = 1; Book book = 2;",
    "CreateBookResponse": "Book book = 1;",
    "DownloadRequest": "string name = 1;",
    "GetBookRequest": "string name = 1;",
    "GetBookResponse": "Book book = 1;",
    "UploadResponse": "",
}
"""What a page leaves out of its contract."""


def whole(body: str) -> str:
    """The block as a file: what stands in a method, or in a service, gets one around it."""
    if body.startswith("option "):
        body = f'import "towpath/v1/options.proto";\nservice S {{ rpc Charge(ChargeRequest) returns (ChargeResponse) {{ {body} }} }}'
    elif "service " not in body:
        body = re.sub(r"^(rpc .*?^})", r"service S { \1 }", body, flags=re.DOTALL | re.MULTILINE)
    wanted = {name for name in MESSAGES if re.search(rf"\b{name}\b", body) and f"message {name} " not in body}
    wanted |= {"Book"} if any("Book" in name for name in wanted) else set()
    return HEAD + body + "".join(f"message {name} {{ {MESSAGES[name]} }}\n" for name in sorted(wanted))


@pytest.mark.parametrize("body", [body for _, body in CONTRACTS], ids=PLACES)
def test_a_contract_of_a_page_is_one(tmp_path: Path, body: str) -> None:
    (tmp_path / "page/v1").mkdir(parents=True)
    (tmp_path / "page/v1/page.proto").write_text(whole(body))
    assert main(["gen", "--proto-root", str(tmp_path), "--out", str(tmp_path), str(tmp_path)]) == 0


def test_there_are_some() -> None:
    assert len(CONTRACTS) == 4
