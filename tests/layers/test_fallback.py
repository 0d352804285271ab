"""An answer that was said to be good enough, when the server has none."""

import asyncio
from collections import Counter

import pytest
from echo.v1.echo_pb2 import FailResponse, SayRequest, SayResponse
from echo.v1.echo_towpath import FAIL, SAY
from hypothesis import given
from hypothesis import strategies as st
from stream.v1.stream_towpath import REPEAT

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._core.context import Context, Reply
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.metadata import Metadata
from towpath._core.outcome import BLAMES_SERVER, classify
from towpath._layers.fallback import MARK, Fallback, FixedAnswer, LastAnswer, Source

SAY_NAME = "echo.v1.EchoService/Say"
GIVEN = SayResponse(id="given")


@pytest.fixture
def hand():
    hand = Hand()
    with clock.using(hand):
        yield hand


class Stage:
    """A method with a source, before a server that echoes, takes `seconds`, and fails if it has an `error`."""

    def __init__(self, hand: Hand, source: Source) -> None:
        self.hand = hand
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.asked = 0
        self.told: Counter[str] = Counter()
        self.handler = Fallback(source_of={SAY: source}.get, signal=self._hear).wrap(SAY, self._serve)

    def _hear(self, decision: Decision) -> None:
        assert decision[:2] == (SAY_NAME, "fallback")
        assert (decision.shadow, decision.rejected, decision.ctx is None) == (False, False, False)
        self.told[decision.reason] += 1

    async def _serve(self, request: SayRequest, ctx: Context) -> SayResponse:
        self.asked += 1
        self.hand.now += self.seconds
        if self.error is not None:
            raise self.error
        return SayResponse(id=request.id, n=self.asked)

    async def say(self, request_id: str = "x", **context) -> SayResponse:
        return await self.handler(SayRequest(id=request_id), Context("a/b", **context))

    async def fails(self, request_id: str = "x", **context) -> bool:
        try:
            await self.say(request_id, **context)
        except RpcError:
            return True
        return False


@pytest.mark.parametrize("source", [FixedAnswer(response=GIVEN), FixedAnswer(response=GIVEN, skip=True), LastAnswer()])
async def test_an_answer_passes(hand, source):
    stage = Stage(hand, source)
    assert (await stage.say("x")).id == "x"
    assert not stage.told


def test_a_method_without_a_source_does_not_have_the_role(hand):
    async def target(_request, _ctx):
        raise AssertionError

    assert Fallback(source_of={SAY: LastAnswer()}.get).wrap(FAIL, target) is target


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize(
    ("source", "told"), [(FixedAnswer(response=GIVEN), "VALUE"), (FixedAnswer(response=GIVEN, skip=True), "VALUE"), (LastAnswer(), "STALE")]
)
async def test_it_stands_in_for_the_servers_failures_alone(hand, code, source, told):
    stage = Stage(hand, source)
    await stage.say()
    stage.error = RpcError(code, "as told")
    reply = Reply()
    reply.trailers = Metadata([("of-the", "server")])
    if classify(stage.error) in BLAMES_SERVER:
        assert (await stage.say(reply=reply)).id == ("x" if told == "STALE" else "given")
        assert stage.told == {told: 1}
        assert list(reply.trailers) == [("of-the", "server"), (MARK, told)]
        await stage.say()
    else:
        assert await stage.fails(reply=reply)
        assert (stage.told, len(reply.trailers)) == ({}, 1)


@pytest.mark.parametrize("source", [FixedAnswer(response=GIVEN), FixedAnswer(response=GIVEN, skip=True), LastAnswer()])
@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("a bug of ours")])
async def test_neither_a_cancellation_nor_a_bug_is_hidden(hand, source, error):
    stage = Stage(hand, source)
    await stage.say()
    stage.error = error
    with pytest.raises(type(error)):
        await stage.say()


async def test_what_a_caller_does_to_an_answer_stays_with_it(hand):
    for source in (FixedAnswer(response=GIVEN), LastAnswer()):
        stage = Stage(hand, source)
        (await stage.say()).id = "changed"
        stage.error = RpcError(Code.UNAVAILABLE)
        (await stage.say()).id = "changed"
        assert (await stage.say()).id != "changed"


async def test_the_last_answer_is_that_to_the_same_request_of_the_same_caller(hand):
    stage = Stage(hand, LastAnswer())
    metadata = Metadata([("authorization", "Bearer me")])
    await stage.say("x", tenant="t", metadata=metadata)
    stage.error = RpcError(Code.UNAVAILABLE)
    assert not await stage.fails("x", tenant="t", metadata=metadata)
    assert await stage.fails("y", tenant="t", metadata=metadata)
    assert await stage.fails("x", tenant="u", metadata=metadata)
    assert await stage.fails("x", tenant="t", metadata=Metadata([("authorization", "Bearer you")]))


async def test_a_request_that_is_no_message_is_one_sentence(hand):
    with pytest.raises(TypeError, match=r"a request of echo.v1.EchoService/Say is SayRequest, and not an object of dict"):
        await Stage(hand, LastAnswer()).handler({"n": 1}, Context("a/b"))


async def test_the_last_answer_grows_too_old(hand):
    stage = Stage(hand, LastAnswer(max_age=60))
    await stage.say()
    stage.error = RpcError(Code.INTERNAL)
    hand.now += 60
    assert not await stage.fails()
    hand.now += 0.1
    assert await stage.fails()


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60), st.integers(1, 4))
def test_the_requests_asked_most_recently_are_remembered(steps, size):
    async def history():
        with clock.using(hand := Hand()):
            stage = Stage(hand, LastAnswer(size=size))
            recent: list[int] = []
            for number, works in steps:
                stage.error = None if works else RpcError(Code.UNAVAILABLE)
                assert await stage.fails(str(number)) is (not works and number not in recent)
                if works or number in recent:
                    recent = [*(known for known in recent if known != number), number][-size:]

    asyncio.run(history())


async def test_an_optional_call_is_skipped_while_it_would_come_too_late(hand):
    stage = Stage(hand, FixedAnswer(response=GIVEN, skip=True))
    stage.seconds = 0.2
    for _ in range(30):
        await stage.say(deadline=hand.now + 1)
    assert stage.asked == 30
    assert (await stage.say(deadline=hand.now + 0.19)).id == "given"
    assert (stage.asked, stage.told) == (30, {"SKIPPED": 1})
    assert (await stage.say(deadline=hand.now + 0.3)).id == "x"
    assert (await stage.say()).id == "x"
    hand.now += 40
    await stage.say(deadline=hand.now + 0.19)
    assert stage.asked == 33


async def test_calls_that_ran_out_of_time_count_as_late(hand):
    stage = Stage(hand, FixedAnswer(response=GIVEN, skip=True))
    stage.seconds = 0.5
    stage.error = RpcError(Code.DEADLINE_EXCEEDED)
    for _ in range(25):
        assert (await stage.say(deadline=hand.now + 0.5)).id == "given"
    assert stage.told["SKIPPED"] > 0
    assert stage.told["VALUE"] == stage.asked


def test_a_value_has_to_be_the_methods_response(hand):
    with pytest.raises(SetupError, match=r"fallback of echo.v1.EchoService/Say is a echo.v1.FailResponse; give a echo.v1.SayResponse"):
        Stage(hand, FixedAnswer(response=FailResponse()))


def test_a_stream_cannot_have_one(hand):
    async def target(_request, _ctx):
        raise AssertionError

    with pytest.raises(SetupError, match=r"Repeat streams, and cannot have a fallback"):
        Fallback(source_of={REPEAT: LastAnswer()}.get).wrap(REPEAT, target)


@pytest.mark.parametrize(
    ("options", "message"), [({"max_age": 0}, "max_age of a fallback is 0 s"), ({"size": 0}, "size of a fallback is 0")]
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(SetupError, match=message):
        LastAnswer(**options)
