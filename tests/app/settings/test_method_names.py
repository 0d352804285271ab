"""One rule of how settings and commands name methods: what a short name means, and what is said of one that means nothing."""

from dataclasses import replace

import pytest
from echo.v1.echo_towpath import FAIL, SAY, SLEEP

from towpath._app.settings.method_names import (
    UnknownService,
    find_method,
    find_service,
    find_services,
    methods_of_service,
    with_full_names,
)
from towpath._contracts.policy import MethodConfig
from towpath._core.errors import SetupError

OTHER = replace(SAY, service="other.v1.EchoService")
BARE = replace(SAY, service="EchoService")
TWO = [SAY, FAIL, OTHER]


@pytest.mark.parametrize("name", ["EchoService", "v1.EchoService", "echo.v1.EchoService", "/EchoService"])
def test_a_service_may_be_named_without_its_package(name):
    assert find_service(name, ["echo.v1.EchoService", "stream.v1.StreamService"]) == "echo.v1.EchoService"


def test_a_full_name_is_never_ambiguous():
    services = ["EchoService", "echo.v1.EchoService"]
    assert find_services("EchoService", services) == ["EchoService"]
    assert find_method("EchoService/Say", [SAY, BARE]) is BARE


@pytest.mark.parametrize(("name", "near"), [("EchoServise", "EchoService"), ("ehco.v1.EchoService", "echo.v1.EchoService")])
def test_an_unknown_service_is_an_error_with_the_nearest(name, near):
    with pytest.raises(UnknownService, match=f"unknown service '{name}'; did you mean '{near}'"):
        find_service(name, [SAY.service])


def test_the_end_of_a_word_is_no_name():
    with pytest.raises(UnknownService):
        find_service("Service", [SAY.service])


def test_a_name_of_two_services_is_ambiguous():
    with pytest.raises(SetupError, match=r"EchoService is ambiguous: echo\.v1\.EchoService, other\.v1\.EchoService; write one of them out"):
        methods_of_service("EchoService", TWO)
    with pytest.raises(SetupError, match=r"EchoService/Say is ambiguous: echo\.v1\.EchoService/Say, other\.v1\.EchoService/Say"):
        find_method("EchoService/Say", TWO)


def test_a_method_that_one_of_two_services_has_is_meant():
    assert find_method("EchoService/Fail", TWO) is FAIL
    with pytest.raises(
        SetupError, match=r"service echo\.v1\.EchoService or other\.v1\.EchoService has no method 'Sya'; did you mean 'Say'"
    ):
        find_method("EchoService/Sya", TWO)


@pytest.mark.parametrize("name", ["EchoService", "/EchoService", "EchoService/", "/", ""])
def test_a_method_needs_its_service(name):
    with pytest.raises(SetupError, match="is not SERVICE/METHOD"):
        find_method(name, TWO)


def test_the_same_contract_twice_is_one():
    assert find_method("EchoService/Say", [SAY, replace(SAY)]).full_name == SAY.full_name


def test_entries_have_full_names_where_the_service_is_known():
    names = (("EchoService", "Say"), ("echo.v1.EchoService", ""), ("", ""), ("Later", "Do"))
    (config,), unknown = with_full_names([MethodConfig(names=names, source="f: methodConfig[0]")], [SAY, FAIL])
    assert config.names == (("echo.v1.EchoService", "Say"), ("echo.v1.EchoService", ""), ("", ""), ("Later", "Do"))
    assert [str(error) for error in unknown] == ["f: methodConfig[0].name[3]: unknown service 'Later'; known services: EchoService"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            ("echo.v1.EchoService", "Sya"),
            r"f: methodConfig\[0\]\.name\[0\]: service echo\.v1\.EchoService has no method 'Sya'; did you mean",
        ),
        (("EchoService", ""), r"f: methodConfig\[0\]\.name\[0\]: EchoService is ambiguous: "),
        (("EchoService", "Say"), r"f: methodConfig\[0\]\.name\[0\]: EchoService/Say is ambiguous: "),
    ],
)
def test_an_entry_with_a_wrong_name_is_named(name, message):
    with pytest.raises(SetupError, match=message):
        with_full_names([MethodConfig(names=(name,), source="f: methodConfig[0]")], TWO)


def test_two_entries_for_one_method_are_refused_however_they_spell_it():
    short = MethodConfig(names=(("EchoService", "Sleep"),), source="f: methodConfig[0]")
    full = MethodConfig(names=(("echo.v1.EchoService", "Sleep"),), source="f: methodConfig[1]")
    with pytest.raises(
        SetupError, match=r"f: methodConfig\[1\]: echo\.v1\.EchoService/Sleep is already configured by f: methodConfig\[0\]"
    ):
        with_full_names([short, full], [SAY, SLEEP])
