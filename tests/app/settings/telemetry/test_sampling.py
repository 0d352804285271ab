"""Which traces are sampled, as the file and OpenTelemetry's variables say."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from echo.v1.echo_towpath import EchoService
from library.v1.library_towpath import LibraryService

from towpath._app.settings.telemetry.sampling import DEFAULT_RATIO, SamplingOptions, sampler_of, told_sampling
from towpath._core.errors import SetupError
from towpath._core.propagation.sampling import NEVER, Sampler, threshold
from towpath.settings import load

METHODS = [*EchoService.spec.methods, *LibraryService.spec.methods]
SAY = "echo.v1.EchoService/Say"
NOTHING: Mapping[str, str] = {}


def read(folder: Path, text: str, environ: Mapping[str, str] = NOTHING) -> SamplingOptions:
    (folder / "towpath.toml").write_text(f"[telemetry]\n{text}")
    return load(folder / "towpath.toml", environ).telemetry.sampling


def sampler(folder: Path, text: str, environ: Mapping[str, str] = NOTHING, *, exports: bool = True) -> Sampler:
    found = sampler_of(read(folder, text, environ), METHODS, exports=exports)
    assert found is not None
    return found


def test_by_default_a_hundredth_is_sampled_where_spans_go_somewhere(tmp_path: Path) -> None:
    assert sampler(tmp_path, "").threshold(SAY) == threshold(DEFAULT_RATIO)
    assert sampler(tmp_path, "").follows_parents
    assert sampler_of(read(tmp_path, ""), METHODS, exports=False) is None
    assert sampler_of(load(None, {}).telemetry.sampling, [], exports=False) is None


def test_one_ratio_is_for_all_methods(tmp_path: Path) -> None:
    assert sampler(tmp_path, "sampling = 0.5", exports=False).threshold(SAY) == threshold(0.5)
    assert sampler(tmp_path, "sampling = 1").threshold(SAY) == threshold(1)
    assert sampler_of(read(tmp_path, "sampling = 0"), METHODS, exports=True) is None


@pytest.mark.parametrize("name", [SAY, "EchoService/Say", "/echo.v1.EchoService/Say"])
def test_a_method_is_named_as_everywhere(tmp_path: Path, name: str) -> None:
    found = sampler(tmp_path, f'[telemetry.sampling]\n"{name}" = 1\nLibraryService = 0.5', exports=False)
    assert [found.threshold(method) for method in (SAY, "echo.v1.EchoService/Fail", "library.v1.LibraryService/GetBook")] == [
        threshold(1),
        NEVER,
        threshold(0.5),
    ]


def test_the_default_is_that_of_the_methods_without_a_name(tmp_path: Path) -> None:
    text = f'[telemetry.sampling]\ndefault = 0.1\n"{SAY}" = 0'
    assert sampler(tmp_path, text).threshold(SAY) is NEVER
    assert sampler(tmp_path, text).threshold("a.B/C") == threshold(0.1)
    assert told_sampling(read(tmp_path, text)) == f"0.1, {SAY} = 0"
    assert told_sampling(read(tmp_path, "")) == "default"


@pytest.mark.parametrize(
    ("variable", "argument", "ratio", "follows"),
    [
        ("always_on", "", 1.0, False),
        ("always_off", "", 0.0, False),
        ("traceidratio", "0.25", 0.25, False),
        ("parentbased_always_on", "ignored", 1.0, True),
        ("parentbased_traceidratio", "0.25", 0.25, True),
        ("parentbased_traceidratio", "", 1.0, True),
    ],
)
def test_opentelemetrys_sampler_wins_over_the_file(tmp_path: Path, variable: str, argument: str, ratio: float, *, follows: bool) -> None:
    environ = {"OTEL_TRACES_SAMPLER": variable, "OTEL_TRACES_SAMPLER_ARG": argument}
    options = read(tmp_path, f'[telemetry.sampling]\n"{SAY}" = 0.5', environ)
    assert (options.ratio, options.methods, options.follows_parents) == (ratio, (), follows)
    assert ("whatever callers say" in told_sampling(options)) is not follows
    found = sampler_of(options, METHODS, exports=False)
    assert found is not None
    assert (found.threshold(SAY), found.follows_parents) == (threshold(ratio), follows)


def test_a_sampler_that_is_off_below_callers_leaves_the_word_to_them(tmp_path: Path) -> None:
    options = read(tmp_path, "sampling = 1", {"OTEL_TRACES_SAMPLER": "parentbased_always_off"})
    assert sampler_of(options, METHODS, exports=True) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sampling = 1.5", "telemetry.sampling: 1.5 is no part of the traces; give 0 (none) to 1 (all)"),
        ("sampling = -0.1", "telemetry.sampling: -0.1 is no part"),
        ("sampling = nan", "telemetry.sampling: nan is no part"),
        ('sampling = "all"', "telemetry.sampling"),
        ('[telemetry.sampling]\n"a.B/C" = 2', 'telemetry.sampling."a.B/C": 2 is no part of the traces'),
        ('[telemetry.sampling]\n"a.B/C" = "x"', "telemetry.sampling"),
    ],
)
def test_a_value_that_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, text)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("EchoService/Sya", "telemetry.sampling: service echo.v1.EchoService has no method 'Sya'; did you mean 'Say'"),
        ("EcoService", "telemetry.sampling: unknown service 'EcoService'; did you mean 'EchoService'"),
    ],
)
def test_a_name_that_no_method_has_is_refused(tmp_path: Path, name: str, error: str) -> None:
    options = read(tmp_path, f'[telemetry.sampling]\n"{name}" = 1')
    with pytest.raises(SetupError) as caught:
        sampler_of(options, METHODS, exports=True)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"OTEL_TRACES_SAMPLER": "always_onn"}, "OTEL_TRACES_SAMPLER: towpath has no sampler 'always_onn'; did you mean 'always_on'"),
        ({"OTEL_TRACES_SAMPLER": "xray"}, "known samplers: always_off, always_on, parentbased_always_off"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "much"}, "OTEL_TRACES_SAMPLER_ARG: 'much' is no number"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG: 2 is no part of the traces"),
    ],
)
def test_a_variable_that_is_wrong_is_refused_with_its_name(tmp_path: Path, environ: Mapping[str, str], error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, "", environ)
    assert error in str(caught.value)
