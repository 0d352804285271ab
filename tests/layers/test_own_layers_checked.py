"""What is no layer is refused in one sentence, when the application or the channel is made."""

from typing import Any

import pytest

from tests.echo_service import Echo
from tests.own_layer import Own
from towpath import App, Context, SetupError, connect
from towpath._core.service import Handler
from towpath._layers.own_layers import checked_layers


async def passes(following: Handler, request: Any, ctx: Context) -> Any:
    return await following(request, ctx)


class TestWrongUse:
    class NoRole:
        def wrap(self, method: Any, following: Handler) -> Handler:
            return following

    class Late(NoRole):
        role = "late"

        async def wrap(self, method: Any, following: Handler) -> Handler:  # type: ignore[override] # that is what the test is about
            return following

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ([Own], r"layers\[0\] is the class Own; give an object of it, such as Own\(\)"),
            (Own(passes), r"layers is <tests.own_layer.Own object at .*>; give a list of layers, such as \[Audit\(\)\]"),
            (Own, r"give a list of layers"),
            ("shop.layers:Audit", r"layers is 'shop.layers:Audit'; give a list of layers"),
            (3, "layers is 3; give a list of layers"),
            ([Own(passes), print], r"layers\[1\] is <built-in function print>, which is no layer; a layer has `role`"),
            ([Late()], r"layers\[0\]: wrap of TestWrongUse.Late is async; make it a plain function"),
            ([NoRole()], r"layers\[0\]: TestWrongUse.NoRole has no role; set `role`"),
        ],
    )
    async def test_what_is_no_layer_is_refused_in_one_sentence(self, given: Any, sentence: str) -> None:
        with pytest.raises(SetupError, match=sentence):
            App(layers=given)
        with pytest.raises(SetupError, match=sentence):
            connect("127.0.0.1:1", layers=given)

    async def test_a_wrap_that_gives_no_handler_is_refused_when_the_server_starts(self) -> None:
        class Forgetful:
            role = "forgetful"

            def wrap(self, method: Any, following: Handler) -> Any:
                """Forgets to return."""

        async with App(layers=[Forgetful()]) as app:
            app.add(Echo())
            with pytest.raises(
                SetupError, match=r"the layer 'forgetful' gave None for echo\.v1\.EchoService/Say; its `wrap` returns a handler"
            ):
                await app.start("127.0.0.1", 0)

    def test_layers_that_are_layers_are_given_back(self) -> None:
        mine = Own(passes)
        assert checked_layers([mine], "layers") == (mine,)
