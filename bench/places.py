"""Where things are. All that a run writes goes under `results`, which git ignores."""

from pathlib import Path
from typing import Final

BENCH: Final = Path(__file__).parent
ROOT: Final = BENCH.parent
PROTO: Final = BENCH / "proto"
CONTRACT: Final = "echo/v1/echo.proto"
RESULTS: Final = BENCH / "results"
BUILD: Final = RESULTS / "build"
LOGS: Final = RESULTS / "logs"
CERTIFICATE: Final = BUILD / "tls" / "certificate.pem"
KEY: Final = BUILD / "tls" / "key.pem"
