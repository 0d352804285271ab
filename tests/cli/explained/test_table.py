"""How `towpath explain` looks: on terminals of any width, with and without colour, and as JSON."""

import json
import re
import sys

import pytest

from towpath._cli.explained.table import Explained
from towpath._cli.main import main


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("TOWPATH_CONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "towpath.toml").write_text(
        '[service]\ncontracts = ["echo.v1.echo_towpath"]\n'
        '[[methodConfig]]\nname = [{ service = "echo.v1.EchoService", method = "Say" }]\ntimeout = "0.5s"\n'
        '[targets.a-target-with-a-long-name]\naddress = "127.0.0.1:1"\noutlier_detection = { max_ejected_share = 0.2 }\n'
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("colour", [True, False])
def test_it_fits_the_terminal(capsys, monkeypatch, width, colour):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    assert main(["explain", "EchoService/Say"]) == 0
    text = capsys.readouterr().out
    assert ("\x1b[" in text) is colour
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert max(map(len, plain.splitlines())) <= width
    headings = [line for line in plain.splitlines() if line and not line.startswith(" ") and " side" not in line]
    client = headings[: headings.index("contract") + 1]
    assert client[:3] == ["context", "deadline", "retry"]
    assert client[-1] == "contract"
    assert "from towpath.toml: methodConfig[0]" in " ".join(plain.split())


@pytest.mark.usefixtures("config")
def test_it_is_json_for_programs(capsys):
    assert main(["explain", "EchoService/Say", "--json", "--side", "client"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["method"], found["side"], found["stack"][-1]) == ("echo.v1.EchoService/Say", "client", "transport")
    wanted = {
        "name": "timeout",
        "layer": "deadline",
        "value": "0.5 s, or what the caller has left if that is less",
        "source": "towpath.toml: methodConfig[0]",
    }
    assert wanted in found["values"]


def test_values_stand_under_their_layers_in_the_order_of_the_stack():
    rows = [("retry", "x " * 8, "default"), ("timeout", "1 s", "contract option"), ("message_limit", "4", "default")]
    shown = Explained(method="a.B/C", side="client", stack=["deadline", "retry"], rows=rows).table(24, colour=False)
    assert shown == (
        "a.B/C, client side\n  deadline -> retry\n\ndeadline\n  timeout  1 s\n           from contract\n           option\n"
        "\nretry\n  retry  x x x x x x x x\n\nlimits of the server\n  message_limit  4"
    )
