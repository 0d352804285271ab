"""The forms that a `main` may have, and what is said of others."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest

from towpath import SetupError
from towpath._app.life_cycle.main_function import begin, check

Said = list[str]


async def returns(said: Said) -> None:
    said.append("begun")


async def yields(said: Said) -> AsyncIterator[None]:
    said.append("begun")
    yield
    said.append("ended")


@asynccontextmanager
async def manages(said: Said) -> AsyncIterator[None]:
    said.append("begun")
    yield
    said.append("ended")


class Manages:
    def __init__(self, said: Said) -> None:
        self.said = said

    async def __aenter__(self) -> None:
        self.said.append("begun")

    async def __aexit__(self, *_: object) -> None:
        self.said.append("ended")


def passes_on(said: Said) -> Any:
    return returns(said)


@pytest.mark.parametrize("main", [returns, passes_on, partial(returns)])
async def test_a_coroutine_has_no_end(main: Callable[[Said], Any]) -> None:
    said: Said = []
    check(main)
    assert await begin(main, said) is None
    assert said == ["begun"]


@pytest.mark.parametrize("main", [yields, manages, Manages, partial(Manages), partial(yields)])
async def test_what_yields_or_is_a_manager_ends_when_it_is_left(main: Callable[[Said], Any]) -> None:
    said: Said = []
    check(main)
    manager = await begin(main, said)
    assert manager is not None
    assert said == ["begun"]
    await manager.__aexit__(None, None, None)
    assert said == ["begun", "ended"]


def plain(said: Said) -> None: ...


def plain_generator(said: Said) -> Iterator[None]:
    yield


@contextmanager
def plain_manager(said: Said) -> Iterator[None]:
    yield


async def never_yields(said: Said) -> AsyncIterator[None]:
    if said:
        yield


@pytest.mark.parametrize(
    ("main", "message"),
    [
        (plain, "plain is a plain function, and returned None; write `async def plain(app)`"),
        (lambda said: 3, "<lambda> is a plain function, and returned an object of int; write `async def <lambda>(app)`"),
        (plain_generator, "plain_generator is a plain generator; write `async def plain_generator(app)`"),
        (
            plain_manager,
            "plain_manager makes a plain context manager; use contextlib.asynccontextmanager and `async def plain_manager(app)`",
        ),
        (
            never_yields,
            "never_yields ended before it came to its `yield`; yield once, when the application is complete, or leave the yield out",
        ),
    ],
)
async def test_another_form_is_one_sentence(main: Callable[[Said], Any], message: str) -> None:
    check(main)
    with pytest.raises(SetupError) as caught:
        await begin(main, [])
    assert str(caught.value) == message


async def test_a_second_yield_is_told_and_the_generator_ends() -> None:
    said: Said = []

    async def twice(_: object) -> AsyncIterator[None]:
        try:
            yield
            yield
        finally:
            said.append("ended")

    manager = await begin(twice, None)
    assert manager is not None
    with pytest.raises(SetupError, match=r"^twice yields a second time; yield once, when the application is complete$"):
        await manager.__aexit__(None, None, None)
    assert said == ["ended"]


class Shop:
    """No context manager."""


async def takes_nothing() -> None: ...


async def takes_two(app: object, settings: object) -> None: ...


@pytest.mark.parametrize(
    ("main", "message"),
    [
        (lambda: returns([]), "run() was given a coroutine, the result of returns(...); give the function: returns"),
        (lambda: yields([]), "run() was given a generator, the result of yields(...); give the function: yields"),
        (lambda: None, "run() was given None; give a function `async def main(app)`"),
        (lambda: Manages([]), "run() was given an object of Manages; give a function `async def main(app)`"),
        (lambda: "main", "run() was given an object of str; give a function `async def main(app)`"),
        (lambda: Shop, "run() was given the class Shop, which has no __aenter__; give a function `async def main(app)`"),
        (lambda: takes_nothing, "takes_nothing cannot be called with the application alone; write `takes_nothing(app)`"),
        (lambda: takes_two, "takes_two cannot be called with the application alone; write `takes_two(app)`"),
    ],
)
def test_what_is_no_main_is_refused_before_it_is_called(main: Callable[[], object], message: str) -> None:
    with pytest.raises(SetupError) as caught:
        check(main())
    assert str(caught.value) == message


def test_compiled_code_without_a_signature_is_left_to_the_call() -> None:
    check(dict.fromkeys)
