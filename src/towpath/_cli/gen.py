"""`towpath gen`: compile contracts to Python, or check that the committed code is what they compile to."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


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
    )
    result = generate(options)
    for warning in result.warnings:
        print(warning, file=sys.stderr)
    for path in result.written:
        print(f"{'differs' if check else 'wrote'} {path}")
    for path in result.removed:
        print(f"{'left over' if check else 'removed'} {path}")
    if result.up_to_date:
        print(f"{len(result.unchanged)} files are up to date in {out}")
    elif check:
        print("generated code is not what the contracts say; run the same command without --check", file=sys.stderr)
        return 1
    return 0
