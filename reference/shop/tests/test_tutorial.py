"""The commands of the tutorial, against the shop while it runs. An answer on the page may leave something out, which is `...` there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from programs import Shop

PAGE = Path(__file__).parents[3] / "docs" / "tutorial" / "a-shop.md"
PORTS = {"127.0.0.1:8080": "catalogue", "127.0.0.1:8081": "cart", "127.0.0.1:8082": "checkout"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page calls with curl; install it to run this")
def test_each_command_is_answered_as_the_page_says(shop: Shop, tmp_path: Path) -> None:
    _, *blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    script, expected = [], []
    for line in "".join(blocks).splitlines():
        (script if line.startswith("$ ") else expected).append(line.removeprefix("$ "))
    text = "\n".join(f"{line}; echo" if line.startswith("curl") else line for line in script)
    for address, service in PORTS.items():
        text = text.replace(address, shop[service])
    text = text.replace("curl ", "curl -sS ").replace("python ", f"{sys.executable} ")
    answered = subprocess.run(["sh", "-e"], input=text, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answered) == len(expected)
    for answer, wanted in zip(answered, expected, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, wanted.split("..."))), answer), (wanted, answer)
