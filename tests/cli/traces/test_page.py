"""A trace as one HTML file: small, whole, and harmless whatever the names in it say."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.recordings import MS, Called, Received, System, Tried, marks, once, plain
from towpath._cli.traces.page import page, write_page
from towpath._core.errors import SetupError
from towpath._telemetry.traces.assembly import assembled
from towpath._telemetry.traces.report import Report, report

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u202e"


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def reported(root: Received, trace: int = 0xABC) -> Report:
    system = System(rows=1 << 13)
    system.add(trace, root)
    (found,) = assembled(system.recordings())
    return report(found, {("s5", "p5.v1.S5/Get", "handler"): 10.0}, 3)


def ten_hops() -> Received:
    root = None
    for hop in range(9, -1, -1):
        calls = [once(300, root, wire=100)] if root is not None else []
        took = (root.marks[5] if root is not None else 0) + 900
        root = Received(f"s{hop}", marks(10, 20, 40, 60, took, took + 50), f"p{hop}.v1.S{hop}/Get", calls=calls)
    assert root is not None
    return root


def test_ten_hops_are_a_small_file_without_an_address() -> None:
    text = page(reported(ten_hops()))
    assert len(text.encode()) < 300 * 1024 / 10
    elements = Elements(text)
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert not any(
        {"src", "href", "action"} & attributes.keys() or any(name.startswith("on") for name in attributes)
        for _, attributes in elements.found
    )
    assert "//" not in text
    assert "url(" not in text
    policies = [attributes["content"] for tag, attributes in elements.found if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]
    assert "prefers-color-scheme: dark" in text
    assert "SLOWER: 9.5 ms more than usual, over many phases. The most is in s9 S9/Get: handler" in elements.text
    assert all(f"s{hop} S{hop}/Get" in elements.text for hop in range(10))
    assert len([tag for tag, _ in elements.found if tag == "svg"]) == len([tag for tag, _ in elements.found if tag == "path"]) > 10


def test_names_do_nothing() -> None:
    inner = Received(HOSTILE, marks(0, 0, 0, 0, 5, 5), f"x.{HOSTILE}/{HOSTILE}")
    usual = Elements(page(reported(plain("a", 10, once(0, plain("b", 5), branch=2)))))
    root = plain(HOSTILE, 10, once(0, inner, branch=2), method=HOSTILE)
    text = page(reported(root))
    elements = Elements(text)
    assert [tag for tag, _ in elements.found] == [tag for tag, _ in usual.found]
    assert "<script>alert(1)</script>" in elements.text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_hundred_thousand_spans_are_few_in_the_page() -> None:
    calls = [once(20 * number, plain("b", 10)) for number in range(2000)]
    text = page(reported(plain("a", 40_000, *calls)))
    assert len(text.encode()) < 300 * 1024
    assert "1,961 more, all b Cart/Get" in text


def test_attempts_and_what_is_not_seen_are_told() -> None:
    tried = [Tried(marks(0, 0, 0, 5, 5, 5), None, 14), Tried(marks(20, 20, 20, 50, 50, 50), None, 13)]
    text = Elements(page(reported(plain("a", 10 * MS, Called(0, tried, code=13, own=marks(0, 0, 0, 0, 0, 50)))))).text
    assert "#1 UNAVAILABLE at 10.0.0.7:8080" in text
    assert "10.0.0.7:8080 Cart/Get #2 INTERNAL" in text
    assert "no row of 10.0.0.7:8080 was seen" in text
    failed = Elements(page(reported(plain("a", 10 * MS, once(0, plain("b", 5, code=14), code=14), code=14)))).text
    assert "FAILED: UNAVAILABLE came from b Cart/Get" in failed


def test_a_trace_that_took_no_time() -> None:
    assert "GUILTY" not in Elements(page(reported(plain("a", 0)))).text


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no/x\.html cannot be written: No such file or directory; name another file with --html"):
        write_page(reported(plain("a", 5)), tmp_path / "no" / "x.html")
