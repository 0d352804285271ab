"""The flight recorder of a process that is run, as its service file wants it."""

from collections.abc import Generator
from contextlib import contextmanager

from towpath._app.settings.service_file import ServiceConfig
from towpath._telemetry.flight_recorder import process_recorder
from towpath._telemetry.flight_recorder.recorder import Recorder
from towpath._telemetry.flight_recorder.ring_files import open_writer


@contextmanager
def recorded(config: ServiceConfig) -> Generator[Recorder | None]:
    """Records the calls of applications and channels that are made inside the `with` block, unless `config` says otherwise. The file is
    removed with the end of the block, and stays if the process is killed."""
    options = config.telemetry.recorder
    if not options.recorder:
        yield None
        return
    writer, lock = open_writer(config.name, options.rows, options.directory)
    recorder = Recorder(writer)
    process_recorder.install(recorder, lock)
    try:
        yield recorder
    finally:
        writer.close()  # first: a file that nobody holds is put aside by the next process that starts, and stays for a day
        process_recorder.install(None)
