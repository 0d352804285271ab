"""What the report prints."""

import io

from rich.console import Console

from bench.peers import PEERS
from bench.reporting.bars import bars
from bench.reporting.figures import Figures
from bench.reporting.report import baseline_of, print_report


def printed(figures, width=80):
    out = io.StringIO()
    print_report(Console(file=out, width=width), figures, bars({each.name: each for each in figures}))
    return out.getvalue()


UNARY = [peer for peer in PEERS if peer.suite == "UNARY" and peer.name not in {"grpcio.aio", "towpath bare"}]


def test_ratios_are_relative_to_bare_and_fit_eighty_columns(measured):
    others = [measured(peer.name, 100, import_seconds=9.0, idle_bytes=9.0) for peer in UNARY]
    bare = measured("towpath bare", 10_000, 10_000, import_seconds=0.1, idle_bytes=0.1)
    text = printed([measured("grpcio.aio", 1_000), bare, *others])
    row = next(line for line in text.splitlines() if "grpcio.aio" in line)
    assert "0.10x" in row
    assert "10.00x" in row
    assert "…" not in text


def test_a_failed_peer_is_a_row_with_its_reason_below(measured):
    text = printed([Figures(name="grpclib", failure="No module named [grpclib]"), measured("towpath bare", 1_000)], width=140)
    assert "grpclib: failed: No module named [grpclib]" in text


def test_an_absent_peer_is_not_called_failed(measured):
    text = printed([Figures(name="grpc-go", failure="go not found", absent=True), measured("towpath bare", 1_000)], width=140)
    assert "grpc-go: absent: go not found" in text
    assert "failed" not in text


def test_a_run_without_bare_compares_with_the_first_that_was_measured(measured):
    failed, first = Figures(name="grpclib", failure="gone"), measured("grpcio.aio", 1_000)
    assert baseline_of([failed, first, measured("grpc-go", 2_000)]) is first


def test_a_run_in_which_all_failed_still_has_a_report():
    assert "grpclib: failed: gone" in printed([Figures(name="grpclib", failure="gone")])


def test_no_rate_is_printed(measured):
    assert "12345" not in printed([measured("towpath bare", 12_345)]).replace(",", "")


def test_a_disturbed_run_says_so(measured):
    assert "Disturbed" in printed([measured("towpath bare", 1_000, others=0.34)])
    assert "Disturbed" not in printed([measured("towpath bare", 1_000, others=0.01)])


def test_one_round_has_no_spread(measured):
    assert "0%" not in printed([measured("towpath bare", 1_000)])
