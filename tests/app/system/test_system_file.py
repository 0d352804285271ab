"""The system file: what is read, and what is refused before anything starts."""

from pathlib import Path

import pytest

from towpath._app.system.system_file import load
from towpath._core.errors import SetupError
from towpath._transport import Address


def written(folder: Path, text: str) -> Path:
    path = folder / "system.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file_is_read(tmp_path):
    (tmp_path / "a.toml").touch()
    text = """
    [system]
    name = "pair"
    grace = "3s"
    ready_timeout = "0.5s"
    [services.a-b]
    module = "pkg.a"
    config = "a.toml"
    listen = "127.0.0.1:7001"
    calls = ["c"]
    env = { X = "1" }
    [services.c]
    module = "pkg.c"
    """
    file = load(written(tmp_path, text))
    assert (file.name, file.grace, file.ready_timeout, list(file.services)) == ("pair", 3.0, 0.5, ["a-b", "c"])
    first, second = file.services.values()
    assert (first.module, first.config, first.listen, first.calls) == ("pkg.a", tmp_path / "a.toml", Address("127.0.0.1", 7001), ("c",))
    assert (dict(first.env), first.target_variable) == ({"X": "1"}, "TOWPATH_TARGET_A_B")
    assert (second.config, second.listen, second.calls) == (None, Address("127.0.0.1", 0), ())
    assert file.cycle() == []


def test_a_system_is_called_after_its_folder_if_it_has_no_name(tmp_path):
    assert load(written(tmp_path, "[services.a]\nmodule = 'm'")).name == tmp_path.name


@pytest.mark.parametrize(
    ("calls", "cycle"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["b", "c"], "b": ["c"], "c": []}, []),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["b", "c", "b"]),
        ({"a": ["a"]}, ["a", "a"]),
    ],
)
def test_a_cycle_of_calls_is_found(tmp_path, calls, cycle):
    text = "".join(f"[services.{name}]\nmodule = 'm'\ncalls = {callees}\n" for name, callees in calls.items())
    assert load(written(tmp_path, text)).cycle() == cycle


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "services is missing"),
        ("[services]", "services: has no entry"),
        ("[services.a]", r"services\.a\.module is missing"),
        ("[services]\na = 1", r"services\.a must be a table, not an integer"),
        ("[services.a]\nmodule = 'm'\nmodul = 'x'", r"unknown key services\.a\.modul; did you mean 'module'"),
        ("[services.A]\nmodule = 'm'", r"services\.A: a service's name has lower-case letters"),
        (
            "[services.flights]\nmodule = 'm'\ncalls = ['flihgts']",
            r"services\.flights\.calls: unknown service 'flihgts'; did you mean 'flights'",
        ),
        ("[services.a]\nmodule = 'm'\ncalls = ['zzz']", r"services\.a\.calls: unknown service 'zzz'; known services: a"),
        ("[services.a]\nmodule = 'm'\nlisten = '80'", r"services\.a\.listen: '80' is not host:port"),
        ("[services.a]\nmodule = 'm'\nconfig = 'no.toml'", r"services\.a\.config: .*no\.toml is not a file"),
        ("[services.a]\nmodule = 'm'\nenv = { TOWPATH_LISTEN = 'x' }", r"services\.a\.env\.TOWPATH_LISTEN: is set by towpath"),
        ("[services.a-b]\nmodule = 'm'\n[services.a_b]\nmodule = 'm'", r"services\.a_b: differs from services\.a-b only in"),
        (
            "[services.a]\nmodule = 'm'\nlisten = 'h:1'\n[services.b]\nmodule = 'm'\nlisten = 'h:1'",
            r"services\.b\.listen: h:1 is also that of services\.a",
        ),
        ("[system]\ngrace = 'x'\n[services.a]\nmodule = 'm'", r"system\.grace: 'x' is not a duration"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_field(tmp_path, text, message):
    with pytest.raises(SetupError, match=rf"system\.toml: {message}"):
        load(written(tmp_path, text))


def test_a_service_may_name_the_folder_that_python_imports_from(tmp_path):
    (tmp_path / "a/src").mkdir(parents=True)
    file = load(written(tmp_path, "[services.a]\nmodule = 'a'\npath = 'a/src'\n[services.b]\nmodule = 'b'\n"))
    assert [entry.path for entry in file.services.values()] == [tmp_path / "a/src", None]


def test_a_path_that_is_no_folder_is_named(tmp_path):
    with pytest.raises(SetupError, match=r"services\.a\.path: .*nowhere is not a folder; paths are relative to the system file"):
        load(written(tmp_path, "[services.a]\nmodule = 'a'\npath = 'nowhere'\n"))


def test_some_services_are_picked_and_call_each_other_alone(tmp_path):
    text = "[services.a]\nmodule = 'a'\ncalls = ['b', 'c']\n[services.b]\nmodule = 'b'\n[services.c]\nmodule = 'c'\n"
    file = load(written(tmp_path, text))
    assert {name: entry.calls for name, entry in file.only(["b", "a"], "--only").services.items()} == {"a": ("b",), "b": ()}
    with pytest.raises(SetupError, match=r"--only: there is no service 'x'; "):
        file.only(["x"], "--only")
