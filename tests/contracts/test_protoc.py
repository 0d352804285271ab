"""Which of protoc's lines is the error."""

from pathlib import Path

from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.protoc import fault
from towpath._core.errors import SetupError

ROOTS = [Path("proto"), Path("shared")]


def test_the_first_place_counts_and_warnings_do_not():
    error = fault("a.proto:1:1: warning: Import b.proto is unused.\na.proto:3:5: Expected message name.\na.proto:9:1: Expected.\n", ROOTS)
    assert isinstance(error, ContractError)
    assert error.location == SourceLocation(file="a.proto", line=3, column=5)
    assert error.message == "Expected message name"


def test_a_missing_import_says_where_it_was_looked_for():
    error = fault('b.proto: File not found.\na.proto:3:1: Import "b.proto" was not found or had errors.\n', ROOTS)
    assert str(error).startswith('a.proto:3:1: import "b.proto" was not found\n  hint: imports start from proto, shared;')


def test_a_file_on_another_drive_keeps_its_name():
    error = fault("C:\\proto\\a.proto:3:5: Expected message name.\n", ROOTS)
    assert isinstance(error, ContractError)
    assert error.location == SourceLocation(file="C:\\proto\\a.proto", line=3, column=5)


def test_what_has_no_place_is_passed_on_whole():
    error = fault("protoc: out of memory\n", ROOTS)
    assert type(error) is SetupError
    assert str(error) == "protoc failed: protoc: out of memory"
    assert str(fault("", ROOTS)) == "protoc failed: it said nothing"
