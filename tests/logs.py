"""What towpath has logged in a test."""

import logging

import pytest


def told(caplog: pytest.LogCaptureFixture, level: int = logging.NOTSET) -> list[str]:
    """The messages of towpath's loggers from `level` on. asyncio may log in any test what became of the tasks of another one, since it
    does so when they are collected as garbage."""
    return [record.getMessage() for record in caplog.records if record.levelno >= level and record.name.partition(".")[0] == "towpath"]
