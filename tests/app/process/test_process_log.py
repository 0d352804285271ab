"""The log of `towpath.run`: no text of a caller is a record or a command to a terminal."""

import logging
import subprocess
import sys

from towpath._app.process.log_format import PrintableFormatter

PROGRAM = """
import logging, towpath
async def main(app):
    try:
        raise ValueError("asked for\\n2026-11-28 00:00:00,000 ERROR root: forged \\x1b[2J")
    except ValueError:
        logging.getLogger("shop").exception("failed for %s", "bob\\r\\n\\x1b[31mroot")
towpath.run(main)
"""


def test_a_process_writes_records_that_nobody_can_forge() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    lines = [line for line in done.stderr.split("\n") if line]
    (first,) = (line for line in lines if "shop" in line)
    assert first.endswith(" ERROR shop: failed for bob\\r")
    assert "  2026-11-28 00:00:00,000 ERROR root: forged \\x1b[2J" in lines
    assert "\x1b" not in done.stderr
    assert "  Traceback (most recent call last):" in lines


def test_a_plain_record_stays_as_it_is() -> None:
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, "served %d of %s", (3, "\u00fc\u6f22"), None)
    assert PrintableFormatter("%(name)s: %(message)s").format(record) == "shop: served 3 of \u00fc\u6f22"
