"""Whatever comes over HTTP/1.1 and HTTP/2, in whatever pieces: the server answers in the protocol, logs no error, and keeps nothing."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.budget import fuzzed
from tests.hostile.fuzzing import (
    Changes,
    FuzzedServer,
    Moves,
    Responses,
    altered,
    changes_with,
    check_frames,
    cut,
    moves,
    mutated,
    mutations_with,
    opened,
    seeds,
    sessions,
    watched,
)

WORDS = seeds("words")
places = st.lists(st.integers(0, 4000), max_size=4)


@pytest.fixture(scope="module")
def server() -> Iterator[FuzzedServer]:
    with watched(FuzzedServer) as started:
        yield started


@pytest.mark.parametrize("seed", seeds("http1"), ids=lambda seed: seed[:32].decode("latin-1"))
def test_a_seed_of_http1_is_answered(seed: bytes, server: FuzzedServer) -> None:
    assert Responses(server.converse([seed])).statuses


@pytest.mark.parametrize("session", sessions("http2"), ids=range(len(sessions("http2"))))
def test_a_seed_of_http2_is_fit_to_be_mutated(session: list[bytes], server: FuzzedServer) -> None:
    assert check_frames(server.converse([opened(session)])) == 0


@fuzzed(200)
@given(st.sampled_from(seeds("http1")), mutations_with(WORDS), places)
def test_http1(server: FuzzedServer, seed: bytes, mutations: list[tuple[str, int, bytes]], edges: list[int]) -> None:
    data = mutated(seed, mutations)
    said = server.converse([data])
    in_pieces = server.converse(cut(data, edges))
    if not data.startswith(b"PRI") and b"HEAD" not in data:
        statuses, others = Responses(said).statuses, Responses(in_pieces).statuses
        # A malformed request may take along those before it, which have not been answered yet.
        assert statuses[-1:] == others[-1:] or statuses[-1:] == [400]


@fuzzed(200)
@given(st.sampled_from(sessions("http2")), changes_with(WORDS), moves(3), places)
def test_http2(server: FuzzedServer, session: list[bytes], changes: Changes, repeated: Moves, edges: list[int]) -> None:
    check_frames(server.converse(cut(opened(altered(session, changes, repeated)), edges)))
