"""Which binding a path means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import HttpBinding
from towpath._wire.rest import Match, NoMatch, Router


def router(*templates: str) -> Router[str]:
    made: Router[str] = Router()
    for template in templates:
        method, _, path = template.rpartition(" ")
        made.add(HttpBinding(method=method or "GET", path=path), template)
    return made


LIBRARY = router(
    "/v1/{name=shelves/*}",
    "/v1/{name=shelves/*/books/*}",
    "/v1/{name=shelves/*/books/*}:read",
    "/v1/shelves/best/books/{book}",
    "POST /v1/shelves/best/books/{book}",
    "/v1/archive/{path=**}",
    "/v1/archive/{path=**}:undo",
    "/v1/{a}/{b.c}/d",
    "/v1/a%20b/c",
)


@pytest.mark.parametrize(
    ("path", "target", "variables"),
    [
        ("/v1/shelves/1", "/v1/{name=shelves/*}", {"name": "shelves/1"}),
        ("/v1/shelves/1/books/2", "/v1/{name=shelves/*/books/*}", {"name": "shelves/1/books/2"}),
        ("/v1/shelves/1/books/2:read", "/v1/{name=shelves/*/books/*}:read", {"name": "shelves/1/books/2"}),
        ("/v1/shelves/1/books/2:3", "/v1/{name=shelves/*/books/*}", {"name": "shelves/1/books/2:3"}),
        ("/v1/shelves/1/books/:read", "/v1/{name=shelves/*/books/*}", {"name": "shelves/1/books/:read"}),
        ("/v1/shelves/best/books/2", "/v1/shelves/best/books/{book}", {"book": "2"}),
        ("/v1/shelves/best/books/2:read", "/v1/{name=shelves/*/books/*}:read", {"name": "shelves/best/books/2"}),
        ("/v1/shelves/best/books/a%2Fb%C3%BC", "/v1/shelves/best/books/{book}", {"book": "a/bü"}),
        ("/v1/shelves/a%2Fb/books/c%20d", "/v1/{name=shelves/*/books/*}", {"name": "shelves/a%2Fb/books/c d"}),
        ("/v1/archive", "/v1/archive/{path=**}", {"path": ""}),
        ("/v1/archive/x", "/v1/archive/{path=**}", {"path": "x"}),
        ("/v1/archive/x/y%2fz", "/v1/archive/{path=**}", {"path": "x/y%2fz"}),
        ("/v1/archive/x/y:undo", "/v1/archive/{path=**}:undo", {"path": "x/y"}),
        ("/v1/shelves/d/d", "/v1/{a}/{b.c}/d", {"a": "shelves", "b.c": "d"}),
        ("/v1/a%20b/c", "/v1/a%20b/c", {}),
        ("/v1/%73helves/1", "/v1/{name=shelves/*}", {"name": "shelves/1"}),
    ],
)
def test_the_most_specific_template_wins(path, target, variables):
    assert LIBRARY.match("GET", path) == Match(target, tuple(variables.items()))


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/shelves/", "/v1/shelves//books/2", "/v1/archive/x//y", "/v2/shelves/1", "/v1" + "/archive" * 100]
)
def test_what_no_template_matches_is_nothing(path):
    assert LIBRARY.match("GET", path) == NoMatch(())


def test_a_method_without_a_binding_is_told_which_have_one():
    assert LIBRARY.match("PUT", "/v1/shelves/best/books/2") == NoMatch(("GET", "POST"))
    assert LIBRARY.match("PUT", "/v1/shelves/1") == NoMatch(("GET",))


def test_a_method_is_looked_for_in_less_specific_templates_too():
    made = router("POST /a/{b}", "/a/b")
    assert made.match("POST", "/a/b") == Match("POST /a/{b}", (("b", "b"),))


DEEP = router(
    "/v1/{name=docs/**}",
    "/v1/{name=docs/**}/rev",
    "/v1/{name=docs/**}/rev/{number}",
    "/v1/{name=docs/**}/{last}:list",
    "/v1/{name=docs/**}/rev:a:b",
    "/y/{name}:a:b",
    "/y/{name}:b",
    "* /any/{name}",
    "HEAD /any/{name}",
    "POST /any/{name}",
)


@pytest.mark.parametrize(
    ("path", "target", "variables"),
    [
        ("/v1/docs", "/v1/{name=docs/**}", {"name": "docs"}),
        ("/v1/docs/rev", "/v1/{name=docs/**}/rev", {"name": "docs"}),
        ("/v1/docs/a/rev/b/rev", "/v1/{name=docs/**}/rev", {"name": "docs/a/rev/b"}),
        ("/v1/docs/a%2Fb/c%20d/rev/7", "/v1/{name=docs/**}/rev/{number}", {"name": "docs/a%2Fb/c d", "number": "7"}),
        ("/v1/docs/a/x%2Fy:list", "/v1/{name=docs/**}/{last}:list", {"name": "docs/a", "last": "x/y"}),
        ("/v1/docs/a/rev:a:b", "/v1/{name=docs/**}/rev:a:b", {"name": "docs/a"}),
        ("/y/x:a:b", "/y/{name}:a:b", {"name": "x"}),
        ("/y/x:y:b", "/y/{name}:b", {"name": "x:y"}),
        ("/y/x:%61:b", "/y/{name}:a:b", {"name": "x"}),
    ],
)
def test_segments_may_follow_any_number_of_segments(path, target, variables):
    assert DEEP.match("GET", path) == Match(target, tuple(variables.items()))


@pytest.mark.parametrize("path", ["/v1/docs//rev", "/y/:b", "/y/x", "/y/x:"])
def test_nothing_empty_is_matched_in_front_of_a_verb_or_a_segment(path):
    assert DEEP.match("GET", path) == NoMatch(())


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "* /any/{name}"), ("PURGE", "* /any/{name}"), ("POST", "POST /any/{name}"), ("HEAD", "HEAD /any/{name}")],
)
def test_a_binding_to_every_method_is_taken_where_a_method_has_none_of_its_own(method, target):
    assert DEEP.match(method, "/any/x") == Match(target, (("name", "x"),))


def test_of_two_of_one_shape_the_first_counts():
    assert router("/a/{b}", "/a/{c}").match("GET", "/a/x") == Match("/a/{b}", (("b", "x"),))


@pytest.mark.parametrize("path", ["/v1/shelves/%FF", "/v1/shelves/\xff"])
def test_a_path_that_is_not_utf_8_is_refused(path):
    with pytest.raises(RpcError) as caught:
        LIBRARY.match("GET", path)
    assert caught.value.code is Code.INVALID_ARGUMENT


@given(st.text("/abs%:2Fv1*{} \xff", max_size=30), st.sampled_from(["GET", "POST", "PUT", ""]))
def test_no_path_raises_anything_else(path, method):
    try:
        assert isinstance(LIBRARY.match(method, path), Match | NoMatch)
    except RpcError as error:
        assert error.code is Code.INVALID_ARGUMENT


def test_a_method_without_a_binding_is_told_which_have_one_behind_any_number_of_segments() -> None:
    assert DEEP.match("PUT", "/v1/docs/a/rev") == NoMatch(("GET",))
    assert DEEP.match("GET", "/v1/docs/a/rev:c:a") == Match("/v1/{name=docs/**}", (("name", "docs/a/rev:c:a"),))
