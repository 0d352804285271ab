"""Keeps the garbage collector still while millions of objects are made that all live until the end."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collected_later() -> Generator[None]:
    """Collect no garbage meanwhile: each collection would look through all traces again, and there is none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
