"""Large files: they go through the catalogue piece by piece, and its memory does not grow with them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import psutil
import pytest

from programs import Shop

SIZE = 20_000_000
PIECE = bytes(range(256)) * 256


@contextmanager
def asked(shop: Shop, method: str, path: str, size: int = 0, customer: str = "", kind: str = "image/jpeg") -> Iterator[HTTPResponse]:
    """The answer of the catalogue to a request whose body has `size` bytes, which are sent in chunks."""
    pieces = (PIECE[: min(len(PIECE), size - sent)] for sent in range(0, size, len(PIECE)))
    headers = {"content-type": kind} | ({"authorization": shop.token(customer)} if customer else {})
    with closing(HTTPConnection(shop["catalogue"], timeout=600)) as connection:
        connection.request(method, path, pieces if size else None, headers, encode_chunked=bool(size))
        with connection.getresponse() as answer:
            yield answer


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of a process is read from Linux's /proc")
def test_a_picture_of_20_mb_comes_and_goes_while_memory_stays_flat(shop: Shop) -> None:
    picture = "/v1/products/rope/picture"
    with asked(shop, "POST", picture, 1_000_000, "staff") as answer:  # so that all is loaded that an upload needs
        assert answer.status == 200
    catalogue = process_of(shop, "catalogue")
    Path(f"/proc/{catalogue.pid}/clear_refs").write_text("5")  # forget the peak until now
    before = peak(catalogue)
    with asked(shop, "POST", picture, SIZE, "staff") as answer:
        assert (answer.status, answer.read()) == (200, b'{"size":"20000000"}')
    with asked(shop, "GET", picture) as answer:
        pieces = list(iter(lambda: answer.read(len(PIECE)), b""))
    assert sum(map(len, pieces)) == SIZE
    assert all(piece == PIECE[: len(piece)] for piece in pieces)
    assert peak(catalogue) - before < SIZE / 4


@pytest.mark.parametrize(
    ("product", "customer", "kind", "status"),
    [
        ("rope", "", "image/jpeg", 401),
        ("rope", "ada", "image/jpeg", 403),
        ("anchor", "staff", "image/jpeg", 404),
        ("rope", "staff", "text/html", 400),
    ],
)
def test_what_is_no_picture_of_the_staff_is_refused(shop: Shop, product: str, customer: str, kind: str, status: int) -> None:
    with asked(shop, "POST", f"/v1/products/{product}/picture", 100, customer, kind) as answer:
        assert answer.status == status


def process_of(shop: Shop, module: str) -> psutil.Process:
    """The process of a service."""
    children = psutil.Process(shop.up.process.pid).children()
    return next(child for child in children if child.cmdline()[-1] == module)


def peak(process: psutil.Process) -> int:
    """The most memory that the process has had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])
