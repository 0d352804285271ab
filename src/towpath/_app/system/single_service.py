"""A system of one service, made from its service file, for `towpath dev` in the folder of a service."""

from pathlib import Path

from towpath._app.settings import service_file
from towpath._app.system.system_file import DEFAULT_GRACE, DEFAULT_READY_TIMEOUT, ServiceEntry, SystemFile
from towpath._core.errors import SetupError
from towpath._transport import Address


def of_service(path: Path, module: str | None = None) -> SystemFile:
    """The system of the service with the service file `path`. `module` is what runs it, as by `python -m`; without it, the one package in
    `src` beside the file that has a `__main__`. Raises SetupError if there is none or more than one."""
    settings = service_file.load(path, {})
    if not isinstance(settings.listen, Address):
        raise SetupError(f"{settings.listen_where}: towpath dev needs a host and port; {settings.listen} is neither")
    source = path.resolve().parent / "src"
    name = settings.name if settings.name != service_file.DEFAULT_NAME else path.resolve().parent.name
    entry = ServiceEntry(
        name=name,
        module=module or _module(source, path),
        path=source if source.is_dir() else None,
        config=path.resolve(),
        listen=settings.listen,
        calls=(),
        env={},
    )
    return SystemFile(path=path, name=name, grace=DEFAULT_GRACE, ready_timeout=DEFAULT_READY_TIMEOUT, services={name: entry})


def _module(source: Path, path: Path) -> str:
    found = sorted(main.parent.name for main in source.glob("*/__main__.py"))
    if len(found) == 1:
        return found[0]
    there = f"has {', '.join(found)}" if found else "has none"
    raise SetupError(f"{path}: which module runs the service is not clear, since {source} {there}; give --module, such as --module shop")
