"""The generated code of each peer, made anew for every run from the one contract, each by its own generator in a folder of its own."""

import os
import shutil
import sys
from typing import Final

from bench import golang
from bench.peers import Peer
from bench.places import BUILD, CERTIFICATE, CONTRACT, KEY, LOGS, PROTO
from bench.processes.children import completed, python_environment

_PLUGINS: Final = {
    "grpcio": ("python", "grpc_python"),
    "grpclib": ("python", "grpclib_python"),
    "connectrpc": ("py", "connectrpc"),
}

# What `towpath gen` calls. In a child like the other generators, since towpath may be importable only with the children's path.
_TOWPATH_GEN: Final = """
import sys
from pathlib import Path
from towpath.codegen import GenerateOptions, generate
generate(GenerateOptions(paths=[Path(sys.argv[1])], out=Path(sys.argv[2])))
"""


async def prepare(peer: Peer) -> None:
    """Make what `peer` needs before it can start; raises PeerError with the generator's or compiler's last line."""
    if not peer.module:
        await golang.build()
        return
    if not peer.stubs:
        return
    folder = BUILD / peer.stubs
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if peer.module == "towpath_tls":
        await _certificate()
    if peer.stubs == "towpath":
        argv = [sys.executable, "-c", _TOWPATH_GEN, str(PROTO), str(folder)]
    else:
        plugins = [f"--{plugin}_out={folder}" for plugin in _PLUGINS[peer.stubs]]
        argv = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO}", *plugins, CONTRACT]
    await completed(argv, environment=_with_plugins(python_environment("")), log=LOGS / f"{peer.short}.gen.log", limit=60)


async def _certificate() -> None:
    CERTIFICATE.parent.mkdir(parents=True, exist_ok=True)
    subject = ["-subj", "/CN=towpath bench", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    argv = ["openssl", "req", "-x509", *kind, *subject, "-keyout", str(KEY), "-out", str(CERTIFICATE)]
    await completed(argv, environment=dict(os.environ), log=LOGS / "certificate.log", limit=60)


def _with_plugins(environment: dict[str, str]) -> dict[str, str]:
    # protoc looks its plugins up on PATH; they are installed beside this interpreter, whose environment need not be activated.
    scripts = sys.executable.rpartition("/")[0]
    return {**environment, "PATH": f"{scripts}:{environment.get('PATH', '')}"}
