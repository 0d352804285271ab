"""`towpath add service`: another service of a system."""

import shutil
import tomllib
from pathlib import Path, PurePosixPath

from towpath._contracts.codegen.output import write_files
from towpath._core.errors import SetupError
from towpath._scaffold.additions.edits import Addition
from towpath._scaffold.answers import checked
from towpath._scaffold.project import make_service, write_error
from towpath._scaffold.record import read_record
from towpath._scaffold.system import with_services

_SYSTEM = PurePosixPath("system.toml")


def add_service(folder: Path, name: str, *, port: int | None = None, template: Path | None = None) -> Addition:
    """Make the service `name` in the system in `folder`, and enter it into its system file. Without `port` it gets the first one above
    those of the other services. Raises SetupError, with nothing written, if `folder` is no system, or if the name is taken."""
    record = read_record(folder)
    if record.kind != "system":
        raise SetupError(f"{folder} is one service; make a system by towpath new --system, or add a client, method or store to this one")
    place = folder / _SYSTEM
    try:
        text = place.read_text("utf-8")
        ports = [_port(entry.get("listen", "")) for entry in tomllib.loads(text).get("services", {}).values()]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"{place} cannot be read: {error}; mend it first") from error
    chosen = port if port is not None else max([record.answers.port - 1, *ports]) + 1
    member = checked(name, port=chosen, python=record.answers.python)
    edited = with_services(text, [member], str(place))
    made = make_service(member, folder, template=template, alone=False)
    try:
        write_files({place: edited.encode()}, ())
    except OSError as error:
        shutil.rmtree(made.folder)
        raise write_error(error, place) from error
    return Addition(written=(made.folder, place), following=f"run make dev; the service has {made.files} files, as towpath new makes them")


def _port(listen: str) -> int:
    port = listen.rpartition(":")[2]
    return int(port) if port.isdigit() else 0
