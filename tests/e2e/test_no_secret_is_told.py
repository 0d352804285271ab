"""Secrets of a call, searched for byte by byte in all that a service and `towpath call` write."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 120

CONTRACT = """syntax = "proto3";
package pay.v1;
message PayRequest {
  string card_number = 1 [debug_redact = true];
  string note = 2;
}
message PayResponse {
  string receipt = 1;
  string pin_code = 2 [debug_redact = true];
}
service PayService {
  rpc Pay(PayRequest) returns (PayResponse);
}
"""

SECRETS = {
    "authorization": "Bearer hunter-token-0001",
    "cookie": "sid=cookie-0002; theme=dark",
    "card": "4111-0003",
    "pin": "pin-0004",
    "exception": "s3cr3t-0005",
    "api key": "key-0006",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMDA3In0.c2ln",
}

SERVER = f"""
import logging
from pay.v1.pay_pb2 import PayResponse
from pay.v1.pay_towpath import PayService
from towpath import Code, RpcError, run

log = logging.getLogger("shop")


class Pay(PayService):
    async def pay(self, request, ctx):
        own = {{"api_key": {SECRETS["api key"]!r}, "message_of": str(request)}}
        log.warning("got %s with %s of %r", request, ctx.metadata, ctx, extra=own)
        if request.note == "crash":
            raise ValueError(f"no answer for {{request}} from postgres://bob:{SECRETS["exception"]}@db/x")
        if request.note == "fail":
            raise RpcError(Code.UNAVAILABLE, "postgres://bob:{SECRETS["exception"]}@db/x is down; sent {SECRETS["jwt"]}")
        return PayResponse(receipt="r-1", pin_code={SECRETS["pin"]!r})


async def main(app):
    logging.getLogger().setLevel(logging.DEBUG)
    app.add(Pay())


run(main, config="pay.toml")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_of_a_call_is_in_what_is_written(tmp_path: Path, log_format: str) -> None:
    proto = tmp_path / "proto" / "pay" / "v1" / "pay.proto"
    proto.parent.mkdir(parents=True)
    proto.write_text(CONTRACT)
    subprocess.run([sys.executable, "-m", "towpath", "gen", "proto", "--out", "."], cwd=tmp_path, check=True, timeout=PATIENCE, stdout=-3)
    (tmp_path / "serve.py").write_text(SERVER)
    (tmp_path / "pay.toml").write_text(
        '[service]\nname = "pay"\nlisten = "127.0.0.1:0"\n[telemetry]\nrecorder_directory = "rings"\n'
        '[telemetry.logs]\nlevel = "DEBUG"\n[telemetry.logs.access]\nrate = 1\nmetadata = ["x-client", "x-note"]\n'
    )
    (tmp_path / "rings").mkdir()
    env = {**os.environ, "TOWPATH_LOG_FORMAT": log_format}
    written: list[str] = []
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([sys.executable, "serve.py"], cwd=tmp_path, env={**env, "TOWPATH_ADMIN": "127.0.0.1:0"}, stderr=log) as process,
    ):
        try:
            address = ""
            while not address:
                assert process.poll() is None
                said = (tmp_path / "log").read_text()
                address = said.partition("serves pay.v1.PayService on ")[2].partition("\n")[0].partition('"')[0] if "serves" in said else ""
            for note, *as_json in (("",), ("crash", "--json"), ("fail",)):
                request = json.dumps({"cardNumber": SECRETS["card"], "note": note})
                command = [sys.executable, "-m", "towpath", "call", address, "PayService/Pay", request, "-v", *as_json]
                headers = {
                    **{name: SECRETS[name] for name in ("authorization", "cookie")},
                    "x-note": f"sent {SECRETS['jwt']}",
                    "x-client": "web",
                }
                for name, value in headers.items():
                    command += ["-H", f"{name}: {value}"]
                done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
                written += done.stdout, done.stderr
                assert (done.returncode == 0) is (not note), done.stderr
            shown = subprocess.run(
                [*command[:6], '{"cardNumber": "1"}', "--marked"],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
            assert json.loads(shown.stdout) == {"receipt": "r-1", "pinCode": SECRETS["pin"]}
            rings = [path.read_bytes() for path in (tmp_path / "rings").rglob("*") if path.is_file()]
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    whole = b"\0".join([(tmp_path / "log").read_bytes(), *rings, *(text.encode() for text in written)])
    for told in (b"no answer for", b"r-1", b"is down", b"PayService/Pay", b"[redacted]", b"web"):
        assert told in whole  # so it was searched where something is
    for name, secret in SECRETS.items():
        for part in secret.split("; "):
            assert part.split(" ")[-1].encode() not in whole, name
