"""`towpath gen`: compile contracts to Python, or check that the committed code is what they compile to."""

import sys
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._contracts.codegen.generator import GenerateOptions, GenerateResult


def gen(
    paths: list[Path],
    /,
    *,
    proto_root: Annotated[list[Path] | None, Parameter(negative="")] = None,
    out: Path,
    check: Annotated[bool, Parameter(negative="")] = False,
    ship_protos: Annotated[bool, Parameter(negative="")] = False,
    import_prefix: str = "",
    skip_bindings: Annotated[bool, Parameter(negative="")] = False,
    package: Annotated[str | None, Parameter(negative="")] = None,
    version: Annotated[str | None, Parameter(negative="")] = None,
    no_fakes: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Compile .proto files to messages and typed services.

    Parameters
    ----------
    paths
        Contracts, or directories of them.
    proto_root
        Directory that imports start from; may be given more than once. Without it, the directories among PATHS.
    out
        Directory to generate into; it must be on Python's path for the code to import.
    check
        Write nothing; list what differs, and exit with status 1 if anything does.
    ship_protos
        Copy the contracts there too, for a package whose contracts others import.
    import_prefix
        Package that OUT is, such as shop.gen, if OUT itself is not on Python's path; for contracts whose names other packages have.
    skip_bindings
        Leave out bindings of google.api.http that cannot be served, with a warning, instead of refusing their contract.
    package
        Make OUT a package of this name, such as shop-contracts, that can be built, installed, and imported from by Python and contracts.
    version
        Version of the package; without it, that of the newest release in git, a tag such as v1.4.0, whose contracts these are.
    no_fakes
        Leave out the fakes of the services (*_fakes.py), which tests of their callers use.
    json
        Print one JSON object: written, removed and unchanged (files; with --check those that differ and those left over), warnings, and
        up_to_date.
    """
    # Only this command needs protoc and descriptors, and `towpath --help` should not wait for them.
    from towpath._contracts.codegen.generator import GenerateOptions, generate

    options = GenerateOptions(
        paths=paths,
        proto_roots=proto_root or (),
        out=out,
        check=check,
        ship_protos=ship_protos,
        import_prefix=import_prefix,
        skip_bindings=skip_bindings,
        package=package,
        version=version,
        fakes=not no_fakes,
    )
    result = generate(options)
    return _write_json(result, check) if json else _report(result, options)


def _write_json(result: "GenerateResult", check: bool) -> int:
    lists = {"written": result.written, "removed": result.removed, "unchanged": result.unchanged, "warnings": result.warnings}
    told = {name: [str(one) for one in some] for name, some in lists.items()}
    print(dumps({**told, "up_to_date": result.up_to_date}))
    return 0 if result.up_to_date or not check else 1


def _report(result: "GenerateResult", options: "GenerateOptions") -> int:
    """Print what was done, and return the exit status."""
    for warning in result.warnings:
        print(warning, file=sys.stderr)
    for path in result.written:
        print(f"{'differs' if options.check else 'wrote'} {path}")
    for path in result.removed:
        print(f"{'left over' if options.check else 'removed'} {path}")
    if result.up_to_date:
        print(f"{len(result.unchanged)} files are up to date in {options.out}")
    elif options.check:
        print("generated code is not what the contracts say; run the same command without --check", file=sys.stderr)
        return 1
    if options.package is not None and not options.check:
        print(f"build it with: uv build {options.out}, or: python -m build {options.out}")
    return 0
