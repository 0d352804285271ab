"""grpc-go, built offline from Debian's packages: the fastest server that a team would consider leaving Python for.

Debian 12 ships grpc-go as source under its GOPATH, so the build is a GOPATH build with modules off and downloads nothing. Where the
toolchain or a package is missing, the peer is absent and the report says what to install.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from bench.places import BENCH, BUILD, CONTRACT, LOGS, PROTO
from bench.processes.children import PeerError, completed

_GOPATH: Final = BUILD / "go"
_DEBIAN_GOPATH: Final = Path("/usr/share/gocode")
_PACKAGES: Final = "golang-go golang-google-grpc-dev golang-goprotobuf-dev protobuf-compiler"
SERVER: Final = _GOPATH / "bin" / "server"
CLIENT: Final = _GOPATH / "bin" / "client"


class AbsentError(PeerError):
    """A peer that this machine has not got; not a failure of anybody."""


def go_environment() -> dict[str, str]:
    """For building and for running: one thread of Go code, since each process has one core; the server would see that by itself."""
    path = os.pathsep.join([str(_GOPATH), str(_DEBIAN_GOPATH)])
    cache = str(BUILD / "go-cache")
    return {**os.environ, "GOPATH": path, "GOCACHE": cache, "GO111MODULE": "off", "GOFLAGS": "", "GOMAXPROCS": "1"}


async def build() -> None:
    """Generate the stubs and compile server and client; raises AbsentError or PeerError.

    The first build compiles grpc-go too and takes tens of seconds.
    """
    missing = [tool for tool in ("go", "protoc", "protoc-gen-go") if shutil.which(tool) is None]
    if not (_DEBIAN_GOPATH / "src" / "google.golang.org" / "grpc").is_dir():
        missing.append("grpc-go's source")
    if missing:
        raise AbsentError(f"{', '.join(missing)} not found; on Debian 12: apt-get install {_PACKAGES}")
    sources = _GOPATH / "src"
    for program in ("server", "client"):
        folder = sources / "bench" / program
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(BENCH / "go" / program / "main.go", folder)
    environment = go_environment()
    environment["GOMAXPROCS"] = str(os.cpu_count() or 1)
    log = LOGS / "grpc-go.build.log"
    protoc = ["protoc", f"--proto_path={PROTO}", f"--go_out=plugins=grpc:{sources}", CONTRACT]
    await completed(protoc, environment=environment, log=log, limit=60)
    for program, binary in (("server", SERVER), ("client", CLIENT)):
        await completed(["go", "build", "-o", str(binary), f"bench/{program}"], environment=environment, log=log, limit=600)
