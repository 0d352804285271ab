"""Ratios between peers, and the bars that towpath has to clear.

A ratio compares two figures of the same run, so that the machine cancels out; that is why bars are ratios wherever there is a peer to
compare with. Import time and memory have none, and are absolute.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.peers import ADAPTER, BARE, BIDI_STREAM, GRPC_GO, GRPCIO, JSON, LARGE, MOUNTED, SERVER_STREAM, STACK, TLS
from bench.reporting.figures import Figures

_KIB: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """One peer relative to a baseline; each None where either side was not measured. More throughput is better, less of all else."""

    throughput: float | None
    advantage: float | None
    """The baseline's throughput as a multiple of this peer's: the inverse of `throughput`."""
    p50_at_1: float | None
    p99_at_64: float | None
    idle_bytes: float | None
    import_seconds: float | None


def ratios(peer: Figures, baseline: Figures) -> Ratios:
    """`peer` relative to `baseline`."""
    throughput = p50 = p99 = None
    if peer.measured and baseline.measured:
        throughput = peer.throughput(64) / baseline.throughput(64)
        p50 = peer.latency(1, 50) / baseline.latency(1, 50)
        p99 = peer.latency(64, 99) / baseline.latency(64, 99)
    return Ratios(
        throughput=throughput,
        advantage=1 / throughput if throughput else None,
        p50_at_1=p50,
        p99_at_64=p99,
        idle_bytes=_ratio(peer.idle_bytes, baseline.idle_bytes),
        import_seconds=_ratio(peer.import_seconds, baseline.import_seconds),
    )


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


@dataclass(frozen=True, kw_only=True)
class Bar:
    """`measured` must be at least (or, with `at_most`, at most) `bound`; `aim` is where it should get to, `unit` what it counts."""

    name: str
    measured: float | None
    bound: float
    aim: float | None = None
    at_most: bool = False
    unit: str = "x"

    @property
    def status(self) -> str:
        """`met`, `missed`, or `not measured` where a peer that it needs is not there."""
        if self.measured is None:
            return "not measured"
        return "met" if (self.measured <= self.bound if self.at_most else self.measured >= self.bound) else "missed"


def bars(figures: Mapping[str, Figures]) -> list[Bar]:
    """Every bar, measured as far as `figures` (by peer's name) allow."""
    bare = figures.get(BARE)
    against_grpcio, against_go = _against(bare, figures.get(GRPCIO)), _against(bare, figures.get(GRPC_GO))
    stack = _against(figures.get(STACK), bare)
    against_adapter = _against(figures.get(ADAPTER), figures.get(GRPCIO))
    import_seconds = bare.import_seconds if bare else None
    idle = bare.idle_bytes if bare else None
    return [
        Bar(name="bare calls/s at 64 / grpcio.aio", measured=against_grpcio.throughput, bound=8, aim=10),
        Bar(name="bare calls/s at 64 / grpc-go", measured=against_go.throughput, bound=0.9, aim=1),
        Bar(name="bare p50 at 1 / grpc-go", measured=against_go.p50_at_1, bound=1.1, aim=1, at_most=True),
        Bar(name="stack calls/s at 64 / bare", measured=stack.throughput, bound=0.75, aim=0.8),
        Bar(name="stack calls/s at 64 / grpcio.aio", measured=_against(figures.get(STACK), figures.get(GRPCIO)).throughput, bound=7),
        Bar(name="server streaming messages/s / grpcio.aio", measured=_rate(figures, BARE, GRPCIO, SERVER_STREAM), bound=8),
        Bar(name="bidi streaming messages/s / grpcio.aio", measured=_rate(figures, BARE, GRPCIO, BIDI_STREAM), bound=8),
        Bar(name="1 MiB echo calls/s / grpcio.aio", measured=_rate(figures, BARE, GRPCIO, LARGE), bound=1),
        Bar(name="REST JSON GET calls/s / FastAPI", measured=_rate(figures, STACK, "FastAPI", JSON), bound=3),
        Bar(name="FastAPI mounted calls/s / on uvicorn", measured=_rate(figures, MOUNTED, "FastAPI", JSON), bound=1),
        Bar(name="servicer of grpcio calls/s at 64 / grpcio.aio", measured=against_adapter.throughput, bound=4),
        Bar(name="p99 beside 10,000 open streams / alone", measured=bare.crowded if bare else None, bound=2, at_most=True),
        Bar(name="JSON reading / json_format", measured=bare.transcoder.get("reading") if bare else None, bound=8),
        Bar(name="JSON writing / json_format", measured=bare.transcoder.get("writing") if bare else None, bound=8),
        Bar(name="bare over TLS calls/s / plaintext", measured=_over(figures.get(f"{BARE}, {TLS}"), bare), bound=0.7),
        Bar(
            name="import of towpath",
            measured=None if import_seconds is None else import_seconds * 1e3,
            bound=150,
            at_most=True,
            unit=" ms",
        ),
        Bar(
            name="memory per idle connection",
            measured=None if idle is None else idle / _KIB,
            bound=20,
            at_most=True,
            unit=" KiB",
        ),
    ]


def _rate(figures: Mapping[str, Figures], ours: str, theirs: str, suite: str) -> float | None:
    return _over(figures.get(f"{ours}, {suite}"), figures.get(f"{theirs}, {suite}"))


def _over(peer: Figures | None, baseline: Figures | None) -> float | None:
    """Calls per second as a ratio, at the level of concurrency where it is least."""
    if peer is None or baseline is None or not (peer.measured and baseline.measured):
        return None
    levels = set(peer.rounds[0].windows) & set(baseline.rounds[0].windows)
    return min(peer.throughput(level) / baseline.throughput(level) for level in levels)


_NOT_MEASURED: Final = Figures(name="")


def _against(peer: Figures | None, baseline: Figures | None) -> Ratios:
    return ratios(peer or _NOT_MEASURED, baseline or _NOT_MEASURED)
