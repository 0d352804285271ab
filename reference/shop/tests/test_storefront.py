"""The storefront: Flask calls the shop without asyncio, and its page calls the shop from another origin."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from programs import Running, Shop, running

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def storefront(shop: Shop) -> Iterator[Running]:
    sources = [shop.folder / "storefront", shop.folder / "catalogue" / "src"]
    variables = {f"SHOP_{service.upper()}": shop[service] for service in ("catalogue", "cart", "checkout")}
    command = [sys.executable, str(TESTS / "driven_storefront.py"), str(shop.page_port)]
    with running(command, shop.folder, PYTHONPATH=":".join(map(str, sources)), **variables) as flask:
        flask.line("Running on")
        yield flask


def test_the_page_has_the_products_of_the_catalogue(shop: Shop, storefront: Running) -> None:
    with urlopen(f"http://127.0.0.1:{shop.page_port}/", timeout=120) as answer:
        page = answer.read().decode()
    assert "Map of the canal</button> 8.00" in page


def test_an_error_of_the_shop_is_text() -> None:
    code = "\n".join(
        (
            "from storefront import app, failed",
            "from towpath import Code, RpcError",
            "with app.app_context(): answer = failed(RpcError(Code.UNAVAILABLE, 'no <b>answer</b>'))",
            "print(answer.status_code, answer.mimetype, answer.get_data(as_text=True))",
        )
    )
    path = os.pathsep.join(str(TESTS.parent / part) for part in ("storefront", "catalogue/src"))
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=True
    )
    assert ran.stdout == "503 text/plain no <b>answer</b>\n"


def test_a_browser_buys_from_a_page_of_another_origin(shop: Shop, storefront: Running, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium; install chromium to have a real browser buy something")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0"]
    url = f"http://localhost:{shop.page_port}/driver"
    with running([chromium, *flags, f"--user-data-dir={tmp_path}", url], tmp_path):
        said = storefront.line(r"the page says: (.*)")[1].split("; ")
    assert said[0] == "map is in the cart"
    assert said[-1] == "ORDER_STATUS_SHIPPED"
