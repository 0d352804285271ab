"""Path templates by the grammar of google/api/http.proto, and which bindings are refused."""

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from library.v1 import library_pb2 as pb

from towpath._core.http_bindings import REST, STAR, BindingError, HttpBinding, PathTemplate, Variable, check_binding, clashes, resolve_field


@pytest.mark.parametrize(
    ("text", "segments", "variables", "verb"),
    [
        ("/v1", ("v1",), (), ""),
        ("/v1/*/b:go", ("v1", STAR, "b"), (), "go"),
        ("/v1/{a}", ("v1", STAR), (Variable(field="a", start=1, stop=2, single=True),), ""),
        ("/{a.b=x/*/y/*}/z", ("x", STAR, "y", STAR, "z"), (Variable(field="a.b", start=0, stop=4, single=False),), ""),
        ("/v1/{a=**}:undo", ("v1", REST), (Variable(field="a", start=1, stop=None, single=False),), "undo"),
        ("/{a=x}", ("x",), (Variable(field="a", start=0, stop=1, single=False),), ""),
        ("/a%20b/**", ("a%20b", REST), (), ""),
        ("/{a}:b:c%20d", (STAR,), (Variable(field="a", start=0, stop=1, single=True),), "b:c%20d"),
        ("/{a=x/**}/y", ("x", REST, "y"), (Variable(field="a", start=0, stop=-1, single=False),), ""),
        (
            "/{a=x/**/y}/{b=z/*}/{c}",
            ("x", REST, "y", "z", STAR, STAR),
            (
                Variable(field="a", start=0, stop=-3, single=False),
                Variable(field="b", start=-3, stop=-1, single=False),
                Variable(field="c", start=-1, stop=None, single=True),
            ),
            "",
        ),
    ],
)
def test_a_template_is_segments_variables_and_a_verb(text, segments, variables, verb):
    assert PathTemplate.parse(text) == PathTemplate(segments=segments, variables=variables, verb=verb)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "does not begin with /"),
        ("v1", "does not begin with /"),
        ("/", "expected a literal, *, ** or { at position 1, found 'the end'"),
        ("/v1/", "at position 4, found 'the end'"),
        ("/v1//x", "at position 4, found '/'"),
        ("/**/x/**", "has ** twice"),
        ("/{a=**}/{b=x/**}", "has ** twice"),
        ("/x:y::z", "expected /, : or the end at position 4"),
        ("/{a", "expected } at position 3"),
        ("/{a=}", "expected a literal, * or ** at position 4"),
        ("/{a={b}}", "expected a literal, * or ** at position 4"),
        ("/{1a}", "expected the name of a field at position 2"),
        ("/{a}/{a}", "names the field a twice"),
        ("/x:", "expected a verb at position 3"),
        ("/x:y/z", "expected /, : or the end at position 4"),
        ("/x y", "expected /, : or the end at position 2"),
        ("/a%2", "expected /, : or the end at position 2"),
        ("/a/%bA", "'%bA' is not UTF-8, percent-encoded"),
        ("/a:%ff", "'%ff' is not UTF-8, percent-encoded"),
    ],
)
def test_what_is_no_template_is_refused_with_its_place(text, complaint):
    with pytest.raises(BindingError) as caught:
        HttpBinding(method="GET", path=text).template  # noqa: B018 # the property parses
    assert complaint in str(caught.value)


segments = st.lists(st.sampled_from(["a", "b", STAR]), max_size=3)
patterns = st.one_of(
    segments, st.builds(lambda before, after: [*before, REST, *after], segments, st.lists(st.sampled_from(["a", STAR]), max_size=2))
)
PATHS = [path for length in range(7) for path in product("abc", repeat=length)]


@settings(max_examples=60, deadline=None)
@given(patterns, patterns)
@example([REST, STAR], [REST, "a"])
def test_overlap_and_cover_are_what_matching_every_path_says(a, b):
    left, right = (PathTemplate(segments=tuple(segments), variables=(), verb="") for segments in (a, b))
    by_left, by_right = ({path for path in PATHS if matches(template.segments, path)} for template in (left, right))
    assert left.overlaps(right) == right.overlaps(left) == bool(by_left & by_right)
    assert left.covers(right) == (by_left >= by_right)


def matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether a path matches, in the plainest way to say it."""
    if REST in pattern:
        rest = pattern.index(REST)
        return len(path) >= len(pattern) - 1 and matches(
            pattern[:rest] + pattern[rest + 1 :], path[:rest] + path[len(path) - len(pattern) + rest + 1 :]
        )
    return len(pattern) == len(path) and all(want in (STAR, have) for want, have in zip(pattern, path, strict=True))


def test_verbs_tell_paths_apart():
    assert not PathTemplate.parse("/a:x").overlaps(PathTemplate.parse("/a:y"))


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("GET /v1/{a}", "GET /v1/{b}", True),
        ("GET /v1/*/b", "GET /v1/a/*", True),
        ("GET /v1/*", "GET /v1/a", False),
        ("GET /v1/**", "GET /v1/*/b", False),
        ("GET /v1/a", "POST /v1/a", False),
        ("GET /v1/a", "GET /v1/b", False),
        ("GET /v1/**/b", "GET /v1/**", False),
        ("GET /v1/**/b", "GET /v1/a/**", True),
        ("GET /v1/a", "* /v1/a", False),
        ("* /v1/{a}", "* /v1/{b}", True),
    ],
)
def test_two_bindings_clash_if_neither_is_more_specific(first, second, clash):
    bindings = [HttpBinding(method=text.split()[0], path=text.split()[1]) for text in (first, second)]
    assert list(clashes(bindings)) == ([(0, 1)] if clash else [])


def check(method: str = "GET", path: str = "/v1", *, requests_stream: bool = False, body: str = "", response_body: str = "") -> None:
    binding = HttpBinding(method=method, path=path, body=body, response_body=response_body)
    check_binding(binding, pb.ListBooksRequest.DESCRIPTOR, pb.ListBooksResponse.DESCRIPTOR, requests_stream=requests_stream)


def test_a_binding_that_fits_its_messages_is_accepted():
    check(path="/v1/{filter.min_pages}/{filter.publishedAfter}", response_body="books")
    check("POST", body="filter", path="/v1/{filter.min_pages}")
    check("PURGE", body="*")
    check("DELETE", body="*")
    check("HEAD")
    check("*", body="*")
    check(path="/v1/{words}")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"method": "get"}, "'get' is not a method of HTTP"),
        ({"method": "A B"}, "'A B' is not a method of HTTP"),
        ({"method": "TRACE"}, "TRACE belongs to HTTP itself"),
        ({"method": "HEAD", "body": "*"}, "a HEAD has no body"),
        ({"requests_stream": True}, "needs a body to stream them in"),
        ({"path": "/{none}"}, "library.v1.ListBooksRequest has no field none"),
        ({"path": "/{page_size.x}"}, "page_size is no message"),
        ({"path": "/{words.x}"}, "words is no message"),
        ({"path": "/{filter}"}, "filter is no field that one text can be"),
        ({"path": "/{labels}"}, "labels is no field that one text can be"),
        ({"method": "POST", "body": "none"}, "body 'none' is no field"),
        ({"method": "POST", "body": "page_size", "path": "/{page_size}"}, "the field page_size is in the path and is the body too"),
        ({"response_body": "none"}, "response_body 'none' is no field of library.v1.ListBooksResponse"),
        ({"body": "*"}, "a GET has no body"),
    ],
)
def test_a_binding_that_cannot_be_served_is_refused(wrong, complaint):
    with pytest.raises(BindingError) as caught:
        check(**wrong)
    assert complaint in str(caught.value)


def test_a_field_is_found_by_both_of_its_names():
    for path in ("filter.but_not.min_pages", "filter.butNot.minPages"):
        assert [field.name for field in resolve_field(pb.ListBooksRequest.DESCRIPTOR, path)] == ["filter", "but_not", "min_pages"]
